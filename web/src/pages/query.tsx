import { Link } from "wouter";
import type { QueryDetail } from "../api/schema";
import { useStatement } from "../api/queries";
import { LineChart } from "../components/line-chart";
import { Num } from "../components/num";
import { paintColor } from "../components/paint";
import { Blank, Panel } from "../components/panel";
import { SqlText } from "../components/sql-text";
import { bytes, count, duration, exact, milliseconds, percent, rate } from "../lib/format";
import { waitPaint } from "../lib/palette";
import { resolve } from "../lib/range";
import { visible } from "../lib/text";
import { useTitle } from "../state/hooks";
import { useTheme } from "../state/theme";
import { drivenRange, keepTime, useView } from "../state/view";

const POINTS = 150;

/** One statement: text, figures, series, waits. */
export function QueryPage({ id }: { id: string }) {
  const view = useView();
  const query = useStatement(id, drivenRange(view), POINTS);
  const q = query.data;
  useTitle(q ? `Query ${q.queryid}` : "Query", q?.server.name);
  return (
    <>
      <div className="head">
        <h1>
          <Link className="crumb" href={keepTime("/", view.params)}>Fleet</Link> <span className="crumb">/</span>{" "}
          {q && <><Link className="crumb" href={keepTime(`/servers/${q.server.id}`, view.params)}><bdi>{visible(q.server.name)}</bdi></Link> <span className="crumb">/</span>{" "}
            <Link className="crumb" href={keepTime(`/servers/${q.server.id}/queries`, view.params)}>Queries</Link> <span className="crumb">/</span> <span className="mono" data-testid="queryid">{q.queryid}</span></>}
        </h1>
      </div>
      <div className="two">
        <Panel title="Statement" testid="statement" state={query} empty={q?.text === null} reason={q?.text === null ? "The text of this statement has not arrived. It is sent once, when the statement is first seen." : null}>
          {q?.text != null && <SqlText text={q.text} />}
        </Panel>
        <Panel title="In this window" state={query}>{q && <Figures q={q} />}</Panel>
      </div>
      <Panel title="Over time" testid="series" state={query} empty={q !== undefined && q.t.length === 0} reason={q?.reason} emptyText="The statement did not run in this window.">{q && <Series q={q} view={view} />}</Panel>
      <Panel title="What it waited for" testid="waits" state={query} empty={q?.waits.length === 0} emptyText="No sample met a session that was running this statement. Samples are taken once a second, so short statements are met seldom.">
        {q && <Waits waits={q.waits} />}
      </Panel>
    </>
  );
}

function Figures({ q }: { q: QueryDetail }) {
  const t = q.totals;
  return (
    <dl className="pairs">
      <dt>Total time</dt><dd><Num value={t.total_time_seconds} as={duration} unit="seconds" /> <span className="muted">({percent(t.share)} of all statements)</span></dd>
      <dt>Calls</dt><dd><Num value={t.calls} as={count} /> <span className="muted">({rate(t.calls_per_second)})</span></dd>
      <dt>Mean time</dt><dd><Num value={t.mean_time_ms} as={milliseconds} unit="ms" /></dd>
      <dt>Rows</dt><dd><Num value={t.rows} as={count} /> <span className="muted">({count(t.rows_per_call)} per call)</span></dd>
      <dt>Blocks read</dt><dd title={`${exact(t.shared_blks_read)} blocks`}>{bytes(t.shared_blks_read * 8192)} <span className="muted">({percent(hitRatio(t.shared_blks_hit, t.shared_blks_read))} found in shared buffers)</span></dd>
      <dt>Temp written</dt><dd title={`${exact(t.temp_blks_written)} blocks`}>{bytes(t.temp_blks_written * 8192)}</dd>
      <dt>WAL</dt><dd><Num value={t.wal_bytes} as={bytes} unit="bytes" /></dd>
      <dt>Active sessions</dt><dd><Num value={t.load} as={count} /></dd>
      <dt>Database, user</dt><dd><bdi>{q.database === null ? "–" : visible(q.database)}</bdi>, <bdi>{q.user === null ? "–" : visible(q.user)}</bdi></dd>
      <dt>Query id</dt><dd className="mono">{q.queryid}</dd>
      <dt>Fingerprint</dt><dd className="mono" title="The same statement has the same fingerprint on every server">{q.fingerprint ?? "–"}</dd>
    </dl>
  );
}

const hitRatio = (hit: number, read: number): number | null => (hit + read > 0 ? hit / (hit + read) : null);

function Series({ q, view }: { q: QueryDetail; view: ReturnType<typeof useView> }) {
  const w = resolve(drivenRange(view), Date.now());
  const step = q.step_seconds * 1000;
  const first = q.t[0] ?? w.from;
  const last = (q.t[q.t.length - 1] ?? w.to) + step;
  const shared = { from: Math.min(first, Math.max(w.from, first - step)), to: Math.max(last, w.from + step), step, t: q.t };
  const s = q.series;
  const blocks = (values: (number | null)[]) => values.map((v) => (v === null ? null : v * 8192));
  return (
    <div className="smalls">
      <LineChart {...shared} title="Execution time per second" values={s.load_seconds_per_second} format={(v) => `${count(v)} s/s`} token="--wait-lwlock" />
      <LineChart {...shared} title="Mean time" values={s.mean_time_ms} format={milliseconds} token="--cat-6" sparse />
      <LineChart {...shared} title="Calls" values={s.calls_per_second} format={rate} />
      <LineChart {...shared} title="Rows" values={s.rows_per_second} format={rate} token="--wait-ipc" />
      <LineChart {...shared} title="Blocks read" values={blocks(s.shared_blks_read_per_second)} format={(v) => `${bytes(v)}/s`} token="--wait-io" binary />
      <LineChart {...shared} title="WAL" values={s.wal_bytes_per_second} format={(v) => `${bytes(v)}/s`} token="--wait-client" binary />
    </div>
  );
}

function Waits({ waits }: { waits: QueryDetail["waits"] }) {
  useTheme(); // colours are read again when it changes
  const max = Math.max(...waits.map((w) => w.mean), 1e-9);
  return (
    <ul className="waits">
      {waits.map((w) => (
        <li key={w.key}>
          <span className="clip" title={w.label}>{visible(w.label)}</span>
          <span className="track"><i style={{ width: `${(w.mean / max) * 100}%`, background: paintColor(waitPaint(w.key)) }} /></span>
          <span className="num"><Num value={w.mean} as={count} unit="active sessions" /></span>
        </li>
      ))}
    </ul>
  );
}

export function MissingPage() {
  useTitle("Not found");
  return (
    <section className="panel">
      <Blank title="There is no such page" text="The address may be cut short."><Link className="button" href="/">Fleet</Link></Blank>
    </section>
  );
}
