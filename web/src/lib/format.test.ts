import { describe, expect, it } from "vitest";
import { ago, axisText, bytes, change, count, duration, exact, percent, period, rate, tick, time, utc } from "./format";

const table = <A>(name: string, f: (a: A) => unknown, rows: [A, unknown][]) =>
  describe(name, () => it.each(rows)("%s", (input, expected) => expect(f(input)).toBe(expected)));

table<number | null>("count keeps three significant digits and never turns no data into zero", count, [
  [null, "–"],
  [NaN, "–"],
  [0, "0"],
  [7, "7"],
  [999, "999"],
  [0.001, "< 0.01"],
  [0.0375, "0.037"],
  [0.7, "0.70"],
  [1.005, "1.00"],
  [12.345, "12.3"],
  [999.96, "1.00 k"],
  [1000, "1.00 k"],
  [1234567, "1.23 M"],
  [-1500, "-1.50 k"],
  [9e15, "9.00 P"],
]);

table<number | null>("bytes counts in 1024s and shows whole bytes", bytes, [
  [null, "–"],
  [0, "0 B"],
  [512, "512 B"],
  [1024, "1.00 KiB"],
  [5_242_880, "5.00 MiB"],
  [1023 * 1024, "1023 KiB"],
]);

table<number | null>("duration picks the unit that a person would", duration, [
  [null, "–"],
  [0, "0 s"],
  [4e-8, "40.0 ns"],
  [0.00034, "340 µs"],
  [0.0125, "12.5 ms"],
  [0.99999, "1.00 s"],
  [59.9, "59.9 s"],
  [59.99, "1 min"],
  [133, "2 min 13 s"],
  [3600, "1 h"],
  [11040, "3 h 4 min"],
  [446400, "5 d 4 h"],
  [-2, "−2 s"],
  [10, "10 s"],
  [1.5, "1.50 s"],
]);

table<number | null>("rate picks the span that leaves a number to read", rate, [
  [null, "–"],
  [0, "0/s"],
  [5850, "5.85 k/s"],
  [0.31, "0.31/s"],
  [0.01, "0.60/min"],
  [0.0005, "1.80/h"],
]);

table<number | null>("percent", percent, [
  [null, "–"],
  [0, "0 %"],
  [0.0001, "< 0.1 %"],
  [0.123, "12.3 %"],
  [1, "100 %"],
]);

describe("change", () => {
  it.each([
    [150, 100, "+50 %"],
    [340, 100, "×3.40"],
    [50, 100, "−50 %"],
    [100, 100, "±0 %"],
    [1, 0, null],
    [null, 5, null],
  ])("%s from %s", (now, then, expected) => expect(change(now, then)).toBe(expected));
});

describe("axisText drops zeros that say nothing", () => {
  it.each([
    [2.5, "2.5"],
    [5, "5"],
    [100, "100"],
    [1500, "1.5 k"],
    [2000, "2 k"],
  ])("%s", (v, text) => expect(axisText(count, v)).toBe(text));
});

describe("points in time", () => {
  const at = Date.UTC(2026, 4, 28, 20, 26, 40);
  it("shows only the clock for today", () => expect(time(at, at + 1000)).toBe("20:26:40"));
  it("adds the day for another day", () => expect(time(at, at + 86_400_000)).toBe("2026-05-28 20:26:40"));
  it("gives UTC for titles", () => expect(utc(at)).toBe("2026-05-28 20:26:40 UTC"));
  it("writes a period once per day", () => expect(period(at, at + 60_000, at)).toBe("20:26:40 – 20:27:40"));
  it("labels ticks by their distance", () => {
    expect(tick(at, 10_000)).toBe("20:26:40");
    expect(tick(at, 600_000)).toBe("20:26");
    expect(tick(Date.UTC(2026, 4, 28), 3_600_000)).toBe("05-28");
  });
  it.each([
    [null, "never"],
    [at, "just now"],
    [at - 12_000, "12 s ago"],
    [at - 1_231_000, "21 min ago"],
    [at + 3_600_000, "in 60 min"],
    [at + 5_184_000_000, "in 60 d"],
  ])("ago %s", (ms, expected) => expect(ago(ms, at)).toBe(expected));
  it("keeps the exact value", () => expect(exact(1234567.25)).toBe("1,234,567.25"));
});
