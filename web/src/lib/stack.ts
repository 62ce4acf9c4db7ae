// Stacks series for the load chart. uPlot draws lines only; stacking, hit testing and the vertical scale are ours.

export interface Layer {
  key: string;
  /** One value per bucket; null where nobody looked. */
  values: readonly (number | null)[];
}

export interface Stack {
  /** Of each layer, bottom first: lower and upper edge per bucket. A hidden layer has no height. NaN where nobody looked. */
  edges: { key: string; lower: Float64Array; upper: Float64Array }[];
  /** Height of the whole stack per bucket; null where nobody looked. */
  total: (number | null)[];
  /** Largest total; 0 without any. */
  max: number;
}

/** A bucket is watched when any layer has a number in it; a null beside a number counts as zero. O(layers * buckets). */
export function stack(layers: readonly Layer[], buckets: number, hidden: ReadonlySet<string> = new Set()): Stack {
  const top = new Float64Array(buckets);
  for (let i = 0; i < buckets; i++) top[i] = layers.some((l) => typeof l.values[i] === "number") ? 0 : NaN;
  const edges = layers.map((l) => {
    const lower = top.slice();
    if (!hidden.has(l.key)) for (let i = 0; i < buckets; i++) top[i]! += l.values[i] ?? 0;
    return { key: l.key, lower, upper: top.slice() };
  });
  let max = 0;
  const total = Array.from(top, (v) => {
    if (v > max) max = v;
    return Number.isNaN(v) ? null : v;
  });
  return { edges, total, max };
}

/** The layer that covers `value` in bucket `i`; null above the stack and where nobody looked. */
export function layerAt(s: Stack, i: number, value: number): string | null {
  for (const e of s.edges) {
    if (value >= e.lower[i]! && value < e.upper[i]!) return e.key;
  }
  return null;
}

/** Runs of buckets nobody watched, as [first, last]. */
export function gaps(total: readonly (number | null)[]): [number, number][] {
  const runs: [number, number][] = [];
  total.forEach((v, i) => {
    if (v !== null) return;
    const last = runs[runs.length - 1];
    if (last && last[1] === i - 1) last[1] = i;
    else runs.push([i, i]);
  });
  return runs;
}

/** Top of the vertical scale: the load with some air, and the cores line when it is not far above the load. */
export function scaleMax(max: number, cores: number | null): number {
  const load = Math.max(max * 1.12, 0.1);
  return cores !== null && cores <= load * 2.5 ? Math.max(load, cores * 1.12) : load;
}
