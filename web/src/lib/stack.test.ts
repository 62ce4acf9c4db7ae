import { describe, expect, it } from "vitest";
import { gaps, layerAt, scaleMax, stack } from "./stack";

const layers = [
  { key: "CPU", values: [1, 2, null, 0] },
  { key: "IO", values: [0.5, null, null, 0] },
  { key: "Lock", values: [0, 1, null, 0] },
];

describe("stack", () => {
  const s = stack(layers, 4);
  it("cumulates from the bottom", () => expect(s.edges.map((e) => e.upper[0])).toEqual([1, 1.5, 1.5]));
  it("starts each layer where the one below ends", () => expect(Array.from(s.edges[2]!.lower)).toEqual([1.5, 2, NaN, 0]));
  it("counts a null beside a number as zero", () => expect(s.total[1]).toBe(3));
  it("keeps no data apart from zero", () => expect(s.total).toEqual([1.5, 3, null, 0]));
  it("knows its highest point", () => expect(s.max).toBe(3));
  it("takes no room for a hidden layer but keeps its buckets watched", () => {
    const h = stack(layers, 4, new Set(["CPU"]));
    expect(h.total).toEqual([0.5, 1, null, 0]);
  });
  it("is empty without layers", () => expect(stack([], 2)).toEqual({ edges: [], total: [null, null], max: 0 }));
});

describe("layerAt", () => {
  const s = stack(layers, 4);
  it.each([
    [0, 0.5, "CPU"],
    [0, 1.2, "IO"],
    [0, 2, null],
    [1, 2.5, "Lock"],
    [2, 0, null],
    [3, 0, null],
  ])("bucket %s at %s", (i, v, key) => expect(layerAt(s, i, v)).toBe(key));
});

it("gaps joins neighbours", () => expect(gaps([null, null, 1, null, 0])).toEqual([[0, 1], [3, 3]]));

describe("scaleMax", () => {
  it("shows the cores line when it is near", () => expect(scaleMax(6, 8)).toBeCloseTo(8.96));
  it("does not squash a small load under a distant line", () => expect(scaleMax(1, 64)).toBeCloseTo(1.12));
  it("never collapses", () => expect(scaleMax(0, null)).toBe(0.1));
});
