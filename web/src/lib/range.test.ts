import { describe, expect, it } from "vitest";
import { comparedWindow, DAY, HOUR, moved, parseBrush, parseComparison, parseRange, parseSpan, rangeParams, resolve, zoomedOut } from "./range";

const NOW = 1_780_000_000_000;
const of = (query: string) => parseRange(new URLSearchParams(query));

describe("parseSpan takes minutes, hours and days and nothing else", () => {
  it.each([
    ["5m", 300_000],
    ["1h", HOUR],
    ["30d", 30 * DAY],
    ["0m", null],
    ["401d", null],
    ["1w", null],
    ["-1h", null],
    ["1h<script>", null],
    ["", null],
  ])("%s", (text, ms) => expect(parseSpan(text)).toBe(ms));
});

describe("parseRange", () => {
  it("falls back to the last hour", () => expect(of("range=soon")).toEqual({ kind: "relative", live: "1h", ms: HOUR }));
  it("lets an absolute window win and remembers the way back", () =>
    expect(of("range=6h&from=1000&to=61000")).toEqual({ kind: "absolute", live: "6h", from: 1000, to: 61000 }));
  it.each(["from=2000&to=1000", "from=x&to=9", "from=1000", "from=1e3&to=1e9", "from=0&to=99999999999999"])("ignores the window of %s", (q) =>
    expect(of(q).kind).toBe("relative"));
  it("survives a round trip through the URL", () => {
    const r = of("range=6h&from=1000&to=61000");
    const p = new URLSearchParams(Object.entries(rangeParams(r)).filter((e): e is [string, string] => e[1] !== null));
    expect(parseRange(p)).toEqual(r);
  });
});

describe("parseBrush", () => {
  it("reads a pair", () => expect(parseBrush(new URLSearchParams("brush=1000-61000"))).toEqual({ from: 1000, to: 61000 }));
  it.each(["1000", "61000-1000", "a-b", ""])("refuses %s", (b) => expect(parseBrush(new URLSearchParams({ brush: b }))).toBeNull());
});

describe("moving and zooming", () => {
  it("moves back by half a window and becomes absolute", () =>
    expect(moved(of("range=1h"), -1, NOW)).toEqual({ kind: "absolute", live: "1h", from: NOW - 1.5 * HOUR, to: NOW - HOUR / 2 }));
  it("does not move past now", () => expect(resolve(moved(of("range=1h"), 1, NOW), NOW)).toEqual({ from: NOW - HOUR, to: NOW }));
  it("zooms a relative range to the next preset", () => expect(zoomedOut(of("range=1h"), NOW)).toMatchObject({ kind: "relative", live: "3h" }));
  it("stays at the widest preset", () => expect(zoomedOut(of("range=30d"), NOW)).toMatchObject({ live: "30d" }));
  it("zooms an absolute window around its middle", () =>
    expect(zoomedOut(of(`from=${NOW - 3 * HOUR}&to=${NOW - 2 * HOUR}`), NOW)).toMatchObject({ from: NOW - 3.5 * HOUR, to: NOW - 1.5 * HOUR }));
});

describe("comparison", () => {
  const w = { from: 10 * DAY, to: 10 * DAY + HOUR };
  it.each([
    ["previous", { from: 10 * DAY - HOUR, to: 10 * DAY }],
    ["day", { from: 9 * DAY, to: 9 * DAY + HOUR }],
    ["week", { from: 3 * DAY, to: 3 * DAY + HOUR }],
    ["1000-61000", { from: 1000, to: 61000 }],
  ])("%s", (text, expected) => expect(comparedWindow(parseComparison(text)!, w)).toEqual(expected));
  it("is off for anything else", () => expect(parseComparison("yesterday")).toBeNull());
});
