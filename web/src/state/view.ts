// What is being looked at: everything here lives in the URL, so that a copied address shows the same screen.

import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { absolute, moved, parseBrush, parseRange, rangeParams, relativeRange, zoomedOut, type Range, type Window } from "../lib/range";

type Changes = Record<string, string | null>;

export interface View {
  params: URLSearchParams;
  range: Range;
  brush: Window | null;
  /** Sets (or, with null, removes) parameters; replaces the history entry unless `push`. */
  set: (changes: Changes, push?: boolean) => void;
  setRange: (range: Range) => void;
  /** `chart` is the window that the chart shows: a selection freezes it, so that it stays under the eyes; clearing it goes on live. */
  setBrush: (brush: Window, chart: Window) => void;
  clearBrush: () => void;
  zoomToBrush: () => void;
  zoomOut: () => void;
  move: (direction: -1 | 1) => void;
}

export function useView(): View {
  const [params, setParams] = useSearchParams();
  const text = params.toString();
  const range = useMemo(() => parseRange(new URLSearchParams(text)), [text]);
  const brush = useMemo(() => parseBrush(new URLSearchParams(text)), [text]);

  const set = useCallback(
    (changes: Changes, push = false) =>
      setParams(
        (before) => {
          const next = new URLSearchParams(before);
          for (const [k, v] of Object.entries(changes)) {
            if (v === null || v === "") next.delete(k);
            else next.set(k, v);
          }
          return next;
        },
        { replace: !push },
      ),
    [setParams],
  );
  const setRange = useCallback((r: Range) => set({ ...rangeParams(r), brush: null, frozen: null }, true), [set]);
  const clearBrush = useCallback(
    () => set({ ...(params.has("frozen") && range.live !== null ? rangeParams(relativeRange(range.live)) : {}), brush: null, frozen: null }),
    [set, range, params],
  );
  const setBrush = useCallback(
    (b: Window, chart: Window) => {
      const frozen = range.kind === "relative" || params.has("frozen") ? "1" : null;
      set({ ...rangeParams(absolute(range, chart)), brush: `${Math.round(b.from)}-${Math.round(b.to)}`, frozen }, true);
    },
    [set, range, params],
  );
  const zoomToBrush = useCallback(() => brush && setRange(absolute(range, brush)), [setRange, range, brush]);
  const zoomOut = useCallback(() => setRange(zoomedOut(range, Date.now())), [setRange, range]);
  const move = useCallback((d: -1 | 1) => setRange(moved(range, d, Date.now())), [setRange, range]);
  return { params, range, brush, set, setRange, setBrush, clearBrush, zoomToBrush, zoomOut, move };
}

/** `path` with the time range of `params`, and, from a selection, with that selection as its window. */
export function keepTime(path: string, params: URLSearchParams, extra: Record<string, string> = {}): string {
  const kept = new URLSearchParams();
  for (const k of ["range", "from", "to"]) {
    const v = params.get(k);
    if (v !== null) kept.set(k, v);
  }
  for (const [k, v] of Object.entries(extra)) kept.set(k, v);
  const text = kept.toString();
  return text ? `${path}?${text}` : path;
}

/** The range that tables below a chart follow: the selection when there is one. */
export const drivenRange = (view: Pick<View, "range" | "brush">): Range => (view.brush ? absolute(view.range, view.brush) : view.range);
