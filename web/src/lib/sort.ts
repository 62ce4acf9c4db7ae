// Sorting of tables. "-name" is largest first. Rows without a value come last in either direction.

export type Sortable = string | number | boolean | null | undefined;
export interface Sort {
  key: string;
  descending: boolean;
}

export function parseSort(text: string | null): Sort | null {
  if (!text || text === "-") return null;
  return text.startsWith("-") ? { key: text.slice(1), descending: true } : { key: text, descending: false };
}
export const sortText = (s: Sort): string => (s.descending ? `-${s.key}` : s.key);

const names = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const empty = (v: Sortable): boolean => v === null || v === undefined || (typeof v === "number" && Number.isNaN(v));

function order(a: Sortable, b: Sortable): number {
  if (typeof a === "string" && typeof b === "string") return names.compare(a, b);
  return Number(a) - Number(b);
}

/** A sorted copy; equal rows keep their order. */
export function sorted<R>(rows: readonly R[], value: (row: R) => Sortable, descending: boolean): R[] {
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => ({ row, v: value(row) }))
    .sort((a, b) => (empty(a.v) || empty(b.v) ? Number(empty(a.v)) - Number(empty(b.v)) : sign * order(a.v, b.v)))
    .map((x) => x.row);
}
