import { useEffect, useRef, useState, type ReactNode } from "react";

/** A button with a panel below it; Escape, a click outside and `close` shut it. */
export function Popover({ label, title, testid, children }: { label: ReactNode; title: string; testid?: string; children: (close: () => void) => ReactNode }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    const outside = (e: PointerEvent) => !box.current?.contains(e.target as Node) && setOpen(false);
    const escape = (e: KeyboardEvent) => {
      if (e.key !== "Escape") return;
      e.stopPropagation();
      setOpen(false);
      button.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape, true);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("keydown", escape, true);
    };
  }, [open]);
  return (
    <div className="pop" ref={box}>
      <button ref={button} aria-expanded={open} aria-haspopup="dialog" title={title} onClick={() => setOpen(!open)} data-testid={testid}>
        {label}
      </button>
      {open && (
        <div className="pop-panel" role="dialog" aria-label={title}>
          {children(() => setOpen(false))}
        </div>
      )}
    </div>
  );
}
