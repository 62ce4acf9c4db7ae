"""Collect, store, ask: counters of a known workload arrive exactly, and the watched server is treated gently."""

import json
import time

from support import SystemTest, cluster, rows_of, server_named, wait_until

from lab import programs

CALLS = 100
ROWS = 1000
PROTECTION = {  # what the collector's session must have: exact value, or a check
    "lock_timeout": lambda v: 0 < int(v) <= 100,
    "statement_timeout": lambda v: 0 < int(v) <= 60_000,
    "jit": lambda v: v == "off",
    "default_transaction_read_only": lambda v: v == "on",
    "search_path": lambda v: v.replace('"', "").replace(" ", "") in ("", "pg_catalog", "pg_catalog,pg_temp"),
    "application_name": lambda v: v.startswith("pganalytics"),
}
SETTINGS_SOURCE = f"""
name: lab.settings
doc: Settings of the session that reads this.
scope: instance
interval: 1s
limits: {{ rows: 50, timeout: 1s }}
from: "(SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ({', '.join(f"'{name}'" for name in PROTECTION)})) s"
columns:
  name:    {{ kind: key, type: text, doc: Setting. }}
  setting: {{ kind: text, doc: Its value. }}
"""


class FirstLight(SystemTest):
    majors = (12, 13, 14, 15, 16, 17, 18)  # what moved is told by a statement of its own: on every version

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        own = cls.directory / "sources"
        own.mkdir()
        (own / "settings.yaml").write_text(SETTINGS_SOURCE)
        cls.watched = cls.server(sources_dir=own)
        cls.clusters = {}
        for major in cls.majors:
            pg = cls.clusters[major] = cluster(major)
            pg.sql("create role counted login")
            cls.addClassCleanup(pg.sql, "drop role counted")
            pg.sql("create database known")
            cls.addClassCleanup(pg.sql, "drop database known" + (" with (force)" if major >= 13 else ""))
            pg.sql("create table numbers (a int primary key, b text); grant all on numbers to counted", database="known")
        cls.collectors = {major: cls.collector(f"collector-{major}", cls.watched, [cls.target(pg, f"pg{major}")], sources_dir=own)
                          for major, pg in cls.clusters.items()}
        for collector in cls.collectors.values():
            collector.wait_pushed()
        # What is counted before the first reading of a table is not known, and databases are first read within some seconds.
        first = "SELECT uniqExact(collector) FROM pganalytics.batches WHERE source = 'postgres.tables' AND database = 'known' AND rows > 0"
        wait_until("the table was read on every server", lambda: cls.watched.engine.value(first) == len(cls.majors), 60, pause=0.2)
        cls.api = cls.watched.login()

    def ids(self):
        for major in self.majors:
            entry = self.eventually(f"pg{major} in the list of servers", lambda m=major: server_named(self.api, f"pg{m}"))
            yield major, self.clusters[major], entry["id"]

    def queries(self, server_id, **more):
        now = int(time.time() * 1000)
        return self.api.get(f"/servers/{server_id}/queries", from_=now - 600_000, to=now + 1000, limit=200, **more)["items"]

    def test_1_every_server_is_fresh_and_names_its_version(self):
        for major, _, _ in self.ids():
            entry = self.eventually(f"pg{major} is fresh", lambda m=major: (e := server_named(self.api, f"pg{m}")) and e["status"] == "fresh" and e)
            self.assertTrue(entry["version"].startswith(f"{major}."), entry["version"])
            self.assertFalse(entry["in_recovery"])

    def test_2_a_hundred_executions_arrive_as_exactly_a_hundred(self):
        for major, pg, server_id in self.ids():
            # Here and below: a busy server is read less often; the number is what is asked for, not how soon it is there.
            self.eventually("the first reading of postgres.statements", lambda i=server_id: self.queries(i), 90)
            session = pg.connect("known", user="counted")
            with session.cursor() as cursor:
                for n in range(CALLS):
                    cursor.execute("select count(*) from numbers where a = %s", (n,))
                for n in range(ROWS):
                    cursor.execute("insert into numbers values (%s, 'x')", (n,))
            session.close()

            def arrived(server_id=server_id):
                found = {q["text"].split()[0].lower(): q for q in self.queries(server_id, user="counted") if q["text"]}
                return {"select", "insert"} <= found.keys() and found["insert"]["calls"] >= ROWS and found
            found = self.eventually(f"the statements of counted on {major}", arrived, 90)
            self.assertEqual(found["select"]["calls"], CALLS)
            self.assertEqual(found["select"]["rows"], CALLS)
            self.assertEqual(found["insert"]["calls"], ROWS)
            self.assertEqual(found["select"]["database"], "known")
            with pg.connect("known", user="counted") as session, session.cursor() as cursor:
                cursor.execute("select count(*) from numbers where a = %s", (1,))
            session.close()
            self.eventually("one more execution is one more", lambda i=server_id: any(
                q["calls"] == CALLS + 1 for q in self.queries(i, user="counted") if (q["text"] or "").startswith("select")), 90)

    def test_3_table_counters_arrive_exactly(self):
        for major, pg, server_id in self.ids():
            def row(server_id=server_id):
                return next((r for r in rows_of(self.api, server_id, "postgres.tables", search="numbers") if r["relname"] == "numbers"), None)
            self.eventually(f"table numbers of {major}", row)
            pg.sql("insert into numbers select i, 'y' from generate_series(10001, 10500) i", database="known")
            want = pg_rows(pg)
            self.eventually(f"{want} inserted rows of {major}", lambda: row()["n_tup_ins"] == want, 90)

    def test_4_one_connection_per_database_and_no_more(self):
        for _, pg, _ in self.ids():
            databases = sorted(r[0] for r in pg.sql("select datname from pg_database where datallowconn and not datistemplate"))
            for _ in range(15):
                held = sorted(r[0] for r in pg.sql("select datname from pg_stat_activity where usename = 'pganalytics'"))
                self.assertEqual(held, databases)
                time.sleep(0.1)

    def test_5_the_collectors_session_has_the_protective_settings(self):
        for major, _, server_id in self.ids():
            settings = self.eventually("the settings of the session", lambda i=server_id: {
                r["name"]: r["setting"] for r in rows_of(self.api, i, "lab.settings")})
            for name, holds in PROTECTION.items():
                self.assertTrue(holds(settings[name]), f"{name} is {settings[name]!r} on {major}")

    def test_6_once_prints_one_reading_as_json(self):
        for major, collector in self.collectors.items():
            done = programs.run("pganalytics-collector", "--config", collector.config, "--once", "--stdout")
            text, batches = done.stdout.strip(), 0
            while text:  # one frame or, where there is much, several
                frame, end = json.JSONDecoder().raw_decode(text)
                batches += len(frame["batches"])
                text = text[end:].lstrip()
            self.assertGreater(batches, 0, f"nothing from {major}")

    def test_7_check_finds_nothing_to_mend(self):
        for collector in self.collectors.values():
            done = programs.run("pganalytics-collector", "--config", collector.config, "--check", check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def pg_rows(pg):
    """What PostgreSQL itself counts as inserted into numbers, once its statistics are written."""
    last = None
    while True:
        time.sleep(0.6)
        now = pg.sql("select n_tup_ins from pg_stat_user_tables where relname = 'numbers'", database="known")[0][0]
        if now == last:
            return now
        last = now
