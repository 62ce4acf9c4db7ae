"""How many connections the collector takes, and when it takes none: many databases in turn, a server without any left, a database that is held."""

import pathlib
import re
import tempfile
import time
import unittest

import psycopg2

from support import SystemTest, every_source, machine, postgres, programs

from lab.observer import Observer

DATABASE_SOURCES = ("postgres.tables", "postgres.indexes", "postgres.functions", "postgres.sequences")
PACED = """
name: lab.paced
doc: A row that takes as long to read as the test says.
scope: instance
interval: 300ms
limits: { rows: 10, timeout: 3s }
from: "lab.paced() s"
columns:
  one: { kind: gauge, doc: One. }
"""


class Connections(SystemTest):
    def make(self, name, databases=(), **settings):
        if not postgres.available(18):
            raise unittest.SkipTest("PostgreSQL 18 is not installed: ./run setup --postgres 18")
        pg = postgres.Cluster(18, pathlib.Path(tempfile.mkdtemp(prefix=f"pga-{name}-")), settings).create().start().prepare(databases)
        self.addCleanup(pg.close)
        return pg

    def follower(self, name, pg, intervals, sources_dir=None, **target):
        away = programs.Server(self.directory / f"away-{name}").create()  # every frame stays in the spool
        return self.collector(name, away, [self.target(pg, name, **target)], intervals=intervals, sources_dir=sources_dir)

    def complete(self, collector, source="postgres.tables"):
        """How often a source was read whole, by database."""
        counts = {}
        for batch in collector.spooled.batches(source):
            counts[batch["database"]] = counts.get(batch["database"], 0) + (batch["outcome"] == "complete")
        return counts

    def target_state(self, collector):
        return collector.status()["targets"][0]

    def waiting(self, collector, why):
        """Databases that wait, with that reason. (While the server is asked again, that is the reason.)"""
        return [w["database"] for w in self.target_state(collector)["waiting"] if re.search(why, w["why"])]

    def test_many_databases_share_few_connections_in_turn(self):
        names = [f"d{number:02}" for number in range(24)]
        pg = self.make("turns", names)
        seconds = 6
        with Observer(pg) as seen:
            collector = self.follower("turns", pg, {**every_source("1h"), **dict.fromkeys(DATABASE_SOURCES, f"{seconds}s")}, connections_max=4)
            self.eventually("every database is read", lambda: set(names) <= {d for d, n in self.complete(collector).items() if n}, 60)
            before = self.complete(collector)
            since = time.monotonic()
            self.eventually("and again, three times", lambda: all(self.complete(collector)[d] >= before[d] + 3 for d in names), 60)
            took = time.monotonic() - since
        print(f"[system] connections: 24 databases over 4 connections, three rounds of {seconds} s in {took:.1f} s; {seen.samples} samples, "
              f"at most {seen.connections_max} connections, {max(seen.connections_by_database.values())} of a database", flush=True)
        self.assertEqual(set(seen.connections_by_database.values()), {1})
        self.assertLessEqual(seen.connections_max, 4)
        self.assertLess(took, 3 * seconds + seconds + 3, "each within its interval")
        self.assertEqual((self.target_state(collector)["databases"], self.target_state(collector)["connections_max"]), (25, 4))
        collector.stop()
        # One place for all of them, and a second for each to be read in: somebody always waits.
        hurried = self.follower("hurried", pg, dict.fromkeys(DATABASE_SOURCES, "1s"), connections_max=2)
        self.eventually("who waits says why", lambda: self.waiting(hurried, "connections_max of the target is 2"), 30)
        hurried.stop()

    def fill(self, pg, user="postgres", leave=0):
        """Takes every connection that `user` can get but some."""
        taken = []
        try:
            while len(taken) < 200:
                taken.append(pg.connect(user=user, application="application"))
        except psycopg2.OperationalError as error:
            self.assertIn("connection", str(error))
        for connection in taken[len(taken) - leave:] if leave else ():
            connection.close()
        kept = taken[:len(taken) - leave] if leave else taken
        self.eventually("the server has the others back", lambda: pg.sql(
            "select count(*) from pg_stat_activity where application_name = 'application'") == [(len(kept),)])
        return kept

    def test_nothing_is_opened_when_few_connections_are_left(self):
        pg = self.make("few", ["one", "two"], max_connections="20", superuser_reserved_connections="3")
        pg.sql("create role app login")
        taken = self.fill(pg, "app", leave=3)
        collector = self.follower("few", pg, dict.fromkeys((*DATABASE_SOURCES, "postgres.activity"), "1s"))
        self.eventually("the others wait, and say why", lambda: len(self.waiting(collector, "of 20 connections of the server [0-3] are left for everybody")) == 2, 30)
        self.eventually("the main one reads", lambda: self.complete(collector).get("", 0) + self.complete(collector).get("postgres", 0) > 2)
        refused = self.eventually("the reason travels", lambda: [b for b in collector.spooled.batches("postgres.tables") if b["sqlstate"] == "53300"])
        self.assertEqual({b["outcome"] for b in refused}, {"error"})
        self.assertEqual(self.target_state(collector)["connections"], 1)
        for connection in taken:
            connection.close()
        self.eventually("then they are read", lambda: all(self.complete(collector).get(d) for d in ("one", "two")))
        collector.stop()

    def test_a_full_server_is_asked_with_patience_and_reserved_connections_are_used(self):
        pg = self.make("full", ["one"], max_connections="20", reserved_connections="3", log_connections="on", log_line_prefix="role=%u ")
        pg.sql("create role app login")
        taken = self.fill(pg, "app")
        collector = self.follower("full", pg, {"postgres.activity": "1s", "postgres.tables": "1s"})
        refused = self.eventually("it is refused", lambda: [b for b in collector.spooled.batches("postgres.activity") if b["sqlstate"] == "53300"])
        self.assertEqual({b["outcome"] for b in refused}, {"unreachable"})
        self.assertIn("pg_use_reserved_connections", refused[0]["detail"])
        self.assertNotIn("LOCATION", refused[0]["detail"])
        time.sleep(10)  # in which an impatient one would have tried more often
        tries = (pg.directory / "log").read_text().count(f"role={postgres.MONITOR} FATAL:  remaining connection slots are reserved")
        self.assertLessEqual(tries, 4)
        self.assertGreaterEqual(tries, 1)
        superuser = pg.connect()
        with superuser.cursor() as cursor:
            cursor.execute(f"grant pg_use_reserved_connections to {postgres.MONITOR}")
        self.eventually("a reserved one is used", lambda: any(b["outcome"] == "complete" for b in collector.spooled.batches("postgres.activity")), 70)
        self.eventually("it says so", lambda: self.target_state(collector)["connections"] == 1)  # after the frame was written
        self.eventually("and no second one", lambda: self.target_state(collector)["waiting"], 70)  # databases are listed once a minute
        superuser.close()
        for connection in taken:
            connection.close()
        self.eventually("then every database is read", lambda: self.complete(collector).get("one"), 40)
        collector.stop()

    def test_a_database_that_is_held_is_not_connected_to(self):
        pg = self.make("held", ["one", "two"], autovacuum="off")  # a worker of it would wait behind the lock
        holder = pg.connect()
        holder.autocommit = False
        holder.cursor().execute("alter database one rename to other")
        collector = self.follower("held", pg, dict.fromkeys(DATABASE_SOURCES, "1s"))
        self.eventually("the other one is read", lambda: self.complete(collector).get("two", 0) > 2)
        self.assertEqual(self.eventually("it says why", lambda: self.waiting(collector, "ACCESS EXCLUSIVE")), ["one"])
        self.assertEqual(pg.sql("select count(*) from pg_locks where not granted"), [(0,)], "nobody waits behind it")
        holder.rollback()
        holder.close()
        self.eventually("then it is read", lambda: self.complete(collector).get("one"))
        collector.stop()

    def test_what_becomes_a_strain_is_read_less_often_and_then_as_often_again(self):
        pg = self.make("strain")
        pg.sql("create schema lab")
        pg.sql("create table lab.pace (seconds float8)")
        pg.sql("insert into lab.pace values (0)")
        pg.sql("create function lab.paced() returns table (one bigint) language sql stable as "
               "'select 1::bigint from (select pg_sleep(seconds) from lab.pace offset 0) s'")
        pg.sql(f"grant usage on schema lab to {postgres.MONITOR}; grant select on lab.pace to {postgres.MONITOR}")
        own = self.directory / "paced"
        own.mkdir()
        (own / "paced.yaml").write_text(PACED)
        collector = self.follower("strain", pg, {**every_source("1h"), "lab.paced": "300ms"}, sources_dir=own)
        self.eventually("it is read", lambda: len(collector.spooled.batches("lab.paced")) > 10)

        def stretched():
            return [s for s in self.target_state(collector)["stretched"] if s["sources"] == "lab.paced"]

        self.eventually("it is read as often as it is to be", lambda: not stretched())
        pg.sql("update lab.pace set seconds = 1.5")
        slow = self.eventually("it is read less often", lambda: (s := stretched()) and s[0]["interval_ms"] >= 2 * 300 and "as usual" in s[0]["why"] and s, 30)
        self.assertEqual(slow[0]["usual_interval_ms"], 300)
        pg.sql("update lab.pace set seconds = 60")
        self.eventually("it does not end in time", lambda: (s := stretched()) and "did not end in time" in s[0]["why"], 60)
        pg.sql("update lab.pace set seconds = 0")
        self.eventually("it is read as often again", lambda: not stretched(), 60)
        self.assertIn("instead of every 300 ms", collector.log())
        self.assertIn("lab.paced: is read every 300 ms again", collector.log())
        collector.stop()


class ManyTargets(SystemTest):
    """One collector for a fleet."""

    def test_fifty_servers_cost_little_memory_and_few_connections(self):
        if not postgres.available(18):
            raise unittest.SkipTest("PostgreSQL 18 is not installed: ./run setup --postgres 18")
        pg = postgres.Cluster(18, pathlib.Path(tempfile.mkdtemp(prefix="pga-fleet-")), {"max_connections": "300"}).create().start()
        self.addCleanup(pg.close)
        pg.prepare([f"d{number}" for number in range(4)])
        # One server under fifty names: what it costs the collector is the same, the machine has memory for one.
        targets = [self.target(pg, f"server-{number}", connections_max=3) for number in range(50)]
        away = programs.Server(self.directory / "away").create()
        with Observer(pg) as seen:
            collector = self.collector("fleet", away, targets, intervals={}, ship_interval="5s")

            def read():
                return {(str(b["target"]), b["database"]) for b in collector.spooled.batches("postgres.tables") if b["outcome"] == "complete"}

            self.eventually("every database of every server is read", lambda: len(read()) == 50 * 5, 120)
            self.eventually("for a while", lambda: collector.status()["sequence"] > 12, 120)
        peak = machine.peak_kib(collector.child.pid)
        print(f"[system] fleet: 50 targets of 5 databases: peak {peak / 1024:.1f} MiB, {seen.connections_max} connections", flush=True)
        self.assertLessEqual(seen.connections_max, 150)
        self.assertLess(peak, 128 * 1024)
        self.assertEqual({(s["databases"], s["connections"] <= 3) for s in collector.status()["targets"]}, {(5, True)})
        collector.stop()
