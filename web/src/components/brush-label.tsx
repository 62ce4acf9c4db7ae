import { Link } from "wouter";
import { duration, period, utc } from "../lib/format";
import type { Window } from "../lib/range";

interface Props {
  brush: Window | null;
  onZoom: () => void;
  onClear: () => void;
  /** Where this window is compared with the one before. */
  compareHref: string;
}

/** Says which window the table below shows, and how to leave it. */
export function BrushLabel({ brush, onZoom, onClear, compareHref }: Props) {
  const compare = <Link className="button" href={compareHref} title="Compare with the window of the same length before" data-testid="what-changed">What changed?</Link>;
  if (!brush) return <span className="row" data-testid="window"><span className="faint">whole chart; drag on it to select</span>{compare}</span>;
  return (
    <span className="row" data-testid="window" data-from={brush.from} data-to={brush.to}>
      <span className="pill info" title={`${utc(brush.from)} to ${utc(brush.to)}`}>
        {period(brush.from, brush.to)} ({duration((brush.to - brush.from) / 1000)})
      </span>
      {compare}
      <button onClick={onZoom} title="Make the selection the window of the page">Zoom in</button>
      <button onClick={onClear} title="Esc" data-testid="clear-brush">Clear</button>
    </span>
  );
}
