"""A PgBouncer is watched through its console: queues are seen, counters are right over a restart, and what is wrong is said."""

import json
import threading
import time
import unittest

from support import SystemTest, cluster, postgres

from lab import pgbouncer, programs

SECOND = {f"pgbouncer.{name}": "1s" for name in ("stats", "pools", "clients", "servers", "lists", "databases", "settings")}


@unittest.skipUnless(pgbouncer.available(), "PgBouncer is not installed: ./run setup")
class PgBouncer(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres = cluster(18)
        cls.postgres.sql("create database counted")
        cls.addClassCleanup(cls.postgres.sql, "drop database if exists counted with (force)")
        cls.pooler = pgbouncer.Pgbouncer(cls.postgres, cls.directory / "pgbouncer", pool_size=1).start()
        cls.addClassCleanup(cls.pooler.close)
        cls.pool = pgbouncer.target(cls.pooler, "pool", cls.directory / "secrets")
        cls.watched = cls.server()
        cls.probe = cls.collector("collector", cls.watched, [cls.pool], intervals=SECOND)

    def stored(self, sql):
        return self.watched.engine.query(sql)

    def sum_of(self, column):
        rows = self.stored(f"SELECT toInt64(sum({column})) AS total, toInt64(min({column})) AS least FROM pganalytics.pgbouncer_stats "
                           "WHERE database = 'counted'")
        self.assertGreaterEqual(rows[0]["least"], 0)
        return rows[0]["total"]

    def readings_after(self, moment):
        """Complete readings of the counters that began at least a second after `moment`."""
        return self.stored("SELECT count() AS n FROM pganalytics.batches WHERE source = 'pgbouncer.stats' AND outcome = 0 "
                           f"AND ts > fromUnixTimestamp64Milli({int(moment * 1000) + 1000})")[0]["n"]

    def examine(self, targets):
        probe = programs.Collector(self.directory / f"check{time.monotonic_ns()}", self.watched, targets, token="x")
        done = programs.run("pganalytics-collector", "--config", probe.config, "--check", "--json", check=False)
        return done.returncode, json.loads(done.stdout)["targets"][0]["findings"]

    def transactions(self, count):
        connection = self.pooler.connect("counted")
        try:
            with connection.cursor() as cursor:
                for _ in range(count):
                    cursor.execute("SELECT 1")
        finally:
            connection.close()

    def real(self, column):
        return next((int(row[column]) for row in self.pooler.show("STATS") if row["database"] == "counted"), 0)

    def test_counters_are_the_poolers_own_and_survive_its_restart(self):
        self.eventually("a first reading", lambda: self.readings_after(0))
        self.transactions(50)
        before = self.real("total_xact_count")
        self.assertGreaterEqual(before, 50)
        self.eventually("the increments of the first load", lambda: self.sum_of("transactions") == before)
        self.assertEqual(self.sum_of("sent_bytes"), self.real("total_sent"))

        self.pooler.stop()
        self.eventually("batches that say unreachable", lambda: self.stored(
            "SELECT any(detail) AS detail FROM pganalytics.batches WHERE source = 'pgbouncer.pools' AND outcome = 7")[0]["detail"])
        restarted = time.time()
        self.pooler.start()
        self.eventually("a reading of the new one", lambda: self.readings_after(restarted), 60)
        self.transactions(70)
        after = self.real("total_xact_count")
        self.eventually("the increments of the second load", lambda: self.sum_of("transactions") == before + after)

    def test_clients_that_wait_are_seen_with_how_long(self):
        holder = self.pooler.connect("postgres")
        holder.autocommit = False
        waiting = None
        try:
            holder.cursor().execute("SELECT 1")  # a transaction stays open: the only connection of the pool is taken
            waiter = self.pooler.connect("postgres", application_name="waiter")
            waiting = threading.Thread(target=lambda: waiter.cursor().execute("SELECT 1"))
            waiting.start()
            row = self.eventually("a client that waits for more than two seconds", lambda: self.stored(
                "SELECT database, user, clients_active, clients_waiting, servers_active, wait_max_us FROM pganalytics.pgbouncer_pools "
                "WHERE clients_waiting > 0 AND wait_max_us > 2000000 LIMIT 1"))[0]
            self.assertEqual((row["database"], row["user"], row["clients_active"], row["clients_waiting"], row["servers_active"]),
                             ("postgres", "postgres", 1, 1, 1))
            grouped = self.eventually("the waiting client among the clients", lambda: self.stored(
                "SELECT clients, encrypted FROM pganalytics.pgbouncer_clients WHERE application = 'waiter' AND state = 'waiting' LIMIT 1"))[0]
            self.assertEqual((grouped["clients"], grouped["encrypted"]), (1, 0))
        finally:
            holder.rollback()
            holder.close()
            if waiting is not None:
                waiting.join(30)
                waiter.close()

    def test_settings_are_there_without_what_nobody_should_see(self):
        def settings():
            rows = self.stored("SELECT DISTINCT name, value FROM pganalytics.pgbouncer_settings")
            return {row["name"]: row["value"] for row in rows}
        found = self.eventually("settings", settings)
        self.assertEqual(found["pool_mode"], "transaction")
        for name in ("auth_file", "auth_query", "admin_users", "stats_users"):
            self.assertEqual(found[name], "***", name)

    def test_the_check_names_version_and_sources(self):
        code, findings = self.examine([self.pool])
        self.assertEqual(code, 0, findings)
        self.assertIn("PgBouncer 1.", findings[0]["detail"])
        self.assertTrue(all(f["level"] == "ok" for f in findings), findings)
        self.assertIn("pgbouncer.pools", [f["what"] for f in findings])

    def test_the_check_says_what_is_wrong_and_what_to_do(self):
        wrong = pgbouncer.target(self.pooler, "wrong", self.directory / "secrets", password="not this")
        stranger = {**pgbouncer.target(self.pooler, "stranger", self.directory / "secrets"), "user": "stranger"}
        server = {**self.target(self.postgres, "server"), "kind": "pgbouncer"}
        for key in ("dbname", "databases"):
            server.pop(key)
        for target, reason, mend in ((wrong, "authentication failed", "stats_users"), (stranger, "authentication failed", "stats_users"),
                                     (server, 'database "pgbouncer" does not exist', "")):
            code, findings = self.examine([target])
            self.assertEqual(code, 1)
            self.assertEqual(findings[0]["level"], "missing")
            self.assertIn(reason, findings[0]["detail"])
            self.assertIn(mend, findings[0]["mend"])
            self.assertNotIn("not this", json.dumps(findings))
            self.assertNotIn(postgres.MONITOR_PASSWORD, json.dumps(findings))
