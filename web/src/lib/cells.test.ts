import { describe, expect, it } from "vitest";
import type { Cell, Column } from "../api/schema";
import { isNumeric, shown, sortValue } from "./cells";

const column = (kind: Column["kind"], unit: string | null): Column => ({ name: "c", kind, type: "int64", unit, doc: "" });
const NOW = Date.UTC(2026, 4, 28, 12);

describe("shown", () => {
  it.each<[string, Cell, Column, string, string]>([
    ["no data", null, column("gauge", "bytes"), "–", "no data"],
    ["zero is not no data", 0, column("counter", "rows"), "0", "0 rows"],
    ["bytes", 5_242_880, column("gauge", "bytes"), "5.00 MiB", "5,242,880 bytes"],
    ["nanoseconds", 12_500_000, column("counter", "nanoseconds"), "12.5 ms", "12,500,000 nanoseconds"],
    ["a ratio", 0.975, column("gauge", "ratio"), "97.5 %", "0.975 ratio"],
    ["an integer beyond 2^53", "18446744073709551615", column("counter", "bytes"), "16384 PiB", "18446744073709551615 bytes"],
    ["a numeric key is not a number", 16384, column("key", null), "16384", "16384"],
    ["a hostile name", "<b>\n", column("key", null), "<b>⏎", "<b>⏎"],
    ["an empty name", "", column("key", null), "(empty)", ""],
    ["a truth", true, column("gauge", null), "yes", "true"],
    ["a point in time", NOW, column("time", null), "12:00:00", "2026-05-28 12:00:00 UTC"],
  ])("%s", (_, cell, c, text, title) => expect(shown(cell, c, NOW)).toEqual({ text, title }));
});

it("sorts big integers as numbers", () => expect(sortValue("18446744073709551615", column("counter", null))).toBeGreaterThan(2 ** 53));
it("sets counters and gauges flush right", () => expect([column("counter", null), column("key", null)].map(isNumeric)).toEqual([true, false]));
