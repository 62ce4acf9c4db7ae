import { describe, expect, it } from "vitest";
import type { Collector, FailedReading, SourceState } from "../api/schema";
import { failing, named, sourcesIn, stateRank } from "./readings";

const reading = (source: string, server_id: number | null, reason: string): FailedReading => ({ source, server_id, reason, detail: null, count: 1, last: 0 });
const collector = (failed: FailedReading[], unavailable: FailedReading[]) => ({ name: "c", servers: [{ id: 7, name: "shop" }], failed, unavailable }) as unknown as Collector;

describe("readings that were not complete", () => {
  const one = collector([reading("postgres.tables", 7, "lock"), reading("postgres.tables", 7, "timeout"), reading("host.disks", null, "error")], [reading("postgres.kcache", 8, "absent")]);

  it("have the name of their server, its number where it has none, and nothing for the host", () => {
    expect(named([one], "failed").map((f) => f.server)).toEqual(["shop", "shop", ""]);
    expect(named([one], "unavailable").map((f) => f.server)).toEqual(["server 8"]);
  });
  it("do not mix what failed with what is optional and not there", () => {
    expect(named([one], "failed").some((f) => f.reason === "absent")).toBe(false);
  });
  it("are counted by source, not by reason", () => {
    expect(sourcesIn(one.failed)).toBe(2);
    expect(sourcesIn([])).toBe(0);
    expect(sourcesIn([reading("postgres.tables", 7, "lock"), reading("postgres.tables", 8, "lock")])).toBe(2);
  });
});

describe("states of sources", () => {
  const states: Pick<SourceState, "state">[] = [{ state: "complete" }, { state: "unavailable" }, { state: "none" }, { state: "failing" }];
  it("are sorted by what needs a person", () => {
    expect([...states].sort((a, b) => stateRank(a) - stateRank(b)).map((s) => s.state)).toEqual(["failing", "none", "unavailable", "complete"]);
  });
  it("fail only where something should have been read", () => {
    expect(failing(states)).toBe(1);
  });
});
