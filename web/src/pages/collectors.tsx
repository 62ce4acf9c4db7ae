import { useMemo, useState } from "react";
import { Link } from "wouter";
import type { Collector } from "../api/schema";
import { useCollectors } from "../api/collectors";
import { DataTable, type Column } from "../components/data-table";
import { Num } from "../components/num";
import { Panel } from "../components/panel";
import { SearchBox } from "../components/search-box";
import { StatusMark } from "../components/status";
import { ago, bytes, count, duration, utc } from "../lib/format";
import { named, sourcesIn, type NamedReading } from "../lib/readings";
import { parseSort, sortText, type Sort } from "../lib/sort";
import { visible } from "../lib/text";
import { useNow, useTitle } from "../state/hooks";
import { keepTime, useView } from "../state/view";

const SKEW_WARN_SECONDS = 5;
const EXPIRY_WARN_MS = 4 * 3_600_000; // certificates live for a day and are renewed long before

function columns(now: number, params: URLSearchParams): Column<Collector>[] {
  return [
    { key: "name", label: "Collector", value: (c) => c.name, cell: (c) => <span className="row" style={{ flexWrap: "nowrap" }}><StatusMark status={c.status} reason={c.status_reason} /><bdi className="clip" title={c.host ?? undefined}>{visible(c.name)}</bdi></span> },
    { key: "version", label: "Version", width: 84, minor: true, value: (c) => c.version, cell: (c) => <span className="muted">{c.version ?? "–"}</span> },
    { key: "push", label: "Last push", numeric: true, width: 104, value: (c) => c.last_push, cell: (c) => <span className={c.status === "fresh" ? "" : "none"} title={utc(c.last_push)}>{ago(c.last_push, now)}</span> },
    {
      key: "spool", label: "Spool", numeric: true, width: 132, narrow: 110, help: "Records that wait on the collector's disk, and the age of the oldest", value: (c) => c.spool_records,
      cell: (c) => <span className={(c.spool_oldest_seconds ?? 0) > 60 ? "warn" : ""} title={`${bytes(c.spool_bytes)}; oldest ${duration(c.spool_oldest_seconds)}`}>{count(c.spool_records)}{(c.spool_records ?? 0) > 0 && <span className="faint"> · {duration(c.spool_oldest_seconds)}</span>}</span>,
    },
    { key: "skew", label: "Clock skew", numeric: true, width: 96, minor: true, help: "Its clock minus the server's", value: (c) => c.clock_skew_seconds, cell: (c) => <span className={Math.abs(c.clock_skew_seconds ?? 0) > SKEW_WARN_SECONDS ? "bad" : ""}><Num value={c.clock_skew_seconds} as={duration} unit="seconds" /></span> },
    { key: "frames", label: "Frames", numeric: true, width: 96, minor: true, value: (c) => c.frames, cell: (c) => <span title={`${c.duplicates} had been accepted before, ${c.refused} were refused`}>{count(c.frames)}{c.refused > 0 && <span className="bad"> −{count(c.refused)}</span>}</span> },
    { key: "rows", label: "Rows", numeric: true, width: 84, minor: true, value: (c) => c.rows, cell: (c) => <Num value={c.rows} as={count} unit="rows" /> },
    { key: "expires", label: "Certificate", numeric: true, width: 112, minor: true, value: (c) => c.certificate_expires, cell: (c) => <Expiry at={c.certificate_expires} now={now} /> },
    { key: "rss", label: "Memory", numeric: true, width: 90, minor: true, value: (c) => c.rss_bytes, cell: (c) => <Num value={c.rss_bytes} as={bytes} unit="bytes" /> },
    { key: "cpu", label: "CPU", numeric: true, width: 120, minor: true, help: "CPU time per minute", value: (c) => c.cpu_seconds_per_minute, cell: (c) => <span title="CPU time per minute">{c.cpu_seconds_per_minute === null ? <span className="none">–</span> : `${duration(c.cpu_seconds_per_minute)}/min`}</span> },
    {
      key: "servers", label: "Servers", width: 160, minor: true, value: (c) => c.servers.length,
      cell: (c) => <span className="clip">{c.servers.map((s, i) => <span key={s.id}>{i > 0 && ", "}<Link href={keepTime(`/servers/${s.id}`, params)}>{visible(s.name)}</Link></span>)}</span>,
    },
    { key: "failed", label: "Failing", numeric: true, width: 74, help: "Sources that should have been read in the last hour and were not", value: (c) => sourcesIn(c.failed), cell: (c) => <span className={c.failed.length ? "bad" : "faint"}>{sourcesIn(c.failed)}</span> },
  ];
}

function Expiry({ at, now }: { at: number | null; now: number }) {
  const left = at === null ? null : at - now;
  return <span className={left === null ? "none" : left < 0 ? "bad" : left < EXPIRY_WARN_MS ? "warn" : ""} title={utc(at)}>{left === null ? "–" : left < 0 ? "expired" : ago(at, now)}</span>;
}

function readingColumns(now: number, params: URLSearchParams, pill: string): Column<NamedReading>[] {
  return [
    { key: "collector", label: "Collector", width: 120, minor: true, value: (f) => f.collector.name, cell: (f) => <bdi className="clip">{visible(f.collector.name)}</bdi> },
    { key: "server", label: "Server", width: 130, narrow: 84, value: (f) => f.server, cell: (f) => (f.server_id === null ? <span className="faint">host</span> : <Link className="clip" href={keepTime(`/servers/${f.server_id}/sources`, params)}>{visible(f.server)}</Link>) },
    { key: "source", label: "Source", width: 170, narrow: 140, value: (f) => f.source },
    { key: "reason", label: "Reason", width: 92, narrow: 80, value: (f) => f.reason, cell: (f) => <span className={pill}>{visible(f.reason)}</span> },
    { key: "detail", label: "Detail", wrap: true, value: (f) => f.detail, cell: (f) => <span className={f.detail === null ? "none" : "clip"} title={f.detail ?? "no data"}>{f.detail === null ? "–" : visible(f.detail)}</span> },
    { key: "count", label: "Times", numeric: true, width: 72, minor: true, value: (f) => f.count, cell: (f) => <Num value={f.count} as={count} /> },
    { key: "last", label: "Last", numeric: true, width: 104, minor: true, value: (f) => f.last, cell: (f) => <span title={utc(f.last)}>{ago(f.last, now)}</span> },
  ];
}

export function CollectorsPage() {
  useTitle("Collectors");
  const view = useView();
  const now = useNow(1000);
  const collectors = useCollectors();
  const [failureSort, setFailureSort] = useState<Sort>({ key: "last", descending: true });
  const [absentSort, setAbsentSort] = useState<Sort>({ key: "source", descending: false });
  const q = (view.params.get("q") ?? "").toLowerCase();
  const items = useMemo(() => (collectors.data?.items ?? []).filter((c) => `${c.name} ${c.host ?? ""} ${c.servers.map((s) => s.name).join(" ")}`.toLowerCase().includes(q)), [collectors.data, q]);
  const failures = useMemo(() => named(items, "failed"), [items]);
  const absent = useMemo(() => named(items, "unavailable"), [items]);
  return (
    <>
      <div className="head">
        <h1 className="grow">Collectors</h1>
        <SearchBox value={view.params.get("q") ?? ""} onChange={(text) => view.set({ q: text })} label="Search collectors" />
      </div>
      {items.filter((c) => c.status_reason !== null).map((c) => (
        <p key={c.id} className={c.status === "locked" ? "notice bad" : "notice warn"} role="status"><span><bdi>{visible(c.name)}</bdi> is {c.status_reason}</span></p>
      ))}
      {items.filter((c) => c.configuration.refused !== null).map((c) => (
        <p key={c.id} className="notice warn" role="status"><span><bdi>{visible(c.name)}</bdi> refused configuration {c.configuration.seen} as a whole and goes on as before: {visible(c.configuration.refused ?? "")}</span></p>
      ))}
      <Panel flush testid="collectors" state={collectors} empty={items.length === 0} reason={q && items.length === 0 ? "No collector matches the search." : collectors.data?.reason}
        emptyText="No collector is enrolled. `pganalytics-server token create` makes the token that a collector enrols with.">
        <DataTable caption="Collectors" testid="collector-list" keyboard columns={columns(now, view.params)} rows={items} rowKey={(c) => String(c.id)} sort={parseSort(view.params.get("sort")) ?? { key: "name", descending: false }}
          onSort={(s) => view.set({ sort: sortText(s) })} rowClass={(c) => (c.status === "fresh" ? "" : "dim")} />
      </Panel>
      <Panel flush title="Failed readings, last hour" testid="failed" state={collectors} empty={failures.length === 0} emptyText={items.length > 0 ? "Everything that should have been read in the last hour was." : "There is no collector that could read."}>
        <DataTable caption="Failed readings" testid="failed-list" columns={readingColumns(now, view.params, "pill bad")} rows={failures} rowKey={readingKey} sort={failureSort} onSort={setFailureSort} />
      </Panel>
      {absent.length > 0 && (
        <Panel flush title="Optional and not there" tools={<span className="muted" title="Views of other versions, extensions that are not installed, rights that nobody has to grant, what the configuration does not allow">nothing is wrong</span>} testid="unavailable" state={collectors}>
          <DataTable caption="Optional sources that are not there" testid="unavailable-list" columns={readingColumns(now, view.params, "pill")} rows={absent} rowKey={readingKey} sort={absentSort} onSort={setAbsentSort} />
        </Panel>
      )}
    </>
  );
}

const readingKey = (f: NamedReading) => `${f.collector.id}/${f.server_id}/${f.source}/${f.reason}`;
