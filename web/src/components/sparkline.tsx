import { memo } from "react";
import { count } from "../lib/format";
import { gaps } from "../lib/stack";

const W = 100;
const H = 24;

/** Load against the cores line, which sets the scale so that rows compare; buckets nobody watched are a grey gap, not a zero. */
export const Sparkline = memo(function Sparkline({ values, cores }: { values: readonly (number | null)[]; cores: number | null }) {
  const n = values.length;
  if (n === 0) return <span className="none">no data</span>;
  const max = Math.max(0, ...values.map((v) => v ?? 0));
  const top = Math.max(max * 1.05, (cores ?? 0) * 1.08, 0.2);
  const x = (i: number) => (i / n) * W;
  const y = (v: number) => H - 0.7 - (v / top) * (H - 2);
  let line = "";
  let area = "";
  for (let i = 0; i < n; i++) {
    const v = values[i] ?? null;
    if (v === null) continue;
    const from = `${x(i).toFixed(2)} ${y(v).toFixed(2)}`;
    const to = `${x(i + 1).toFixed(2)} ${y(v).toFixed(2)}`;
    const fresh = i === 0 || values[i - 1] === null;
    line += `${fresh ? "M" : "L"}${from}L${to}`;
    area += `M${x(i).toFixed(2)} ${H}L${from}L${to}L${x(i + 1).toFixed(2)} ${H}Z`;
  }
  return (
    <svg className="spark" viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={`load, at most ${count(max)} sessions${cores === null ? "" : ` on ${cores} cores`}`}>
      {gaps(values).map(([a, b]) => (
        <rect key={a} className="gap" x={x(a)} y={0} width={x(b + 1) - x(a)} height={H} />
      ))}
      {area && <path className="area" d={area} />}
      {line && <path className="line" d={line} />}
      {cores !== null && <line className="cores" x1={0} x2={W} y1={y(cores)} y2={y(cores)} />}
    </svg>
  );
});
