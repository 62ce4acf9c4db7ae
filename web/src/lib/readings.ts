import type { Collector, FailedReading, SourceState } from "../api/schema";

/** What was not read, with the names that a list shows. */
export type NamedReading = FailedReading & { collector: Collector; server: string };

/** The readings of one kind over all collectors, each with its collector and the name of its server ("" for the host). */
export const named = (collectors: readonly Collector[], kind: "failed" | "unavailable"): NamedReading[] =>
  collectors.flatMap((c) =>
    c[kind].map((f) => ({ ...f, collector: c, server: f.server_id === null ? "" : (c.servers.find((s) => s.id === f.server_id)?.name ?? `server ${f.server_id}`) })),
  );

/** How many sources that is: one may have failed for several reasons. */
export const sourcesIn = (readings: readonly FailedReading[]): number => new Set(readings.map((f) => `${f.server_id}/${f.source}`)).size;

/** What needs a person comes first, what is as it should be last. */
export const stateRank = (s: Pick<SourceState, "state">): number => ["failing", "none", "unavailable", "complete"].indexOf(s.state);

export const failing = (sources: readonly Pick<SourceState, "state">[]): number => sources.filter((s) => s.state === "failing").length;
