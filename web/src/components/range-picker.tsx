import { useState, type FormEvent } from "react";
import { period, utc } from "../lib/format";
import { absolute, DEFAULT_RANGE, PRESETS, relativeRange, resolve, type Range } from "../lib/range";
import { Popover } from "./popover";

interface Props {
  range: Range;
  onRange: (range: Range) => void;
  onMove: (direction: -1 | 1) => void;
  onZoomOut: () => void;
}

const pad = (n: number): string => String(n).padStart(2, "0");
/** Local time as an input of type datetime-local wants it. */
function local(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

/** The window of the whole page: relative and live, or fixed. */
export function RangePicker({ range, onRange, onMove, onZoomOut }: Props) {
  const live = range.kind === "relative";
  return (
    <div className="range-group" role="group" aria-label="Time range">
      <button title="Earlier ( [ )" aria-label="Earlier" onClick={() => onMove(-1)}>‹</button>
      <Popover
        title="Time range"
        testid="range"
        label={
          <>
            <span className={live ? "live" : "live off"} title={live ? "live: refreshes every 10 s" : "fixed"} />
            {live ? `Last ${range.live}` : <span title={`${utc(range.from)} to ${utc(range.to)}`}>{period(range.from, range.to)}</span>}
          </>
        }
      >
        {(close) => <Choices range={range} onRange={(r) => (onRange(r), close())} />}
      </Popover>
      <button title="Later ( ] )" aria-label="Later" onClick={() => onMove(1)} disabled={live}>›</button>
      <button title="Zoom out ( z )" aria-label="Zoom out" onClick={onZoomOut}>−</button>
    </div>
  );
}

function Choices({ range, onRange }: Pick<Props, "range" | "onRange">) {
  const w = resolve(range, Date.now());
  const [from, setFrom] = useState(local(w.from));
  const [to, setTo] = useState(local(w.to));
  const [a, b] = [new Date(from).getTime(), new Date(to).getTime()];
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (a < b) onRange(absolute(range, { from: a, to: b }));
  };
  return (
    <>
      <div className="choices">
        {PRESETS.map((p) => (
          <button key={p} aria-pressed={range.kind === "relative" && range.live === p} onClick={() => onRange(relativeRange(p))}>
            {p}
          </button>
        ))}
      </div>
      <form onSubmit={submit} style={{ display: "grid", gap: 8 }}>
        <label>From <input type="datetime-local" step="1" value={from} onChange={(e) => setFrom(e.target.value)} /></label>
        <label>To <input type="datetime-local" step="1" value={to} onChange={(e) => setTo(e.target.value)} /></label>
        <div className="row">
          <button type="submit" className="primary" disabled={!(a < b)}>Show</button>
          {range.kind === "relative" ? (
            <button type="button" onClick={() => onRange(absolute(range, w))} title="Keep exactly this window, for a link that shows the same tomorrow">Freeze</button>
          ) : (
            <button type="button" onClick={() => onRange(relativeRange(range.live ?? DEFAULT_RANGE))}>Back to live</button>
          )}
          <span className="faint">local time</span>
        </div>
      </form>
    </>
  );
}
