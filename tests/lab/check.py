"""What a run of the demo proves: everything declared arrived, once, cheaply, and every page has data."""

import time

from lab import machine, postgres, shop, store
from lab.api import ApiError
from lab.stack import INTERVALS

RSS_KIB_MAX = 20 * 1024
SETTLE_SECONDS = 30
# Extensions that these servers do not have, a view of version 19, and what is asked for only where a person says so.
NEVER_THERE = ("postgres.kcache", "postgres.qualstats", "postgres.wait_sampling", "postgres.lock_waits", "postgres.plans")
LOAD_KEYS = ("wait_class", "wait_event", "query", "database", "user", "application", "client")


def now_ms():
    return int(time.time() * 1000)


class Report:
    """Watches a running stack from start to finish(), which stops the pushing and returns the figures."""

    def __init__(self, stack):
        self.stack = stack
        self.api = stack.server.login()
        self.failures = []
        self.begun = time.monotonic()
        self.begun_ms = now_ms()
        self.sql_before = self._own_statements()
        self.cpu_before = {name: machine.cpu_seconds(c.child.pid) for name, c in stack.collectors.items()}
        self.rss_kib = dict.fromkeys(stack.collectors, 0)
        self.connections = {}          # database -> most connections of the collector seen at once

    def _own_statements(self):
        """(statements, milliseconds) that the collector has cost the primary so far."""
        return self.stack.primary.sql(
            "select coalesce(sum(calls), 0)::float8, coalesce(sum(total_exec_time), 0)::float8 from pg_stat_statements s "
            "join pg_roles r on r.oid = s.userid where rolname = %s", (postgres.MONITOR,))[0]

    def tick(self):
        """About once a second: what can only be seen while it runs."""
        for name, collector in self.stack.collectors.items():
            self.rss_kib[name] = max(self.rss_kib[name], machine.resident_kib(collector.child.pid))
        for database, count in self.stack.primary.sql(
                "select datname, count(*) from pg_stat_activity where usename = %s and datname is not null group by 1", (postgres.MONITOR,)):
            self.connections[database] = max(self.connections.get(database, 0), count)

    def expect(self, condition, text):
        if not condition:
            self.failures.append(text)

    def finish(self):
        minutes = (time.monotonic() - self.begun) / 60
        statements, milliseconds = (b - a for a, b in zip(self.sql_before, self._own_statements()))
        cpu_ms = {name: 1000 * (machine.cpu_seconds(c.child.pid) - self.cpu_before[name]) / minutes
                  for name, c in self.stack.collectors.items()}
        self.stack.stop_pushing()
        status = {name: c.status() for name, c in self.stack.collectors.items()}
        acked = sum(s["rows_acked"] for s in status.values())
        stored = self._settled(acked)
        sources = self._sources()
        self._pages()
        visible = self._problems()
        for name, s in status.items():
            self.expect(s["spool_records"] == 0, f"collector {name} stopped with {s['spool_records']} records in its spool")
            self.expect(self.rss_kib[name] <= RSS_KIB_MAX, f"collector {name} used {self.rss_kib[name]} KiB of memory, at most {RSS_KIB_MAX}")
        self.expect(stored == acked, f"{acked} rows acknowledged, {stored} in the store")
        refused = store.rows_refused(self.stack.server.engine)
        self.expect(not refused, f"{refused} rows acknowledged and then refused by the store")
        twice = store.doubled(self.stack.server.engine)
        self.expect(not twice, f"rows stored twice: {twice}")
        for database, count in self.connections.items():
            self.expect(count == 1, f"the collector held {count} connections to database {database!r}")
        databases = [row[0] for row in self.stack.primary.sql("select datname from pg_database where datallowconn and not datistemplate")]
        self.expect(sorted(self.connections) == sorted(databases), f"the collector was seen in databases {sorted(self.connections)}, there are {sorted(databases)}")
        return {
            "seconds": round(minutes * 60, 1),
            "intervals": INTERVALS,
            "sources": sources,
            "rows_acked": acked,
            "rows_stored": stored,
            "bytes_pushed": sum(s["bytes_pushed"] for s in status.values()),
            "frames_acked": sum(s["frames_acked"] for s in status.values()),
            "push_ms_p50": max(s["push_ms_p50"] for s in status.values()),
            "push_ms_p99": max(s["push_ms_p99"] for s in status.values()),
            "collector_rss_kib": max(self.rss_kib.values()),
            "collector_cpu_ms_per_minute": round(cpu_ms["primary"], 1),
            "statements_per_minute": round(statements / minutes, 1),
            "postgres_ms_per_minute": round(milliseconds / minutes, 1),
            "connections_per_database": max(self.connections.values(), default=0),
            "problems_planted": list(shop.PROBLEMS),
            "problems_visible": visible,
            "failures": self.failures,
        }

    def _settled(self, acked):
        """Rows in the store, once they stay equal to what was acknowledged or the time for that is over."""
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            stored = store.rows_kept(self.stack.server.engine)
            if stored >= acked or time.monotonic() > end:
                return stored
            time.sleep(0.25)

    def _sources(self):
        """Per declared source the readings of both collectors; a collector to which it applies must have delivered."""
        declared = self.api.get("/sources")["sources"]
        servers = self.api.get("/servers", from_=self.begun_ms - 60_000, to=now_ms())["servers"]
        names = {s["collector"]["id"]: s["name"] for s in servers if s["name"] in self.stack.collectors}
        self.expect(len(names) == 2, f"the API names servers {[s['name'] for s in servers]} with collectors {names}, not primary and standby")
        seen = {(names.get(b["collector"], b["collector"]), b["source"]): b for b in store.batches(self.stack.server.engine)}
        result = []
        for source in declared:
            if source["scope"] == "pooler":
                continue  # test_pgbouncer has one
            found = {name: seen.get((name, source["name"])) for name in self.stack.collectors}
            for name, batch in found.items():
                of_machine = source["scope"] in ("host", "processes")
                if of_machine and name == "standby":
                    self.expect(batch is None, f"the standby's collector read {source['name']}, but host is off there")
                elif batch is None:
                    self.failures.append(f"{source['name']}: nothing at all from collector {name}")
                elif batch["complete"] == 0:
                    # Not every machine has control groups of version 2, or measures pressure.
                    absent = (of_machine or name == "standby" or source["name"] in NEVER_THERE) and all(outcome == "absent" for outcome, _ in batch["outcomes"])
                    self.expect(absent, f"{source['name']}: no complete batch from collector {name}: {batch['outcomes']}")
            there = [b for b in found.values() if b]
            result.append({"name": source["name"], **{key: sum(b[key] for b in there) for key in ("batches", "complete", "rows")},
                           "collectors": {name: b and {k: b[k] for k in ("batches", "complete", "rows")} for name, b in found.items()}})
        return result

    def _window(self):
        return {"from_": self.begun_ms, "to": now_ms()}

    def _server(self, name):
        for server in self.api.get("/servers", **self._window())["servers"]:
            if server["name"] == name:
                return server
        self.failures.append(f"page fleet: there is no server {name}")
        return None

    def _pages(self):
        """Every page's API answers with data."""
        for name in self.stack.collectors:
            server = self._server(name)
            if server is None:
                continue
            path = f"/servers/{server['id']}"
            self.expect(any(v is not None for v in (server.get("load") or {}).get("values", [])), f"page fleet: {name} has no load")
            self._page("server", path, lambda a: a["sources"] and a["databases"])
            for by in LOAD_KEYS:
                # A standby without sessions has nothing to show, and says so.
                self._page(f"load by {by}", f"{path}/load", lambda a: a["series"] or (name == "standby" and a["reason"]), by=by, points=60)
            queries = self._page("queries", f"{path}/queries", lambda a: a["items"], order="total_time", limit=50)
            for item in (queries or {}).get("items", [])[:3]:
                self._page("query", f"/queries/{item['id']}", lambda a: a["t"] and any(v for v in a["series"]["calls_per_second"]))
            for noun in ("databases", "tables", "indexes"):
                self._page(noun, f"{path}/{noun}", lambda a: a["rows"])
            for source in self.api.get("/sources")["sources"]:
                if source["scope"] in ("instance", "database"):
                    self._page(source["name"], f"{path}/sources/{source['name']}", lambda a: a["rows"] or a["reason"])
        self._page("collectors", "/collectors", lambda a: len(a["items"]) == 2)
        self._page("session", "/session", lambda a: a["user"]["role"])

    def _page(self, page, path, has_data, **parameters):
        window = {} if path in ("/collectors", "/session") else self._window()
        try:
            answer = self.api.get(path, **window, **parameters)
            if not has_data(answer):
                self.failures.append(f"page {page} ({path}) answers without data: reason {answer.get('reason')!r}")
            return answer
        except (ApiError, OSError, KeyError, TypeError, ValueError) as error:
            self.failures.append(f"page {page}: {type(error).__name__} {error}")
            return None

    def _problems(self):
        """Which of the planted problems a person would see through the API."""
        server = self._server("primary")
        if server is None:
            return []
        looks = {"lock_pile_up": self._lock_visible, "slow_statement": self._slow_visible, "bloat": self._bloat_visible}
        visible = []
        for name, look in looks.items():
            try:
                if look(f"/servers/{server['id']}"):
                    visible.append(name)
            except (ApiError, KeyError, TypeError, ValueError) as error:
                self.failures.append(f"problem {name}: {type(error).__name__} {error}")
        return visible

    def _lock_visible(self, path):
        load = self.api.get(f"{path}/load", **self._window(), by="wait_class", points=60)
        return any(series["key"] == "Lock" and max(v or 0 for v in series["values"]) >= 1 for series in load["series"])

    def _slow_visible(self, path):
        end = now_ms()
        half = (end - self.begun_ms) // 2      # the index was dropped half way through
        rows = self.api.get(f"{path}/queries", from_=end - half, to=end, compare_from=self.begun_ms, compare_to=end - half,
                            search=shop.SLOW_SEARCH, limit=50)["items"]
        return any("select id, state, shipped" in (row["text"] or "") and row["compare"] and
                   (row["mean_time_ms"] or 0) > 3 * (row["compare"]["mean_time_ms"] or float("inf")) for row in rows)

    def _bloat_visible(self, path):
        tables = self.api.get(f"{path}/tables", **self._window(), search=shop.BLOATED_TABLE, limit=10)
        names = [column["name"] for column in tables["source"]["columns"]]
        dead = next(i for i, name in enumerate(names) if "dead" in name)
        return any(shop.BLOATED_TABLE in map(str, row) and int(row[dead] or 0) > 500 for row in tables["rows"])


def show(result, say):
    """The figures and the verdict, for a person."""
    say(f"{'source':28} {'readings':>9} {'complete':>9} {'rows':>9}")
    for source in result["sources"]:
        say(f"{source['name']:28} {source['batches']:9,} {source['complete']:9,} {source['rows']:9,}")
    say(f"rows acknowledged {result['rows_acked']:,}, in the store {result['rows_stored']:,}; {result['bytes_pushed']:,} bytes in {result['frames_acked']:,} pushes, "
        f"p50 {result['push_ms_p50']} ms, p99 {result['push_ms_p99']} ms")
    say(f"collector: {result['collector_rss_kib'] / 1024:.1f} MiB, {result['collector_cpu_ms_per_minute']} ms CPU a minute; PostgreSQL: "
        f"{result['statements_per_minute']} statements, {result['postgres_ms_per_minute']} ms a minute")
    say(f"planted problems visible: {', '.join(result['problems_visible']) or 'none'} (of {len(result['problems_planted'])})")
    for failure in result["failures"]:
        say(f"FAILED {failure}")
    if not result["failures"]:
        say("everything declared arrived, once, and every page has data")
