import { useMemo, useRef, useState } from "react";
import { useQueries } from "../api/queries";
import { DIMENSIONS, useLoad, type Dimension } from "../api/servers";
import { BrushLabel } from "../components/brush-label";
import { Legend } from "../components/legend";
import { LoadChart } from "../components/load-chart";
import { Panel } from "../components/panel";
import { QueryTable } from "../components/query-table";
import { Select } from "../components/select";
import { assign, layered, type Paint } from "../lib/palette";
import { parseSort, sortText } from "../lib/sort";
import { oneLine } from "../lib/text";
import { drivenRange, keepTime, useView } from "../state/view";

const NAMES: Record<Dimension, string> = { wait_class: "wait class", wait_event: "wait event", query: "query", database: "database", user: "user", application: "application", client: "client" };
const TOP = 25;
const BUCKET_PX = 4; // a narrower bucket cannot be aimed at

/** Buckets for the width of the screen when the page opens, in steps, so that people share what the server has computed. */
const bucketsThatFit = (): number => Math.min(400, Math.max(50, Math.floor((innerWidth - (innerWidth > 1000 ? 380 : 80)) / BUCKET_PX / 50) * 50));

/** The load of a server, and the statements that made it: what is selected on the chart drives the table. */
export function LoadPage({ server }: { server: number }) {
  const view = useView();
  const [points] = useState(bucketsThatFit);
  const by = DIMENSIONS.find((d) => d === view.params.get("by")) ?? "wait_class";
  const load = useLoad(server, view.range, by, points);
  const driven = drivenRange(view);
  const top = useQueries(server, driven, { order: "total_time", limit: TOP });

  const [lit, setLit] = useState<string | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const paints = useRef<Map<string, Paint>>(new Map());
  const series = useMemo(() => {
    const s = layered(by, load.data?.series ?? []).map((x) => (by === "query" ? { ...x, label: oneLine(x.label) } : x));
    paints.current = assign(by, s.map((x) => x.key), paints.current);
    return s;
  }, [load.data, by]);
  const toggle = (key: string, only: boolean) =>
    setHidden((before) => {
      const keys = series.map((s) => s.key);
      if (only) return before.size === keys.length - 1 && !before.has(key) ? new Set() : new Set(keys.filter((k) => k !== key));
      const next = new Set(before);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  const selected: Record<string, string> = view.brush ? { from: String(view.brush.from), to: String(view.brush.to) } : {};
  const label = <BrushLabel brush={view.brush} onZoom={view.zoomToBrush} onClear={view.clearBrush} compareHref={keepTime(`/servers/${server}/queries`, view.params, { ...selected, compare: "previous" })} />;

  return (
    <>
      <Panel title="Average active sessions" testid="load" state={load} reason={load.data?.reason} empty={load.data !== undefined && series.length === 0}
        emptyText="No session samples in this window."
        tools={<Select label="by" testid="by" value={by} options={DIMENSIONS.map((d) => [d, NAMES[d]] as const)} onChange={(d) => (setHidden(new Set()), view.set({ by: d === "wait_class" ? null : d }))} />}>
        {load.data && (
          <div className="loadgrid">
            <LoadChart load={load.data} series={series} paints={paints.current} hidden={hidden} lit={lit} onLit={setLit}
              brush={view.brush} onBrush={(b) => view.setBrush(b, load.data)} onClear={view.clearBrush} onZoom={view.zoomToBrush} />
            <Legend series={series} paints={paints.current} hidden={hidden} onToggle={toggle} lit={lit} onLit={setLit} />
          </div>
        )}
      </Panel>
      <Panel title="Top queries" testid="top" flush state={top} reason={top.data?.reason} empty={top.data?.items.length === 0} tools={label}
        emptyText="No statement ran in this window, or none was measured.">
        {top.data && (
          <QueryTable caption="Top queries of the window" testid="top-queries" keyboard list={top.data} sort={parseSort(view.params.get("sort")) ?? { key: "total_time", descending: true }}
            onSort={(s) => view.set({ sort: sortText(s) })} lit={by === "query" ? lit : null} onHover={by === "query" ? setLit : undefined}
            href={(r) => keepTime(`/queries/${r.id}`, view.params, selected)} />
        )}
      </Panel>
    </>
  );
}
