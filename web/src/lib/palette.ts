// Colours by meaning. Names refer to styles/tokens.css, where each has a light and a dark value.

/** Wait classes from the bottom of the stack to its top, as far apart for colour-blind eyes as their meaning allows. */
const CLASSES: Record<string, string> = {
  CPU: "--wait-cpu",
  IO: "--wait-io",
  Client: "--wait-client",
  IPC: "--wait-ipc",
  Timeout: "--wait-timeout",
  Activity: "--wait-activity",
  Extension: "--wait-extension",
  BufferPin: "--wait-bufferpin",
  InjectionPoint: "--wait-extension",
  LWLock: "--wait-lwlock",
  Lock: "--wait-lock",
};
const CLASS_ORDER = Object.keys(CLASSES);
const CATEGORIES = 10; // --cat-0 .. --cat-9
export const OTHER = "other";

/** A token, and a shade: 0 is the token's colour, larger ones move towards the background. */
export interface Paint {
  token: string;
  shade: number;
}

const known = (name: string): boolean => Object.hasOwn(CLASSES, name);
export const waitClass = (key: string): string => key.split(":", 1)[0]!;

/** The colour of a wait class, or of an event ("IO:DataFileRead"). */
export function waitPaint(key: string, shade = 0): Paint {
  const name = waitClass(key);
  return { token: known(name) ? CLASSES[name]! : "--wait-other", shade };
}

/**
 * Colours for the series of one chart. Waits are coloured by class, events of one class by shades of it; other
 * dimensions get categories that `before` keeps stable from one refresh to the next.
 */
export function assign(by: string, keys: readonly string[], before: ReadonlyMap<string, Paint> = new Map()): Map<string, Paint> {
  const paints = new Map<string, Paint>();
  if (by === "wait_class" || by === "wait_event") {
    const seen = new Map<string, number>();
    for (const key of keys) {
      const n = seen.get(waitClass(key)) ?? 0;
      seen.set(waitClass(key), n + 1);
      paints.set(key, waitPaint(key, n % 4));
    }
    return paints;
  }
  const used = new Set<string>();
  for (const key of keys) {
    const old = before.get(key);
    if (key === OTHER) paints.set(key, { token: "--wait-other", shade: 0 });
    else if (old) paints.set(key, old);
    const p = paints.get(key);
    if (p) used.add(`${p.token}/${p.shade}`);
  }
  let next = 0;
  for (const key of keys) {
    if (paints.has(key)) continue;
    while (used.has(`--cat-${next % CATEGORIES}/${Math.floor(next / CATEGORIES)}`)) next++;
    const p = { token: `--cat-${next % CATEGORIES}`, shade: Math.floor(next / CATEGORIES) };
    used.add(`${p.token}/${p.shade}`);
    paints.set(key, p);
  }
  return paints;
}

/** Order of the layers, bottom first: waits by class, everything else largest first, the rest on top. */
export function layered<S extends { key: string; mean: number }>(by: string, series: readonly S[]): S[] {
  const rank = (s: S): number => {
    if (s.key === OTHER) return 1000;
    if (by !== "wait_class" && by !== "wait_event") return 0;
    const i = CLASS_ORDER.indexOf(waitClass(s.key));
    return i < 0 ? 500 : i;
  };
  return [...series].sort((a, b) => rank(a) - rank(b) || b.mean - a.mean || (a.key < b.key ? -1 : 1));
}
