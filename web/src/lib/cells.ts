// Cells of a source, shown in the unit of their declaration.

import type { Cell, Column } from "../api/schema";
import { bytes, count, duration, exact, NONE, percent, time, utc } from "./format";
import type { Sortable } from "./sort";
import { visible } from "./text";

/** Seconds per unit of time, in the spellings a declaration may use. */
const SECONDS: Record<string, number> = {
  s: 1, second: 1, seconds: 1, ms: 1e-3, milliseconds: 1e-3, us: 1e-6, microseconds: 1e-6, ns: 1e-9, nanoseconds: 1e-9,
};
const BYTES: Record<string, number> = { byte: 1, bytes: 1, kb: 1024, kib: 1024, kibibytes: 1024, mib: 1024 ** 2 };
const RATIOS = new Set(["ratio", "share"]);

export interface Shown {
  text: string;
  title: string;
}

/** 64-bit integers arrive as strings beyond 2^53; a counter or gauge is a number nevertheless. */
export function numeric(cell: Cell, column: Column): number | null {
  if (typeof cell === "number") return cell;
  if (typeof cell === "string" && (column.kind === "counter" || column.kind === "gauge") && /^-?\d+(\.\d+)?$/.test(cell)) return Number(cell);
  return null;
}

/** Whether the column is set flush right. */
export const isNumeric = (column: Column): boolean => column.kind === "counter" || column.kind === "gauge";

export function shown(cell: Cell, column: Column, now: number): Shown {
  if (cell === null) return { text: NONE, title: "no data" };
  if (typeof cell === "boolean") return { text: cell ? "yes" : "no", title: String(cell) };
  if (column.kind === "time" && typeof cell === "number") return { text: time(cell, now), title: utc(cell) };
  const n = numeric(cell, column);
  if (n === null || column.kind === "key" || column.kind === "text") {
    const text = visible(String(cell));
    return { text: text === "" ? "(empty)" : text, title: text };
  }
  const unit = (column.unit ?? "").toLowerCase();
  const title = typeof cell === "string" ? `${cell} ${unit}`.trim() : `${exact(n)} ${unit}`.trim();
  if (unit in SECONDS) return { text: duration(n * SECONDS[unit]!), title };
  if (unit in BYTES) return { text: bytes(n * BYTES[unit]!), title };
  if (RATIOS.has(unit)) return { text: percent(n), title };
  return { text: count(n), title };
}

export function sortValue(cell: Cell, column: Column): Sortable {
  return numeric(cell, column) ?? cell;
}

/** A column's name as a heading: "xact_commit" is "xact commit". */
export const heading = (name: string): string => name.replaceAll("_", " ");
