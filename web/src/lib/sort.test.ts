import { expect, it } from "vitest";
import { parseSort, sorted, sortText } from "./sort";

it.each([[null], [""], ["-"]])("parseSort(%j) is nothing", (t) => expect(parseSort(t)).toBeNull());
it("reads and writes both directions", () => {
  expect(parseSort("-calls")).toEqual({ key: "calls", descending: true });
  expect(sortText({ key: "calls", descending: false })).toBe("calls");
});
it("puts rows without a value last in either direction", () => {
  const rows = [3, null, 1, NaN, 2];
  expect(sorted(rows, (r) => r, false).slice(0, 3)).toEqual([1, 2, 3]);
  expect(sorted(rows, (r) => r, true).slice(0, 3)).toEqual([3, 2, 1]);
});
it("sorts names as people count", () => expect(sorted(["db10", "DB9", "db1"], (r) => r, false)).toEqual(["db1", "DB9", "db10"]));
