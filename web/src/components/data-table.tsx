import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState, type MouseEvent, type ReactNode } from "react";
import { useLocation } from "wouter";
import { sorted, type Sort, type Sortable } from "../lib/sort";
import { useNarrow } from "../state/hooks";
import { useHotkeys } from "../state/hotkeys";

export interface Column<R> {
  key: string;
  label: string;
  /** Said when the pointer rests on the heading. */
  help?: string;
  numeric?: boolean;
  /** Pixels; a column without takes what is left. */
  width?: number;
  /** The width on narrow screens, where it differs. */
  narrow?: number;
  /** Not shown on narrow screens. */
  minor?: boolean;
  /** Breaks over lines as long as the whole table is drawn. */
  wrap?: boolean;
  value: (row: R) => Sortable;
  cell?: (row: R) => ReactNode;
}

interface Props<R> {
  caption: string;
  columns: readonly Column<R>[];
  rows: readonly R[];
  rowKey: (row: R) => string;
  sort: Sort | null;
  onSort: (sort: Sort) => void;
  href?: (row: R) => string;
  rowClass?: (row: R) => string;
  onHover?: (row: R | null) => void;
  testid?: string;
  /** Takes j, k and Enter. One table of a page does. */
  keyboard?: boolean;
}

const ROW = 32;
const FLEXIBLE_MIN = 240;
const FLEXIBLE_MIN_NARROW = 150;
const VIRTUAL_FROM = 80; // fewer rows are simply drawn

/** A real table: sortable, keyboard-walkable, and only as much of it drawn as is seen. */
export function DataTable<R>({ caption, columns: declared, rows, rowKey, sort, onSort, href, rowClass, onHover, testid, keyboard = false }: Props<R>) {
  const scroller = useRef<HTMLDivElement>(null);
  const [, navigate] = useLocation();
  const [current, setCurrent] = useState<string | null>(null);
  const narrow = useNarrow();
  const columns = useMemo(() => (narrow ? declared.filter((c) => !c.minor).map((c) => ({ ...c, width: c.narrow ?? c.width })) : declared), [declared, narrow]);
  // By the column's key: columns are made anew whenever an age ticks, which is no reason to sort again.
  const by = sort && declared.find((c) => c.key === sort.key);
  const ordered = useMemo(() => (by ? sorted(rows, by.value, sort!.descending) : [...rows]), [rows, by?.key, sort?.descending]);

  const virtual = ordered.length >= VIRTUAL_FROM;
  const virtualizer = useVirtualizer({ count: virtual ? ordered.length : 0, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 16 });
  const items = virtualizer.getVirtualItems();
  const first = virtual ? (items[0]?.index ?? 0) : 0;
  const last = virtual ? (items[items.length - 1]?.index ?? -1) : ordered.length - 1;

  const step = (by: number) => {
    const at = ordered.findIndex((r) => rowKey(r) === current);
    const to = Math.min(ordered.length - 1, Math.max(0, at < 0 ? 0 : at + by));
    const row = ordered[to];
    if (!row) return;
    setCurrent(rowKey(row));
    if (virtual) virtualizer.scrollToIndex(to);
  };
  const open = () => {
    const row = ordered.find((r) => rowKey(r) === current);
    if (row && href) navigate(href(row));
  };
  useHotkeys({ j: () => step(1), k: () => step(-1), Enter: open }, keyboard);
  useEffect(() => {
    if (current !== null) scroller.current?.querySelector("tr.current")?.scrollIntoView({ block: "nearest" });
  }, [current]);

  const click = (event: MouseEvent, row: R) => {
    if (!href || (event.target as Element).closest("a, button") || getSelection()?.toString()) return;
    navigate(href(row));
  };
  const width = columns.reduce((sum, c) => sum + (c.width ?? (narrow ? FLEXIBLE_MIN_NARROW : FLEXIBLE_MIN)), 0);

  return (
    <div className="scroll" ref={scroller} data-testid={testid} onMouseLeave={() => onHover?.(null)}>
      <table aria-rowcount={ordered.length + 1} style={{ minWidth: width }}>
        <caption className="sr">{caption}</caption>
        <colgroup>
          {columns.map((c) => (
            <col key={c.key} style={c.width ? { width: c.width } : undefined} />
          ))}
        </colgroup>
        <thead>
          <tr>
            {columns.map((c) => (
              <Heading key={c.key} column={c} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <Pad rows={first} columns={columns.length} />}
          {ordered.slice(first, last + 1).map((row, i) => {
            const key = rowKey(row);
            return (
              <tr
                key={key}
                data-key={key}
                aria-rowindex={first + i + 2}
                aria-current={key === current ? "true" : undefined}
                className={`${href ? "open" : ""} ${key === current ? "current" : ""} ${rowClass?.(row) ?? ""}`.trim() || undefined}
                onClick={(e) => click(e, row)}
                onMouseEnter={onHover && (() => onHover(row))}
              >
                {columns.map((c) => (
                  <td key={c.key} className={c.numeric ? "num" : c.wrap && !virtual ? "wrap" : undefined}>
                    {c.cell ? c.cell(row) : String(c.value(row) ?? "–")}
                  </td>
                ))}
              </tr>
            );
          })}
          {last < ordered.length - 1 && <Pad rows={ordered.length - 1 - last} columns={columns.length} />}
        </tbody>
      </table>
    </div>
  );
}

function Heading<R>({ column: c, sort, onSort }: { column: Column<R>; sort: Sort | null; onSort: (s: Sort) => void }) {
  const active = sort?.key === c.key;
  return (
    <th
      scope="col"
      title={c.help}
      aria-sort={active ? (sort.descending ? "descending" : "ascending") : undefined}
      className={c.numeric ? "num" : undefined}
    >
      <button onClick={() => onSort({ key: c.key, descending: active ? !sort.descending : c.numeric === true })}>{c.label}</button>
    </th>
  );
}

/** Stands for rows that are not drawn. */
function Pad({ rows, columns }: { rows: number; columns: number }) {
  return (
    <tr className="pad" aria-hidden="true">
      <td colSpan={columns} style={{ height: rows * ROW }} />
    </tr>
  );
}
