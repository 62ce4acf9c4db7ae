import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import uPlot from "uplot";
import type { Load } from "../api/schema";
import { count, period, utc } from "../lib/format";
import type { Paint } from "../lib/palette";
import type { Window } from "../lib/range";
import { layerAt, scaleMax, stack } from "../lib/stack";
import { visible } from "../lib/text";
import { useWidth } from "../state/hooks";
import { useTheme } from "../state/theme";
import { timeAxis, valueAxis } from "./axes";
import { drawStack, type Scene } from "./load-canvas";
import { paintColor } from "./paint";

export interface LoadChartProps {
  load: Load;
  /** In the order of the stack, bottom first. */
  series: Load["series"];
  paints: ReadonlyMap<string, Paint>;
  hidden: ReadonlySet<string>;
  lit: string | null;
  onLit: (key: string | null) => void;
  brush: Window | null;
  onBrush: (brush: Window) => void;
  onClear: () => void;
  onZoom: () => void;
}

const HEIGHT = 284;
const DRAG_MIN = 5; // CSS pixels; less is a click, which clears

/** Average active sessions, stacked. Dragging selects whole buckets; the arrow keys move the selection, with shift they widen it. */
export function LoadChart({ load, series, paints, hidden, lit, onLit, brush, onBrush, onClear, onZoom }: LoadChartProps) {
  const [box, width] = useWidth<HTMLDivElement>();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { dark } = useTheme();
  const [cursor, setCursor] = useState<{ index: number; left: number } | null>(null);

  const stacked = useMemo(() => stack(series, load.t.length, hidden), [series, load.t.length, hidden]);
  const colors = useMemo(() => new Map(series.map((s) => [s.key, paintColor(paints.get(s.key))])), [series, paints, dark]);
  const step = load.step_seconds * 1000;
  const scene: Scene = { from: load.from, to: load.to, step, t: load.t, stack: stacked, cores: load.cores, colors, lit };
  const live = useRef({ scene, brush, onBrush, onClear, onLit });
  live.current = { scene, brush, onBrush, onClear, onLit };

  useEffect(() => {
    if (!host.current || width === 0) return;
    const at = () => live.current;
    let dragging = false; // then the selection is the pointer's: neither bands nor the brush of the address may disturb it
    const release = () => setTimeout(() => (dragging = false)); // after uPlot has told the selection
    const bucket = (u: uPlot, left: number) => Math.floor((u.posToVal(left, "x") - (at().scene.t[0] ?? 0)) / at().scene.step);
    const u = new uPlot(
      {
        width,
        height: HEIGHT,
        ms: 1,
        padding: [10, 18, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
        scales: { x: { time: true, range: () => [at().scene.from, at().scene.to] }, y: { range: () => [0, scaleMax(at().scene.stack.max, at().scene.cores)] } },
        axes: [timeAxis(), valueAxis(count)],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: {
          draw: [(u) => drawStack(u, at().scene), (u) => dragging || showBrush(u, at().brush)],
          setCursor: [
            (u) => {
              const left = u.cursor.left ?? -1;
              const index = left < 0 ? -1 : bucket(u, left);
              if (index < 0 || index >= at().scene.t.length) {
                setCursor(null);
                return at().onLit(null);
              }
              setCursor({ index, left });
              if (!dragging) at().onLit(layerAt(at().scene.stack, index, u.posToVal(u.cursor.top ?? 0, "y")));
            },
          ],
          setSelect: [
            (u) => {
              const { scene: s, onBrush: select, onClear: clear } = at();
              if (u.select.width < DRAG_MIN) return clear();
              const a = Math.max(0, bucket(u, u.select.left));
              const b = Math.min(s.t.length - 1, bucket(u, u.select.left + u.select.width));
              if (s.t[a] === undefined || s.t[b] === undefined || b < a) return clear();
              select({ from: s.t[a], to: s.t[b] + s.step });
            },
          ],
        },
      },
      [live.current.scene.t as number[], live.current.scene.stack.total],
      host.current,
    );
    u.over.addEventListener("mousedown", () => (dragging = true));
    document.addEventListener("mouseup", release);
    plot.current = u;
    return () => {
      document.removeEventListener("mouseup", release);
      u.destroy();
      plot.current = null;
    };
  }, [width, dark]);

  useEffect(() => plot.current?.setData([load.t, stacked.total]), [load, stacked]);
  useEffect(() => plot.current?.redraw(false), [lit, colors, brush]);

  const watched = load.t.filter((_, i) => stacked.total[i] !== null);
  const keys = (e: KeyboardEvent) => {
    if (e.key === "Enter" && brush) onZoom();
    else if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
    else {
      const by = e.key === "ArrowLeft" ? -step : step;
      const first = load.t[Math.max(0, load.t.length - 4)] ?? load.from;
      const b = brush ?? { from: first, to: first + 3 * step };
      const next = e.shiftKey ? { from: b.from, to: b.to + by } : { from: b.from + by, to: b.to + by };
      if (next.from >= load.from && next.to <= load.to + step && next.to - next.from >= step) onBrush(next);
    }
    e.preventDefault();
    e.stopPropagation();
  };

  return (
    <div ref={box} className="chart" style={{ height: HEIGHT }} tabIndex={0} role="group" onKeyDown={keys} data-testid="load-chart"
      data-points={watched.length} data-from={load.from} data-to={load.to} data-first={watched[0]} data-last={watched[watched.length - 1]}
      aria-label={`Average active sessions, ${period(load.from, load.to)}. Arrow keys select, Enter zooms, Escape clears.`}>
      <div ref={host} />
      {cursor && cursor.index < load.t.length && <Tip load={load} series={series} colors={colors} total={stacked.total[cursor.index] ?? null} hidden={hidden} lit={lit} {...cursor} width={width} />}
    </div>
  );
}

function showBrush(u: uPlot, brush: Window | null): void {
  const left = brush ? Math.max(0, u.valToPos(brush.from, "x")) : 0;
  const right = brush ? Math.min(u.bbox.width / devicePixelRatio, u.valToPos(brush.to, "x")) : 0;
  u.setSelect({ left, top: 0, width: Math.max(0, right - left), height: brush && right > left ? u.bbox.height / devicePixelRatio : 0 }, false);
}

interface TipProps extends Pick<LoadChartProps, "load" | "series" | "hidden" | "lit"> {
  width: number;
  colors: ReadonlyMap<string, string>;
  total: number | null;
  index: number;
  left: number;
}

/** What the bucket under the pointer is made of, largest first. */
function Tip({ load, series, colors, total, hidden, lit, index, left, width }: TipProps) {
  const parts = series
    .filter((s) => !hidden.has(s.key) && (s.values[index] ?? 0) > 0)
    .sort((a, b) => b.values[index]! - a.values[index]!)
    .slice(0, 9);
  const from = load.t[index]!;
  const axis = 46;
  const x = left > (width - axis) / 2 ? left + axis - 262 : left + axis + 12;
  return (
    <div className="tip" style={{ transform: `translateX(${Math.max(0, x)}px)` }} aria-hidden="true">
      <div className="when" title={utc(from)}>{period(from, from + load.step_seconds * 1000)}</div>
      {total === null ? (
        <div>Nobody watched: no data.</div>
      ) : (
        <>
          <ul>
            {parts.map((s) => (
              <li key={s.key} className={s.key === lit ? "lit" : undefined}>
                <span className="swatch" style={{ background: colors.get(s.key) }} />
                <span className="clip">{visible(s.label) || "(none)"}</span>
                <span>{count(s.values[index])}</span>
              </li>
            ))}
          </ul>
          <div className="sum"><span>Active sessions</span><span>{count(total)}</span></div>
        </>
      )}
    </div>
  );
}
