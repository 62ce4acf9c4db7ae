"""Plans of slow statements are explained where a person allowed it, once, in their own database and schema, and without their constants."""

import json
import types

from support import FAST, SystemTest, cluster, postgres

from lab.spooled import rows_of

SCHEMA = """
create schema shop;
create table shop.things (id int primary key, name text, made date);
insert into shop.things select i, 'thing ' || i, date '2020-01-01' + i from generate_series(1, 2000) i;
create table shop.hidden (a int);
analyze;
grant usage on schema shop to {monitor};
grant select, update on shop.things to {monitor};
grant all on all tables in schema shop to app;
grant usage on schema shop to app;
"""
SLOW = "select id, pg_sleep(0.03) from things where name = 'canary' or id = 3 and id < 70717273 and made > date '2020-01-01' - interval '1 day'"
DENIED = "select pg_sleep(0.03) from hidden where a = 1 union all select pg_sleep(0.03)"
WRITING = "update things set name = 'canary' where id = 3 and name in (select name from things, pg_sleep(0.03))"
UTILITY = "create table shop.made as select 'canary' as secret from pg_sleep(0.03)"


class Plans(SystemTest):
    majors = (12, 15, 16, 18)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clusters = {major: cluster(major) for major in cls.majors}
        for pg in cls.clusters.values():
            pg.sql("create role app login")
            pg.sql("create database planned")
            cls.addClassCleanup(pg.sql, "drop role app")
            cls.addClassCleanup(pg.sql, "drop database planned with (force)" if pg.major > 12 else "drop database planned")
            pg.sql(SCHEMA.format(monitor=postgres.MONITOR), database="planned")
            pg.sql("alter role app in database planned set search_path = shop, public")
            cls.addClassCleanup(pg.sql, "select pg_stat_statements_reset()")
            pg.sql("select pg_stat_statements_reset()")  # on a busy machine what made the schema would be slow statements, too
        for pg in cls.clusters.values():
            with pg.connect("planned", user="app") as session, session.cursor() as cursor:
                for text in (SLOW, DENIED, WRITING):
                    cursor.execute(text)
            session.close()
            pg.sql(UTILITY, database="planned")

    def started(self, pg, **more):
        """A collector that cannot send, so that everything waits in its spool."""
        nowhere = types.SimpleNamespace(address="127.0.0.1", collectors_port=1)
        return self.collector(f"collector-{pg.major}-{self.id()}", nowhere, [self.target(pg, f"pg{pg.major}", databases=["planned"], **more)], token="none",
                              intervals={**FAST, "postgres.plans": "1s"})

    @staticmethod
    def spooled(collector, source="postgres.plans"):
        """Batches of the source and the database in the spool, and their rows as dictionaries."""
        batches = [batch for batch in collector.spooled.batches(source) if batch.get("database") == "planned"]
        return batches, [row for batch in batches for row in rows_of(batch)]

    def test_1_slow_statements_have_their_plans(self):
        for major, pg in self.clusters.items():
            collector = self.started(pg, explain=True)

            def denied(batches):
                """No right to read the hidden table: counted by SQLSTATE, never with a text."""
                return any("not explained: 1 for 42501" in batch.get("detail", "") for batch in batches)

            def explained(collector=collector):
                batches, rows = self.spooled(collector)
                nodes = {json.loads(row["plan"])["node"] for row in rows}
                return {"Seq Scan", "Update"} <= nodes and denied(batches) and (batches, rows)
            batches, rows = self.eventually(f"the plans of {major}", explained)
            said = json.dumps([batches, rows], default=repr)
            for secret in ("canary", "70717273", "hidden", "made as"):
                self.assertNotIn(secret, said)
            ids = {row[0] for row in pg.sql("select queryid from pg_stat_statements")}
            for row in rows:
                self.assertIn(row["queryid"], ids)
                self.assertEqual(row["origin"], "explain")
            self.assertEqual(len(rows), len({(row["queryid"], row["plan_fingerprint"]) for row in rows}))
            self.assertTrue(denied(batches), [b.get("detail") for b in batches])
            scan = next(plan for plan in map(lambda row: json.loads(row["plan"]), rows) if plan["node"] == "Seq Scan")
            self.assertEqual(scan["relation"], "things")
            self.assertIn("name = $", scan["filter"])

    def test_2_nothing_is_executed_and_nothing_is_left_behind(self):
        for pg in self.clusters.values():
            calls = pg.sql("select query, calls from pg_stat_statements where query like 'select id, pg_sleep%'")
            self.assertEqual([n for _, n in calls], [1], (pg.major, calls))
            self.eventually("no transaction of ours is open", lambda pg=pg: not pg.sql(
                "select 1 from pg_stat_activity where usename = 'pganalytics' and state <> 'idle'"))

    def test_3_without_leave_nothing_is_explained(self):
        collector = self.started(self.clusters[18])
        self.eventually("other sources are read", lambda: len(self.spooled(collector, "postgres.tables")[0]) > 2)
        batches, rows = self.eventually("it is said why", lambda: (found := self.spooled(collector))[0] and found)
        self.assertEqual(rows, [])
        self.assertEqual({(batch["outcome"], batch["detail"]) for batch in batches},
                         {("absent", 'plans are asked for only where "explain: true" stands for the target')})

    def test_4_a_relation_that_is_locked_is_not_waited_for(self):
        pg = self.clusters[18]
        holder = pg.connect("planned")
        self.addCleanup(holder.close)
        holder.autocommit = False
        with holder.cursor() as cursor:
            cursor.execute("lock table shop.things in access exclusive mode")
            collector = self.started(pg, explain=True)

            def left():
                """More readings since the first that says so, and what all of them brought."""
                batches, rows = self.spooled(collector)
                said = [number for number, batch in enumerate(batches) if "locked exclusively" in batch.get("detail", "")]
                return said and len(batches) > said[0] + 2 and (batches, rows)
            _, rows = self.eventually("it is left for later", left)
        self.assertEqual(rows, [])
