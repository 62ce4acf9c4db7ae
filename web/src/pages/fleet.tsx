import { useMemo } from "react";
import { Link } from "wouter";
import type { Server } from "../api/schema";
import { useServers } from "../api/servers";
import { DataTable, type Column } from "../components/data-table";
import { Meter, Num } from "../components/num";
import { Panel } from "../components/panel";
import { SearchBox } from "../components/search-box";
import { Sparkline } from "../components/sparkline";
import { StatusMark, type ServerStatus } from "../components/status";
import { ago, count, duration, rate, utc } from "../lib/format";
import { parseSort, sortText } from "../lib/sort";
import { visible } from "../lib/text";
import { useNow, useTitle } from "../state/hooks";
import { keepTime, useView } from "../state/view";

const STATUSES: readonly ServerStatus[] = ["fresh", "stale", "unreachable", "waiting"];
const SEVERITY: Record<ServerStatus, number> = { unreachable: 0, stale: 1, waiting: 2, fresh: 3 };
const SPARK_POINTS = 48;

function columns(now: number, params: URLSearchParams): Column<Server>[] {
  return [
    {
      key: "name", label: "Server", value: (s) => s.name,
      cell: (s) => (
        <span className="row" style={{ flexWrap: "nowrap" }}>
          <StatusMark status={s.status} reason={s.status_reason} />
          <Link className="clip" href={keepTime(`/servers/${s.id}`, params)}><bdi>{visible(s.name)}</bdi></Link>
          {s.in_recovery && <span className="pill" title="In recovery: a replica">replica</span>}
        </span>
      ),
    },
    { key: "version", label: "Version", width: 78, minor: true, value: (s) => s.version, cell: (s) => <span className={s.version === null ? "none" : "muted"}>{s.version ?? "–"}</span> },
    { key: "spark", label: "Load", width: 200, narrow: 90, value: (s) => s.load_mean, help: "Average active sessions over the window; the dashed line is the number of cores", cell: (s) => <Sparkline values={s.load.values} cores={s.cores} /> },
    {
      key: "load", label: "Sessions", numeric: true, width: 152, narrow: 96, help: "Mean of average active sessions, of cores", value: (s) => s.load_mean,
      cell: (s) => (
        <>
          <Num value={s.load_mean} as={count} unit="active sessions" />
          {s.cores !== null && <span className="faint"> / {s.cores}</span>}
          <Meter share={s.load_mean === null || s.cores === null ? null : s.load_mean / s.cores} warn={0.8} bad={1} />
        </>
      ),
    },
    { key: "tps", label: "Transactions", numeric: true, width: 104, minor: true, value: (s) => s.transactions_per_second, cell: (s) => <Num value={s.transactions_per_second} as={rate} unit="transactions/s" /> },
    {
      key: "connections", label: "Connections", numeric: true, width: 150, minor: true, value: (s) => (s.connections === null ? null : s.connections / (s.max_connections ?? 100)),
      cell: (s) => (
        <>
          <Num value={s.connections} as={count} unit="connections" />
          {s.max_connections !== null && <span className="faint"> / {s.max_connections}</span>}
          <Meter share={s.connections === null || s.max_connections === null ? null : s.connections / s.max_connections} warn={0.75} bad={0.9} />
        </>
      ),
    },
    {
      key: "oldest", label: "Oldest transaction", numeric: true, width: 134, minor: true, value: (s) => s.oldest_transaction_seconds,
      cell: (s) => (
        <span className={(s.oldest_transaction_seconds ?? 0) >= 3600 ? "bad" : (s.oldest_transaction_seconds ?? 0) >= 300 ? "warn" : ""}>
          <Num value={s.oldest_transaction_seconds} as={duration} unit="seconds" />
        </span>
      ),
    },
    { key: "collector", label: "Collector", width: 124, minor: true, value: (s) => s.collector.name, cell: (s) => <span className="muted">{visible(s.collector.name)}</span> },
    { key: "seen", label: "Last seen", numeric: true, width: 112, narrow: 100, value: (s) => s.last_seen, cell: (s) => <span className={s.status === "fresh" ? "" : "none"} title={utc(s.last_seen)}>{ago(s.last_seen, now)}</span> },
  ];
}

function matches(s: Server, text: string): boolean {
  const words = text.toLowerCase().split(/\s+/);
  const hay = `${s.name} ${s.collector.name} ${s.version ?? ""} ${s.system_identifier ?? ""} ${s.in_recovery ? "replica" : "primary"}`.toLowerCase();
  return words.every((w) => hay.includes(w));
}

export function FleetPage() {
  useTitle("Fleet");
  const view = useView();
  const now = useNow(1000);
  const servers = useServers(view.range, SPARK_POINTS);
  const q = view.params.get("q") ?? "";
  const status = view.params.get("status");
  const sort = parseSort(view.params.get("sort"));
  const lost = servers.error !== null;
  const all = useMemo(() => {
    const known = servers.data?.servers ?? [];
    // An answer that is known to be old is not shown as fresh.
    return lost ? known.map((s) => (s.status === "fresh" ? { ...s, status: "stale" as const } : s)) : known;
  }, [servers.data, lost]);
  const rows = useMemo(() => {
    const found = all.filter((s) => (status === null || s.status === status) && matches(s, q));
    return sort ? found : found.sort((a, b) => SEVERITY[a.status] - SEVERITY[b.status] || (b.load_mean ?? -1) - (a.load_mean ?? -1));
  }, [all, q, status, sort === null]);

  return (
    <>
      <div className="head">
        <h1>Fleet</h1>
        {all.length > 0 && (
          <div className="chips" role="group" aria-label="Filter by state">
            <button aria-pressed={status === null} onClick={() => view.set({ status: null })}>all {all.length}</button>
            {STATUSES.map((s) => {
              const n = all.filter((x) => x.status === s).length;
              return n > 0 && <button key={s} aria-pressed={status === s} onClick={() => view.set({ status: status === s ? null : s })}><StatusMark status={s} /> {s} {n}</button>;
            })}
          </div>
        )}
        <span className="grow" />
        <SearchBox value={q} onChange={(text) => view.set({ q: text })} label="Search servers" />
      </div>
      <Panel state={servers} flush empty={rows.length === 0} reason={all.length > 0 && rows.length === 0 ? "No server matches the filter." : servers.data?.reason}
        emptyText="No collector has registered a server yet. Create a token with `pganalytics-server token create` and start a collector with it.">
        <DataTable caption="Servers" testid="fleet" keyboard columns={columns(now, view.params)} rows={rows} rowKey={(s) => String(s.id)} sort={sort} onSort={(s) => view.set({ sort: sortText(s) })}
          href={(s) => keepTime(`/servers/${s.id}`, view.params)} rowClass={(s) => (s.status === "fresh" ? "" : "dim")} />
      </Panel>
    </>
  );
}
