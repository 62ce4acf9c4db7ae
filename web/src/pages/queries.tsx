import { useState } from "react";
import { ORDERS, useQueries, type Order } from "../api/queries";
import { CompareMenu } from "../components/compare-menu";
import { Panel } from "../components/panel";
import { QueryTable } from "../components/query-table";
import { SearchBox } from "../components/search-box";
import { CHANGES, tally, type Change } from "../lib/compare";
import { comparedWindow, parseComparison, resolve } from "../lib/range";
import { parseSort, sortText } from "../lib/sort";
import { visible } from "../lib/text";
import { drivenRange, keepTime, useView } from "../state/view";

const LIMIT = 200;

/** The statements of a server over the window, alone or against another window. */
export function QueriesPage({ server }: { server: number }) {
  const view = useView();
  const [only, setOnly] = useState<Change | null>(null);
  const comparison = parseComparison(view.params.get("compare"));
  const sort = parseSort(view.params.get("sort")) ?? { key: comparison ? "delta_load" : "total_time", descending: true };
  const range = drivenRange(view);
  const filter = { search: view.params.get("q") ?? "", database: view.params.get("db") ?? "", user: view.params.get("user") ?? "" };
  const queries = useQueries(server, range, { ...filter, order: ORDERS.find((o) => o === sort.key) ?? ("total_time" satisfies Order), limit: LIMIT, compare: comparison });
  const list = queries.data;
  const shown = list && only !== null && comparison ? { ...list, items: list.items.filter((r) => r.change === only) } : list;
  const counts = tally(list?.items ?? []);
  const now = resolve(range, Date.now());
  const other = comparison && comparedWindow(comparison, now);

  return (
    <Panel flush testid="queries" state={queries} empty={shown?.items.length === 0}
      reason={list && list.items.length > 0 && shown?.items.length === 0 ? `No statement is ${only}.` : list?.reason}
      emptyText={filter.search ? "No statement contains this text." : "No statement ran in this window, or none was measured."}
      title="Queries"
      tools={
        <>
          {comparison && (
            <div className="chips" role="group" aria-label="Filter by change">
              {CHANGES.filter((c) => counts[c] > 0).map((c) => <button key={c} aria-pressed={only === c} onClick={() => setOnly(only === c ? null : c)}>{c} {counts[c]}</button>)}
            </div>
          )}
          {filter.database && <Filter text={`database ${filter.database}`} onClear={() => view.set({ db: null })} />}
          {filter.user && <Filter text={`user ${filter.user}`} onClear={() => view.set({ user: null })} />}
          <CompareMenu comparison={comparison} window={now} other={other} onChange={(text) => (setOnly(null), view.set({ compare: text, sort: null }))} />
          <SearchBox value={filter.search} onChange={(text) => view.set({ q: text })} label="Search query text" />
        </>
      }>
      {shown && (
        <QueryTable caption="Queries" testid="query-list" keyboard wide list={shown} sort={sort} onSort={(s) => view.set({ sort: sortText(s) })} otherSeconds={other && (other.to - other.from) / 1000}
          href={(r) => keepTime(`/queries/${r.id}`, view.params, view.brush ? { from: String(view.brush.from), to: String(view.brush.to) } : {})} />
      )}
    </Panel>
  );
}

function Filter({ text, onClear }: { text: string; onClear: () => void }) {
  return <button onClick={onClear} title="Remove this filter">{visible(text)} ×</button>;
}
