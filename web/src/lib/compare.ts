// Rows of two windows side by side.

import type { QueryRow } from "../api/schema";

export type Change = NonNullable<QueryRow["change"]>;
export const CHANGES: readonly Change[] = ["new", "slower", "faster", "gone", "same"];

/** Rows per kind of change; kinds without rows are 0. */
export function tally(rows: readonly QueryRow[]): Record<Change, number> {
  const n: Record<Change, number> = { new: 0, gone: 0, slower: 0, faster: 0, same: 0 };
  for (const r of rows) if (r.change !== null) n[r.change]++;
  return n;
}

/**
 * Seconds of total time per second of window, now minus then: windows of different length compare. A statement that is
 * absent from one window took no time in it. Null when there is nothing to compare with.
 */
export function loadDelta(r: QueryRow, windowSeconds: number, otherSeconds: number): number | null {
  if (r.change === null || windowSeconds <= 0 || otherSeconds <= 0) return null;
  return r.total_time_seconds / windowSeconds - (r.compare?.total_time_seconds ?? 0) / otherSeconds;
}

/** Factor of the mean time, now by then; null when either is missing. */
export function meanFactor(r: QueryRow): number | null {
  const then = r.compare?.mean_time_ms ?? null;
  return then === null || then === 0 || r.mean_time_ms === null ? null : r.mean_time_ms / then;
}
