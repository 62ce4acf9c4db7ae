import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { period, utc } from "../lib/format";
import { gaps } from "../lib/stack";
import { useWidth } from "../state/hooks";
import { useTheme } from "../state/theme";
import { timeAxis, valueAxis } from "./axes";
import { hatch } from "./load-canvas";
import { color, mix } from "./paint";

interface Props {
  title: string;
  from: number;
  to: number;
  step: number; // ms per bucket
  t: number[];
  values: (number | null)[];
  format: (v: number) => string;
  token?: string;
  /** Nulls mean that nothing ran rather than that nobody looked: no hatching. */
  sparse?: boolean;
  /** Bytes: ticks at powers of two. */
  binary?: boolean;
}

const HEIGHT = 148;

/** One measure over time as steps; charts of one page share their cursor. */
export function LineChart({ title, from, to, step, t, values, format, token = "--accent", sparse = false, binary = false }: Props) {
  const [box, width] = useWidth<HTMLDivElement>();
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { dark } = useTheme();
  const [at, setAt] = useState<number | null>(null);
  const live = useRef({ from, to, step, t, values, format, sparse });
  live.current = { from, to, step, t, values, format, sparse };

  useEffect(() => {
    if (!host.current || width === 0) return;
    const now = () => live.current;
    const u = new uPlot(
      {
        width,
        height: HEIGHT,
        ms: 1,
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: "query" } },
        scales: {
          x: { time: true, range: () => [now().from, now().to] },
          y: { range: () => [0, Math.max(...now().values.map((v) => v ?? 0), 1e-9) * 1.15] },
        },
        axes: [timeAxis(), valueAxis((v) => now().format(v), 64, binary)],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: {
          draw: [(u) => steps(u, now(), token)],
          setCursor: [
            (u) => {
              const left = u.cursor.left ?? -1;
              const i = left < 0 ? -1 : Math.floor((u.posToVal(left, "x") - (now().t[0] ?? 0)) / now().step);
              setAt(i >= 0 && i < now().t.length ? i : null);
            },
          ],
        },
      },
      [live.current.t, live.current.values],
      host.current,
    );
    plot.current = u;
    return () => {
      u.destroy();
      plot.current = null;
    };
  }, [width, dark, token, binary]);
  useEffect(() => plot.current?.setData([t, values]), [t, values, from, to]);

  const known = values.filter((v) => v !== null);
  const start = at === null ? null : (t[at] ?? null);
  const value = at === null ? null : (values[at] ?? null);
  return (
    <figure className="chart" ref={box} aria-label={`${title} over time`}>
      <figcaption className="row">
        <h2 className="grow">{title}</h2>
        <span className="muted" title={start === null ? undefined : utc(start)}>
          {start !== null ? `${period(start, start + step)}  ${value === null ? "no data" : format(value)}` : known.length ? `max ${format(Math.max(...known))}` : "no data"}
        </span>
      </figcaption>
      <div ref={host} style={{ height: HEIGHT }} />
    </figure>
  );
}

function steps(u: uPlot, s: { t: number[]; values: (number | null)[]; step: number; sparse: boolean }, token: string): void {
  const { ctx } = u;
  const x = (ms: number) => u.valToPos(ms, "x", true);
  const y = (v: number) => u.valToPos(v, "y", true);
  const line = color(token);
  const bottom = u.bbox.top + u.bbox.height;
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  if (!s.sparse) for (const [a, b] of gaps(s.values)) hatch(u, x(s.t[a]!), x(s.t[b]! + s.step));
  const area = new Path2D();
  const stroke = new Path2D();
  s.values.forEach((v, i) => {
    if (v === null) return;
    const [l, r, h] = [x(s.t[i]!), x(s.t[i]! + s.step), y(v)];
    area.rect(l, h, r - l, bottom - h);
    if (i === 0 || s.values[i - 1] === null) stroke.moveTo(l, h);
    else stroke.lineTo(l, h);
    stroke.lineTo(r, h);
  });
  ctx.fillStyle = mix(line, color("--panel"), 0.16);
  ctx.fill(area);
  ctx.strokeStyle = line;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.stroke(stroke);
  ctx.restore();
}
