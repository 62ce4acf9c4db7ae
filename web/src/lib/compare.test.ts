import { describe, expect, it } from "vitest";
import type { QueryRow } from "../api/schema";
import { loadDelta, meanFactor, tally } from "./compare";

const measures = { calls: 10, calls_per_second: 1, total_time_seconds: 20, mean_time_ms: 30, rows: 1, shared_blks_read: 0, wal_bytes: null };
const row = (over: Partial<QueryRow>): QueryRow => ({
  ...measures, id: "a", queryid: "1", fingerprint: null, database: "d", user: "u", text: null, rows_per_call: 1, shared_blks_hit: 0, temp_blks_written: 0, share: 1,
  load: null, compare: { ...measures, total_time_seconds: 5, mean_time_ms: 10 }, change: "slower", ...over,
});

describe("loadDelta", () => {
  it("compares windows of different length", () => expect(loadDelta(row({}), 10, 5)).toBe(1));
  it("takes a new statement as nothing before", () => expect(loadDelta(row({ change: "new", compare: null }), 10, 5)).toBe(2));
  it("is nothing without a window to compare with", () => expect(loadDelta(row({ change: null, compare: null }), 10, 5)).toBeNull());
});
it("meanFactor needs both means", () => {
  expect(meanFactor(row({}))).toBe(3);
  expect(meanFactor(row({ mean_time_ms: null }))).toBeNull();
  expect(meanFactor(row({ compare: null }))).toBeNull();
});
it("tally counts every kind", () => expect(tally([row({}), row({ change: "new" }), row({ change: null })])).toEqual({ new: 1, gone: 0, slower: 1, faster: 0, same: 0 }));
