import { useState, type FormEvent } from "react";
import { period, utc } from "../lib/format";
import type { Comparison, Window } from "../lib/range";
import { Popover } from "./popover";

interface Props {
  comparison: Comparison | null;
  window: Window;
  other: Window | null;
  /** The value of `compare` in the URL; null ends the comparison. */
  onChange: (text: string | null) => void;
}

const CHOICES = [["previous", "The window before"], ["day", "A day earlier"], ["week", "A week earlier"]] as const;
const pad = (n: number): string => String(n).padStart(2, "0");
function local(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

/** Chooses the window to compare with. */
export function CompareMenu({ comparison, window: w, other, onChange }: Props) {
  return (
    <Popover testid="compare" title="Compare with another window"
      label={other ? <span title={`${utc(other.from)} to ${utc(other.to)}`}>against {period(other.from, other.to)}</span> : "Compare"}>
      {(close) => (
        <>
          {CHOICES.map(([value, text]) => (
            <button key={value} aria-pressed={comparison?.kind === value} data-testid={`compare-${value}`} onClick={() => (onChange(value), close())}>{text}</button>
          ))}
          <OwnWindow start={other ?? { from: w.from - (w.to - w.from), to: w.from }} onChange={(text) => (onChange(text), close())} />
          {comparison && <button onClick={() => (onChange(null), close())}>End the comparison</button>}
        </>
      )}
    </Popover>
  );
}

function OwnWindow({ start, onChange }: { start: Window; onChange: (text: string) => void }) {
  const [from, setFrom] = useState(local(start.from));
  const [to, setTo] = useState(local(start.to));
  const [a, b] = [new Date(from).getTime(), new Date(to).getTime()];
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (a < b) onChange(`${a}-${b}`);
  };
  return (
    <form onSubmit={submit} style={{ display: "grid", gap: 8 }}>
      <label>From <input type="datetime-local" step="1" value={from} onChange={(e) => setFrom(e.target.value)} /></label>
      <label>To <input type="datetime-local" step="1" value={to} onChange={(e) => setTo(e.target.value)} /></label>
      <button type="submit" disabled={!(a < b)}>Compare with this window</button>
    </form>
  );
}
