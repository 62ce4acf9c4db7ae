import type { Load } from "../api/schema";
import { count, exact } from "../lib/format";
import type { Paint } from "../lib/palette";
import { visible } from "../lib/text";
import { paintColor } from "./paint";

interface Props {
  series: Load["series"];
  paints: ReadonlyMap<string, Paint>;
  hidden: ReadonlySet<string>;
  onToggle: (key: string, only: boolean) => void;
  lit: string | null;
  onLit: (key: string | null) => void;
}

/** The bands of the chart with their means, largest first. A click hides one, a click with shift shows it alone. */
export function Legend({ series, paints, hidden, onToggle, lit, onLit }: Props) {
  const total = series.reduce((sum, s) => sum + (hidden.has(s.key) ? 0 : s.mean), 0);
  const rows = [...series].sort((a, b) => b.mean - a.mean);
  return (
    <div className="legend" onMouseLeave={() => onLit(null)} role="group" aria-label="Bands of the chart; mean over the window">
      {rows.map((s) => (
        <button key={s.key} aria-pressed={!hidden.has(s.key)} className={s.key === lit ? "lit" : undefined} title={`${visible(s.label) || "(none)"}\nmean ${exact(s.mean)} sessions`}
          onClick={(e) => onToggle(s.key, e.shiftKey)} onMouseEnter={() => onLit(s.key)} onFocus={() => onLit(s.key)} onBlur={() => onLit(null)}>
          <span className="swatch" style={{ background: paintColor(paints.get(s.key)) }} />
          <span className="name clip">{visible(s.label) || "(none)"}</span>
          <span>{count(s.mean)}</span>
        </button>
      ))}
      <div className="foot"><span>Mean active sessions</span><strong>{count(total)}</strong></div>
    </div>
  );
}
