// Keyboard sequences: "g f" is g, then f within a second. Pure; the listener is in state/hotkeys.tsx.

export interface KeyState {
  prefix: string | null;
  at: number;
}
export const NO_KEYS: KeyState = { prefix: null, at: 0 };
const PATIENCE_MS = 1000;
const PREFIXES = new Set(["g"]);

/** The command that `key` completes ("g f", "j", "/"), or null, and the state to hand in with the next key. */
export function press(state: KeyState, key: string, now: number): { command: string | null; state: KeyState } {
  if (state.prefix !== null && now - state.at <= PATIENCE_MS) return { command: `${state.prefix} ${key}`, state: NO_KEYS };
  if (PREFIXES.has(key)) return { command: null, state: { prefix: key, at: now } };
  return { command: key, state: NO_KEYS };
}

/** What the help dialog lists. */
export const HELP: readonly { title: string; keys: readonly (readonly [string, string])[] }[] = [
  { title: "Go to", keys: [["g f", "Fleet"], ["g s", "Server"], ["g q", "Queries of the server"], ["g c", "Collectors"]] },
  { title: "Lists", keys: [["/", "Search"], ["j", "Next row"], ["k", "Previous row"], ["Enter", "Open the row"]] },
  { title: "Time", keys: [["[", "Earlier by half a window"], ["]", "Later by half a window"], ["z", "Zoom out"], ["Enter", "Zoom to the selection (on the chart)"], ["← →", "Move the selection (on the chart)"], ["Esc", "Clear the selection"]] },
  { title: "Help", keys: [["?", "This list"], ["Esc", "Close"]] },
];
