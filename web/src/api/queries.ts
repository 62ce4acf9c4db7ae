import { comparedWindow, rangeKey, type Comparison, type Range } from "../lib/range";
import { get } from "./client";
import type { QueryDetail, QueryList } from "./schema";
import { useWindowed } from "./windowed";

export const ORDERS = ["total_time", "calls", "mean_time", "rows", "blocks_read", "wal_bytes", "temp_blocks", "load"] as const;
export type Order = (typeof ORDERS)[number];

export interface QueryFilter {
  order: Order;
  limit: number;
  search?: string;
  database?: string;
  user?: string;
  compare?: Comparison | null;
}

export function useQueries(server: number, range: Range, f: QueryFilter) {
  const compare = f.compare ?? null;
  const compareKey = compare === null ? null : compare.kind === "window" ? rangeKey({ kind: "absolute", live: null, ...compare.window }) : compare.kind;
  return useWindowed<QueryList>(["listQueries", server], range, [f.order, f.limit, f.search, f.database, f.user, compareKey], (w, signal) => {
    const other = compare && comparedWindow(compare, w);
    return get(
      `/servers/${server}/queries`,
      { ...w, compare_from: other?.from, compare_to: other?.to, order: f.order, limit: f.limit, search: f.search, database: f.database, user: f.user },
      signal,
    );
  });
}

export const useStatement = (id: string, range: Range, points: number) =>
  useWindowed<QueryDetail>(["getQuery", id], range, [points], (w, signal) => get(`/queries/${encodeURIComponent(id)}`, { ...w, points }, signal));
