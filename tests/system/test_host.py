"""The machine beside the database: what each backend uses is told as the server's, joined to its sessions by process id."""

from support import SystemTest, cluster

SECOND = {name: "1s" for name in ("host.backends", "host.cpu", "host.memory", "host.disks", "host.network", "host.tcp", "host.paging",
                                  "host.system", "host.settings", "postgres.activity", "collector.self", "collector.targets")}


class Host(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.postgres = cluster(18)
        over_tcp = cls.target(cls.postgres, "tcp")
        over_socket = {**cls.target(cluster(15), "socket"), "host": str(cluster(15).directory)}
        cls.watched = cls.server()
        cls.probe = cls.collector("collector", cls.watched, [over_tcp, over_socket], host=True, intervals=SECOND)

    def stored(self, sql):
        return self.watched.engine.query(sql)

    def test_a_busy_backend_is_seen_with_its_processor_time_beside_its_session(self):
        connection = self.postgres.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pid = cursor.fetchone()[0]
                self.eventually("the backend", lambda: self.stored(f"SELECT 1 FROM pganalytics.host_backends WHERE pid = {pid}"))
                cursor.execute("SELECT count(*) FROM generate_series(1, 5000000) g WHERE sqrt(g) > 3")
            row = self.eventually("its processor time", lambda: self.stored(
                f"SELECT server, toInt64(cpu_ns) AS cpu_ns, type, toInt64(rss_bytes) AS rss_bytes FROM pganalytics.host_backends "
                f"WHERE pid = {pid} AND cpu_ns > 100000000 LIMIT 1"))[0]
            self.assertEqual(row["type"], "client backend")
            self.assertGreater(row["rss_bytes"], 1_000_000)
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")  # a session that does nothing at all is no sample
                cursor.execute("SELECT 1")
            session = self.eventually("its session", lambda: self.stored(
                f"SELECT DISTINCT server FROM pganalytics.postgres_activity WHERE pid = {pid}"))
            self.assertEqual([s["server"] for s in session], [row["server"]])
        finally:
            connection.close()

    def test_processes_of_both_servers_are_seen_however_they_are_reached(self):
        wanted = {"postmaster", "checkpointer", "background writer", "walwriter", "client backend"}

        def types():
            rows = self.stored("SELECT server, groupUniqArray(type) AS types FROM pganalytics.host_backends GROUP BY server")
            self.assertEqual([wanted - set(row["types"]) for row in rows], [set(), set()])
            return True
        self.eventually("processes of every type of two servers", types)

    def test_every_reading_of_the_machine_is_complete_or_says_why_not(self):
        everywhere = {"host.cpu", "host.memory", "host.disks", "host.network", "host.tcp", "host.paging", "host.system", "host.settings",
                      "host.backends", "host.cores", "host.filesystems"}

        def sources():
            rows = self.stored("SELECT source, groupUniqArray(outcome) AS outcomes, any(detail) AS detail FROM pganalytics.batches "
                               "WHERE source LIKE 'host.%' GROUP BY source")
            found = {row["source"]: row for row in rows}
            return found if len(found) >= 13 and everywhere <= found.keys() else None
        found = self.eventually("readings of every source of the machine", sources, 90)
        for name in sorted(everywhere):
            self.assertEqual(found[name]["outcomes"], [0], found[name])
        for name, row in found.items():
            self.assertTrue(row["outcomes"] == [0] or row["detail"], name)

    def test_the_machines_settings_are_objects_that_are_told_once(self):
        rows = self.eventually("the settings", lambda: self.stored(
            "SELECT name, value, change, count() AS times FROM pganalytics.host_settings GROUP BY name, value, change"))
        self.assertIn("kernel.release", {row["name"] for row in rows})
        self.eventually("a later reading of them", lambda: self.stored(
            "SELECT count() AS n FROM pganalytics.batches WHERE source = 'host.settings'")[0]["n"] > 2)
        again = self.stored("SELECT max(times) AS most FROM (SELECT name, count() AS times FROM pganalytics.host_settings "
                            "WHERE change = 'present' GROUP BY name)")
        self.assertEqual(again[0]["most"], 1)

    def test_the_cost_of_each_target_is_told(self):
        def costs():
            rows = self.stored("SELECT target, kind, toInt64(sum(statements)) AS statements, toInt64(sum(statement_time_us)) AS us, "
                               "toInt64(sum(complete)) AS complete, max(abs(clock_ahead_us)) AS skew FROM pganalytics.collector_targets GROUP BY target, kind")
            found = {(row["target"], row["kind"]): row for row in rows}
            tcp, over_socket = found["tcp", "postgres"], found["socket", "postgres"]
            told = tcp["statements"] > 0 and tcp["us"] > 0 and over_socket["complete"] > 0 and {"host", "collector"} <= {kind for _, kind in found}
            return found if told else None
        found = self.eventually("costs of the machine, the collector and both servers", costs)
        self.assertLess(int(found["tcp", "postgres"]["skew"]), 5_000_000)  # the same clock, asked on a busy machine
