// Time ranges and the part of the URL that holds them.
//
//   range=1h            relative: ends now, refreshes by itself
//   from=..&to=..       absolute, epoch milliseconds; wins over range, which stays as the way back to "live"
//   brush=from-to       the part of the chart that drives the tables below it

/** Epoch milliseconds, `from` included, `to` excluded. */
export interface Window {
  from: number;
  to: number;
}

/** `live` is the relative range to return to, in the spelling of the URL. */
export type Range = { kind: "relative"; live: string; ms: number } | { kind: "absolute"; live: string | null; from: number; to: number };

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const DEFAULT_RANGE = "1h";
/** Offered by the picker; the URL takes any number of minutes, hours or days. */
export const PRESETS = ["5m", "15m", "1h", "3h", "6h", "12h", "1d", "2d", "7d", "30d"] as const;

const WINDOW_MIN = 10_000;
const WINDOW_MAX = 400 * DAY;
const UNITS: Record<string, number> = { m: MINUTE, h: HOUR, d: DAY };

/** "90m" to milliseconds; null when it is no range or out of bounds. */
export function parseSpan(text: string): number | null {
  const m = /^(\d{1,5})([mhd])$/.exec(text);
  const ms = m ? Number(m[1]) * UNITS[m[2]!]! : 0;
  return ms >= MINUTE && ms <= WINDOW_MAX ? ms : null;
}

function relative(text: string | null): Range & { kind: "relative" } {
  const ms = text === null ? null : parseSpan(text);
  return ms === null ? { kind: "relative", live: DEFAULT_RANGE, ms: HOUR } : { kind: "relative", live: text!, ms };
}

function valid(from: number, to: number): boolean {
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && to - from >= 1000 && to - from <= WINDOW_MAX;
}

function parsePair(text: string | null): Window | null {
  const m = /^(\d{1,15})-(\d{1,15})$/.exec(text ?? "");
  if (!m) return null;
  const w = { from: Number(m[1]), to: Number(m[2]) };
  return valid(w.from, w.to) ? w : null;
}

/** The range of a URL; whatever makes no sense is ignored. */
export function parseRange(params: URLSearchParams): Range {
  const from = params.get("from");
  const to = params.get("to");
  const live = params.get("range");
  if (from !== null && to !== null && /^\d+$/.test(from) && /^\d+$/.test(to) && valid(Number(from), Number(to))) {
    return { kind: "absolute", live: live !== null && parseSpan(live) !== null ? live : null, from: Number(from), to: Number(to) };
  }
  return relative(live);
}

export const parseBrush = (params: URLSearchParams): Window | null => parsePair(params.get("brush"));

export function resolve(range: Range, now: number): Window {
  return range.kind === "relative" ? { from: now - range.ms, to: now } : { from: range.from, to: range.to };
}

/** Identifies a range in cache keys. */
export const rangeKey = (range: Range): string => (range.kind === "relative" ? range.live : `${range.from}-${range.to}`);

/** The parameters that set `range`; null deletes one. */
export function rangeParams(range: Range): Record<string, string | null> {
  return range.kind === "relative"
    ? { range: range.live === DEFAULT_RANGE ? null : range.live, from: null, to: null }
    : { range: range.live, from: String(range.from), to: String(range.to) };
}

export function absolute(range: Range, w: Window): Range {
  const from = Math.round(w.from);
  return { kind: "absolute", live: range.live, from, to: Math.max(Math.round(w.to), from + WINDOW_MIN) };
}

export const relativeRange = (span: string): Range => relative(span);

/** Half a window earlier (-1) or later (1), never past now. */
export function moved(range: Range, direction: -1 | 1, now: number): Range {
  const w = resolve(range, now);
  const width = w.to - w.from;
  const to = Math.min(w.to + (direction * width) / 2, now);
  return absolute(range, { from: to - width, to });
}

/** Twice as wide around the same middle, never past now. A relative range stays relative. */
export function zoomedOut(range: Range, now: number): Range {
  const w = resolve(range, now);
  const width = Math.min(2 * (w.to - w.from), WINDOW_MAX);
  if (range.kind === "relative") {
    const span = PRESETS.find((p) => parseSpan(p)! >= width);
    return relative(span ?? "30d");
  }
  const to = Math.min(w.to + (width - (w.to - w.from)) / 2, now);
  return absolute(range, { from: to - width, to });
}

export type Comparison = { kind: "previous" | "day" | "week" } | { kind: "window"; window: Window };

/** `compare=previous|day|week|from-to` of a URL. */
export function parseComparison(text: string | null): Comparison | null {
  if (text === "previous" || text === "day" || text === "week") return { kind: text };
  const window = parsePair(text);
  return window ? { kind: "window", window } : null;
}

/** The window to compare `w` with. */
export function comparedWindow(c: Comparison, w: Window): Window {
  if (c.kind === "window") return c.window;
  const shift = c.kind === "day" ? DAY : c.kind === "week" ? 7 * DAY : w.to - w.from;
  return { from: w.from - shift, to: w.to - shift };
}
