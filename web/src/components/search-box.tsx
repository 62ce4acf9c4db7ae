import { useEffect, useRef, useState } from "react";
import { useSettled } from "../state/hooks";
import { useHotkeys } from "../state/hotkeys";

/** A search field that "/" focuses; `onChange` hears of a text once typing pauses. */
export function SearchBox({ value, onChange, label }: { value: string; onChange: (text: string) => void; label: string }) {
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const settled = useSettled(text);
  const sent = useRef(value);
  useEffect(() => {
    if (settled === sent.current) return;
    sent.current = settled;
    onChange(settled);
  }, [settled, onChange]);
  useEffect(() => {
    // The URL changed by other means, such as the back button.
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
  }, [value]);
  useHotkeys({ "/": () => (input.current?.focus(), input.current?.select()) });
  return (
    <div className="search">
      <input ref={input} type="search" value={text} placeholder={label} aria-label={label} maxLength={200} spellCheck={false} data-testid="search"
        onChange={(e) => setText(e.target.value)} onKeyDown={(e) => e.key === "Escape" && (text === "" ? input.current?.blur() : setText(""))} />
      {text === "" && <kbd aria-hidden="true">/</kbd>}
    </div>
  );
}
