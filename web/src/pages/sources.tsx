import { Link } from "wouter";
import type { ServerDetail, SourceState } from "../api/schema";
import { DataTable, type Column } from "../components/data-table";
import { Num } from "../components/num";
import { Panel, type PanelState } from "../components/panel";
import { ago, count, duration, utc } from "../lib/format";
import { stateRank } from "../lib/readings";
import { parseSort, sortText } from "../lib/sort";
import { visible } from "../lib/text";
import { useNow } from "../state/hooks";
import { keepTime, useView } from "../state/view";

function State({ s }: { s: SourceState }) {
  if (s.state === "failing") return <span className="pill bad">{visible(s.reason ?? "failed")}</span>;
  if (s.state === "unavailable") return <span className="pill" title="Optional, and not there: nothing is wrong">{visible(s.reason ?? "absent")}</span>;
  if (s.state === "none") return <span className="pill">no reading</span>;
  return <span className="pill good">complete</span>;
}

function columns(server: number, now: number, params: URLSearchParams): Column<SourceState>[] {
  return [
    { key: "name", label: "Source", width: 200, narrow: 156, value: (s) => s.name, cell: (s) => <Link className="clip" title={s.doc} href={keepTime(`/servers/${server}/sources/${encodeURIComponent(s.name)}`, params)}>{s.name}</Link> },
    { key: "state", label: "State", help: "How the newest reading went", width: 104, value: stateRank, cell: (s) => <State s={s} /> },
    { key: "detail", label: "What or why", wrap: true, value: (s) => s.detail, cell: (s) => (s.detail === null ? <span className="clip faint" title={s.doc}>{s.reason === null ? s.doc : "–"}</span> : <span className="clip" title={s.detail}>{visible(s.detail)}</span>) },
    { key: "last", label: "Last", numeric: true, width: 104, value: (s) => s.last, cell: (s) => <span className={s.last === null ? "none" : ""} title={utc(s.last)}>{ago(s.last, now)}</span> },
    { key: "interval", label: "Every", numeric: true, width: 80, minor: true, value: (s) => s.interval_seconds, cell: (s) => duration(s.interval_seconds) },
    { key: "complete", label: "Complete", numeric: true, width: 92, minor: true, value: (s) => s.complete, cell: (s) => <Num value={s.complete} as={count} unit="readings" /> },
    { key: "failed", label: "Failed", numeric: true, width: 80, value: (s) => s.failed, cell: (s) => <span className={s.failed > 0 && s.state !== "unavailable" ? "bad" : "faint"}><Num value={s.failed} as={count} unit="readings" /></span> },
    { key: "rows", label: "Rows", numeric: true, width: 84, minor: true, value: (s) => s.rows, cell: (s) => <Num value={s.rows} as={count} unit="rows" /> },
  ];
}

/** How the readings of every source went, with the reason of each failure. */
export function SourcesPage({ server, state }: { server: number; state: PanelState & { data: ServerDetail | undefined } }) {
  const view = useView();
  const now = useNow(1000);
  const sort = parseSort(view.params.get("sort")) ?? { key: "state", descending: false };
  const sources = state.data?.sources;
  return (
    <Panel flush title="Sources" testid="sources" state={state} empty={sources?.length === 0} emptyText="The collector of this server has declared no source yet.">
      {sources && <DataTable caption="Sources" testid="source-list" keyboard columns={columns(server, now, view.params)} rows={sources} rowKey={(s) => s.name} sort={sort}
        onSort={(s) => view.set({ sort: sortText(s) })} href={(s) => keepTime(`/servers/${server}/sources/${encodeURIComponent(s.name)}`, view.params)} />}
    </Panel>
  );
}
