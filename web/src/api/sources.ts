import type { Range } from "../lib/range";
import { get } from "./client";
import type { SourceTable } from "./schema";
import { useWindowed } from "./windowed";

/** Sources with a route of their own; any other is asked for by its name. */
const ROUTES: Record<string, string> = { "postgres.databases": "databases", "postgres.tables": "tables", "postgres.indexes": "indexes" };

export function useSource(server: number, source: string, range: Range, f: { order: string | null; search: string; limit: number; parts: "together" | "each" | null }) {
  const path = Object.hasOwn(ROUTES, source) ? ROUTES[source] : `sources/${encodeURIComponent(source)}`;
  return useWindowed<SourceTable>([`getSource ${source}`, server], range, [f.order, f.search, f.limit, f.parts], (w, signal) =>
    get(`/servers/${server}/${path}`, { ...w, order: f.order, search: f.search, limit: f.limit, parts: f.parts }, signal),
  );
}
