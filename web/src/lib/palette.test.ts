import { describe, expect, it } from "vitest";
import { assign, layered, waitPaint } from "./palette";

describe("waitPaint", () => {
  it.each([
    ["Lock", "--wait-lock"],
    ["IO:DataFileRead", "--wait-io"],
    ["Nonsense", "--wait-other"],
    ["constructor", "--wait-other"],
  ])("%s is %s", (key, token) => expect(waitPaint(key).token).toBe(token));
});

describe("assign", () => {
  it("shades events of one class", () =>
    expect([...assign("wait_event", ["CPU", "IO:A", "IO:B"]).values()].map((p) => `${p.token}${p.shade}`)).toEqual([
      "--wait-cpu0",
      "--wait-io0",
      "--wait-io1",
    ]));
  it("keeps the colour of a query when the order changes", () => {
    const first = assign("query", ["a", "b"]);
    const second = assign("query", ["c", "b"], first);
    expect(second.get("b")).toEqual(first.get("b"));
    expect(second.get("c")).not.toEqual(first.get("b"));
  });
  it("gives twenty series twenty colours", () => {
    const keys = Array.from({ length: 20 }, (_, i) => `q${i}`);
    expect(new Set([...assign("query", keys).values()].map((p) => `${p.token}${p.shade}`)).size).toBe(20);
  });
});

describe("layered", () => {
  const s = (key: string, mean: number) => ({ key, mean });
  it("stacks waits by meaning, CPU below, locks on top", () =>
    expect(layered("wait_class", [s("Lock", 9), s("IO", 5), s("other", 50), s("CPU", 1)]).map((x) => x.key)).toEqual(["CPU", "IO", "Lock", "other"]));
  it("stacks everything else by size", () => expect(layered("user", [s("a", 1), s("other", 9), s("b", 2)]).map((x) => x.key)).toEqual(["b", "a", "other"]));
});
