import { useMemo } from "react";
import { Link } from "wouter";
import type { Cell, SourceTable } from "../api/schema";
import { useSource } from "../api/sources";
import { DataTable, type Column } from "../components/data-table";
import { Panel } from "../components/panel";
import { SearchBox } from "../components/search-box";
import { heading, isNumeric, shown, sortValue } from "../lib/cells";
import { duration } from "../lib/format";
import { parseSort, sortText } from "../lib/sort";
import { drivenRange, keepTime, useView } from "../state/view";

const LIMIT = 1000;
type Row = Cell[];

const SAMPLED = 100; // rows that decide a width
const CHARACTER_PX = 7.4;

function widthOf(label: string, rows: readonly Row[], i: number, c: SourceTable["source"]["columns"][number], now: number): number {
  const longest = rows.slice(0, SAMPLED).reduce((n, r) => Math.max(n, shown(r[i] ?? null, c, now).text.length), label.length);
  return Math.round(Math.min(300, Math.max(70, 24 + longest * CHARACTER_PX)));
}

/** The key column with the longest names takes the space that is left. */
function longestKey(source: SourceTable["source"], rows: readonly Row[], now: number): number {
  let best = { i: -1, width: 0 };
  source.columns.forEach((c, i) => {
    const width = c.kind === "key" ? widthOf("", rows, i, c, now) : 0;
    if (width >= best.width && width > 0) best = { i, width };
  });
  return best.i;
}

/** Whether no row has anything but zero or no data in column `i`. */
const empty = (rows: readonly Row[], i: number): boolean => rows.every((r) => r[i] === null || r[i] === undefined || r[i] === 0 || r[i] === "");

/** Columns as they are declared, the most telling name first; numbers flush right with the unit of their declaration. */
function columnsOf({ source, rows }: SourceTable, now: number): Column<Row>[] {
  const widest = longestKey(source, rows, now);
  const columns = source.columns.map((c, i): Column<Row> & { rank: number } => {
    const numeric = isNumeric(c);
    const label = heading(c.name);
    return {
      key: c.name,
      label,
      help: `${c.doc}${c.unit ? ` (${c.unit}${c.kind === "counter" ? " in the window" : ""})` : ""}`,
      numeric,
      width: i === widest ? undefined : widthOf(label, rows, i, c, now),
      rank: i === widest ? 0 : c.kind === "key" ? 1 : 2,
      value: (r) => sortValue(r[i] ?? null, c),
      cell: (r) => {
        const s = shown(r[i] ?? null, c, now);
        return numeric ? <span className={r[i] === null ? "none" : r[i] === 0 ? "faint" : undefined} title={s.title}>{s.text}</span> : <bdi className={`clip${r[i] === null ? " none" : ""}`} title={s.title}>{s.text}</bdi>;
      },
    };
  });
  return columns.sort((a, b) => a.rank - b.rank);
}

/** Any declared source of a server: one row per key over the window. */
export function ObjectsPage({ server, source }: { server: number; source: string }) {
  const view = useView();
  const q = view.params.get("q") ?? "";
  const sort = parseSort(view.params.get("sort"));
  // The API ranks largest first, "-" the other way round; here it is the reverse.
  const order = sort && (sort.descending ? sort.key : `-${sort.key}`);
  const each = view.params.has("each");
  const table = useSource(server, source, drivenRange(view), { order, search: q, limit: LIMIT, parts: each ? "each" : null });
  const t = table.data;
  const all = view.params.has("all");
  const { columns, hidden } = useMemo(() => {
    if (!t) return { columns: [], hidden: 0 };
    const declared = columnsOf(t, table.dataUpdatedAt);
    const index = new Map(t.source.columns.map((c, i) => [c.name, i]));
    const telling = declared.filter((c) => c.key === sort?.key || !empty(t.rows, index.get(c.key) ?? 0));
    return { columns: all ? declared : telling, hidden: declared.length - telling.length };
  }, [t, table.dataUpdatedAt, all, sort?.key]);
  const partsAt = t ? t.source.columns.findIndex((c) => c.name === "parts") : -1;
  const hasParts = t?.rows.some((r) => Number(r[partsAt] ?? 0) > 0) ?? false;
  const keys = useMemo(() => (t ? t.source.columns.flatMap((c, i) => (c.kind === "key" ? [i] : [])) : []), [t]);
  return (
    <Panel flush testid="objects" state={table} empty={t?.rows.length === 0} reason={t?.reason}
      emptyText={q ? "No row contains this text." : `No reading of ${source} falls into this window. A longer window may hold one.`}
      title={<span title={t?.source.doc}>{source} {t && <span className="faint" style={{ fontWeight: 400 }}>{t.source.doc}</span>}</span>}
      tools={
        <>
          <Link className="faint" href={keepTime(`/servers/${server}/sources`, view.params)}>all sources</Link>
          {(each || hasParts) && <button aria-pressed={each} title="Partitions as rows of their own, or summed up as one table" onClick={() => view.set({ each: each ? null : "1", ...(sort?.key === "parts" && { sort: null }) })}>each partition</button>}
          {hidden > 0 && <button aria-pressed={all} title="Columns in which every row is zero or without data" onClick={() => view.set({ all: all ? null : "1" })}>{hidden} empty columns</button>}
          <SearchBox value={q} onChange={(text) => view.set({ q: text })} label="Search names" />
        </>
      }>
      {t && (
        <>
          <DataTable caption={source} testid="object-list" keyboard columns={columns} rows={t.rows} rowKey={(r) => JSON.stringify(keys.map((i) => r[i]))} sort={sort} onSort={(s) => view.set({ sort: sortText(s) })} />
          <div className="tablefoot">
            {t.rows.length} rows{t.truncated && `; there are more, these are the first by ${sort ? heading(sort.key) : "the order of the server"}`}. Counters are sums over {duration(t.window_seconds)}, everything else is the last known value.
          </div>
        </>
      )}
    </Panel>
  );
}
