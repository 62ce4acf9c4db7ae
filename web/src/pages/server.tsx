import { Link, Route, Switch, useLocation } from "wouter";
import type { ServerDetail } from "../api/schema";
import { useServer } from "../api/servers";
import { Num } from "../components/num";
import { Blank } from "../components/panel";
import { StatusMark } from "../components/status";
import { ago, bytes, count, duration, rate, utc } from "../lib/format";
import { failing } from "../lib/readings";
import { sentence, visible } from "../lib/text";
import { useNow, useTitle } from "../state/hooks";
import { keepTime, useView } from "../state/view";
import { LoadPage } from "./load";
import { ObjectsPage } from "./objects";
import { QueriesPage } from "./queries";
import { SourcesPage } from "./sources";

const TABS = [["", "Load"], ["/queries", "Queries"], ["/databases", "Databases"], ["/tables", "Tables"], ["/indexes", "Indexes"], ["/sources", "Sources"]] as const;
const SOURCES: Record<string, string> = { databases: "postgres.databases", tables: "postgres.tables", indexes: "postgres.indexes" };

/** Everything about one server: who it is, how it is, and its pages. */
export function ServerPage({ id }: { id: number }) {
  const view = useView();
  const [path] = useLocation();
  const server = useServer(id, view.range);
  // An answer that is known to be old is not shown as fresh.
  const s = server.data && server.error && server.data.status === "fresh" ? { ...server.data, status: "stale" as const, status_reason: server.error.detail } : server.data;
  useTitle(s?.name);
  const base = `/servers/${id}`;
  const failed = failing(s?.sources ?? []);
  if (!s && server.error) {
    return (
      <section className="panel">
        <Blank title={server.error.title} text={server.error.detail}><Link className="button" href="/">Fleet</Link></Blank>
      </section>
    );
  }
  return (
    <>
      <div className="head" aria-busy={!s}>
        <h1>
          <Link className="crumb" href={keepTime("/", view.params)}>Fleet</Link> <span className="crumb">/</span> <bdi>{s ? visible(s.name) : "…"}</bdi>
        </h1>
        {s && <Badges s={s} />}
      </div>
      {s && s.status !== "fresh" && <p className="notice" role="status">{sentence(s.status_reason ?? `This server is ${s.status}`)} The figures are the last that are known.</p>}
      {s ? <Facts s={s} /> : <div className="facts pending" />}
      <nav className="tabs" aria-label="Server">
        {TABS.map(([to, text]) => (
          <Link key={to} href={keepTime(base + to, view.params)} aria-current={(to === "" ? path === base : path.startsWith(base + to)) ? "page" : undefined}>
            {text}
            {to === "/sources" && failed > 0 && <span className="pill warn" title={`${failed} sources fail`}>{failed}</span>}
          </Link>
        ))}
      </nav>
      <Switch>
        <Route path="/servers/:id"><LoadPage server={id} /></Route>
        <Route path="/servers/:id/queries"><QueriesPage server={id} /></Route>
        <Route path="/servers/:id/sources"><SourcesPage server={id} state={server} /></Route>
        <Route path="/servers/:id/sources/:source">{(p) => <ObjectsPage key={p.source} server={id} source={decodeURIComponent(p.source)} />}</Route>
        <Route path="/servers/:id/:objects">
          {(p) => (Object.hasOwn(SOURCES, p.objects) ? <ObjectsPage key={p.objects} server={id} source={SOURCES[p.objects]!} /> : <section className="panel"><Blank title="There is no such page" /></section>)}
        </Route>
      </Switch>
    </>
  );
}

function Badges({ s }: { s: ServerDetail }) {
  const now = useNow(1000);
  return (
    <>
      <StatusMark status={s.status} reason={s.status_reason} label />
      {s.version !== null && <span className="pill">PostgreSQL {s.version}</span>}
      {s.in_recovery !== null && <span className="pill">{s.in_recovery ? "replica" : "primary"}</span>}
      <span className="faint" title={utc(s.last_seen)}>seen {ago(s.last_seen, now)} by {visible(s.collector.name)}</span>
    </>
  );
}

function Facts({ s }: { s: ServerDetail }) {
  const oldest = s.oldest_transaction_seconds ?? 0;
  return (
    <dl className={s.status === "fresh" ? "facts" : "facts old"}>
      <div><dt>Active sessions, mean</dt><dd className={s.cores !== null && (s.load_mean ?? 0) > s.cores ? "bad" : ""}><Num value={s.load_mean} as={count} /> <small>{s.cores === null ? "" : `of ${s.cores} cores`}</small></dd></div>
      <div><dt>Transactions</dt><dd><Num value={s.transactions_per_second} as={rate} /></dd></div>
      <div><dt>Connections</dt><dd><Num value={s.connections} as={count} /> <small>{s.max_connections === null ? "" : `of ${s.max_connections}`}</small></dd></div>
      <div><dt>Oldest transaction</dt><dd className={oldest >= 3600 ? "bad" : oldest >= 300 ? "warn" : ""}><Num value={s.oldest_transaction_seconds} as={duration} unit="seconds" /></dd></div>
      <div><dt>Databases</dt><dd><Num value={s.databases} as={count} /></dd></div>
      <div><dt>Size</dt><dd><Num value={s.size_bytes} as={bytes} unit="bytes" /></dd></div>
    </dl>
  );
}
