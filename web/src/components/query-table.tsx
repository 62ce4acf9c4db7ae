import { useMemo } from "react";
import { Link } from "wouter";
import type { QueryList, QueryRow } from "../api/schema";
import { loadDelta, meanFactor } from "../lib/compare";
import { bytes, change, count, duration, exact, milliseconds, percent, rate } from "../lib/format";
import type { Sort } from "../lib/sort";
import { oneLine, visible } from "../lib/text";
import { DataTable, type Column } from "./data-table";
import { Meter, Num } from "./num";

interface Props {
  caption: string;
  testid: string;
  list: QueryList;
  sort: Sort;
  onSort: (sort: Sort) => void;
  href: (row: QueryRow) => string;
  /** Seconds of the window compared with; then there are columns of differences. */
  otherSeconds?: number | null;
  /** All columns, or those that fit below a chart. */
  wide?: boolean;
  keyboard?: boolean;
  lit?: string | null;
  onHover?: ((id: string | null) => void) | undefined;
}

const OMITTED_IN_COMPARISON = new Set(["load", "rows", "temp_blocks", "wal_bytes"]); // their place goes to the differences
const TONE: Record<string, string> = { new: "info", gone: "", slower: "bad", faster: "good", same: "" };

/** Statements and what they cost. Column keys are the orders of the API where it has one. */
export function QueryTable({ caption, testid, list, sort, onSort, href, otherSeconds = null, wide = false, keyboard, lit, onHover }: Props) {
  const columns = useMemo(() => {
    const all = base(href, wide);
    if (otherSeconds === null) return all;
    const kept = all.filter((c) => !OMITTED_IN_COMPARISON.has(c.key));
    kept.splice(2, 0, ...differences(list.window_seconds, otherSeconds));
    return kept;
  }, [href, wide, otherSeconds, list.window_seconds]);
  return (
    <>
      <DataTable caption={caption} testid={testid} keyboard={keyboard} columns={columns} rows={list.items} rowKey={(r) => r.id} sort={sort} onSort={onSort} href={href}
        rowClass={(r) => (r.id === lit ? "lit" : r.change === "gone" ? "dim" : "")} onHover={onHover && ((r) => onHover(r?.id ?? null))} />
      <div className="tablefoot" data-testid="totals">
        {list.items.length} statements listed. All statements of the window: <Num value={list.totals.calls} as={count} /> calls, <Num value={list.totals.total_time_seconds} as={duration} unit="seconds" /> total time in{" "}
        <Num value={list.window_seconds} as={duration} unit="seconds" />.
      </div>
    </>
  );
}

function base(href: (row: QueryRow) => string, wide: boolean): Column<QueryRow>[] {
  const columns: Column<QueryRow>[] = [
    { key: "text", label: "Query", value: (r) => r.text, cell: (r) => <QueryLink row={r} href={href(r)} /> },
    {
      key: "total_time", label: "Total time", numeric: true, width: 172, narrow: 116, help: "Sum of execution time in the window; the bar is its share of all statements", value: (r) => r.total_time_seconds,
      cell: (r) => (
        <span title={`${percent(r.share)} of all statements, ${exact(r.total_time_seconds)} s`}>
          {duration(r.total_time_seconds)}
          <Meter share={r.share} plain />
        </span>
      ),
    },
    { key: "calls", label: "Calls", numeric: true, width: 84, value: (r) => r.calls_per_second, help: "Calls per second", cell: (r) => <span title={`${exact(r.calls)} calls`}>{rate(r.calls_per_second)}</span> },
    { key: "mean_time", label: "Mean", numeric: true, width: 84, value: (r) => r.mean_time_ms, help: "Mean execution time", cell: (r) => <Num value={r.mean_time_ms} as={milliseconds} unit="ms" /> },
    { key: "load", label: "Load", numeric: true, width: 74, minor: true, value: (r) => r.load, help: "Average active sessions, from samples", cell: (r) => <Num value={r.load} as={count} unit="active sessions" /> },
    { key: "rows", label: "Rows/call", numeric: true, width: 88, minor: true, value: (r) => (wide ? r.rows : r.rows_per_call), help: wide ? "Rows per call; sorted by rows" : "Rows per call", cell: (r) => <span title={`${exact(r.rows)} rows`}>{count(r.rows_per_call)}</span> },
    { key: "blocks_read", label: "Read", numeric: true, width: 84, minor: true, value: (r) => r.shared_blks_read, help: "Shared blocks read (8 KiB each)", cell: (r) => <span title={`${exact(r.shared_blks_read)} blocks read, ${exact(r.shared_blks_hit)} hit`}>{bytes(r.shared_blks_read * 8192)}</span> },
  ];
  if (wide) {
    columns.push(
      { key: "temp_blocks", label: "Temp", numeric: true, width: 80, minor: true, value: (r) => r.temp_blks_written, help: "Temporary blocks written", cell: (r) => <span title={`${exact(r.temp_blks_written)} blocks`}>{bytes(r.temp_blks_written * 8192)}</span> },
      { key: "wal_bytes", label: "WAL", numeric: true, width: 80, minor: true, value: (r) => r.wal_bytes, cell: (r) => <Num value={r.wal_bytes} as={bytes} unit="bytes" /> },
    );
  }
  columns.push(
    { key: "database", label: "Database", width: 96, minor: true, value: (r) => r.database, cell: (r) => <Name text={r.database} /> },
    { key: "user", label: "User", width: 86, minor: true, value: (r) => r.user, cell: (r) => <Name text={r.user} /> },
  );
  return columns;
}

function Name({ text }: { text: string | null }) {
  return text === null ? <span className="none" title="no data">–</span> : <bdi className="clip muted" title={visible(text)}>{visible(text)}</bdi>;
}

function QueryLink({ row, href }: { row: QueryRow; href: string }) {
  const text = row.text === null ? null : oneLine(row.text);
  return (
    <Link href={href} className="clip sql" title={text?.slice(0, 1000)}>
      {text === null ? <span className="faint">text has not arrived, query id {row.queryid}</span> : text.slice(0, 300)}
    </Link>
  );
}

/** Columns of a comparison. Differences of total time are per second of window, so that windows of any length compare. */
function differences(windowSeconds: number, otherSeconds: number): Column<QueryRow>[] {
  return [
    { key: "change", label: "Change", width: 78, value: (r) => r.change, cell: (r) => (r.change === null || r.change === "same" ? <span className="none">–</span> : <span className={`pill ${TONE[r.change]}`}>{r.change}</span>) },
    {
      key: "delta_load", label: "Δ load", numeric: true, width: 96, help: "Seconds of execution per second, now minus then", value: (r) => loadDelta(r, windowSeconds, otherSeconds),
      cell: (r) => <Delta value={loadDelta(r, windowSeconds, otherSeconds)} />,
    },
    {
      key: "delta_mean", label: "Δ mean", numeric: true, width: 80, help: "Mean execution time, now against then", value: meanFactor,
      cell: (r) => {
        const f = meanFactor(r);
        return <span className={f === null ? "none" : f >= 1.2 ? "bad" : f <= 0.8 ? "good" : "muted"} title={f === null ? "no data" : `${exact(r.compare?.mean_time_ms)} ms then, ${exact(r.mean_time_ms)} ms now`}>{change(r.mean_time_ms, r.compare?.mean_time_ms) ?? "–"}</span>;
      },
    },
    {
      key: "delta_calls", label: "Δ calls", numeric: true, width: 80, minor: true, help: "Calls per second, now against then", value: (r) => (r.compare && r.compare.calls_per_second > 0 ? r.calls_per_second / r.compare.calls_per_second : null),
      cell: (r) => <span className="muted" title={`${rate(r.compare?.calls_per_second)} then`}>{change(r.calls_per_second, r.compare?.calls_per_second) ?? "–"}</span>,
    },
  ];
}

function Delta({ value }: { value: number | null }) {
  if (value === null) return <span className="none" title="no data">–</span>;
  const small = Math.abs(value) < 0.0005;
  return <span className={small ? "muted" : value > 0 ? "bad" : "good"} title={`${exact(value)} s/s`}>{small ? "±0" : `${value > 0 ? "+" : "−"}${count(Math.abs(value))}`}</span>;
}
