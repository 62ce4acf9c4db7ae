"""What servers write to their logs arrives by class, with its numbers and without its literals, from files and over the connection."""

import json
import pathlib
import shutil
import tempfile
import time
import unittest

from support import SystemTest, machine, postgres, programs, rows_of, server_named

from lab import log_trouble, spooled

EXPECTED = {"deadlock", "lock_wait", "lock_acquired", "temp_file", "checkpoint_complete", "autovacuum", "authentication_failed", "cancel_user",
            "cancel_statement_timeout", "cancel_lock_timeout", "crash", "crash_restart", "recovery_started", "unique_violation", "syntax_error",
            "idle_in_transaction_timeout", "statement_plan", "statement_duration", "setting_changed", "raised", "unknown"}
RSS_KIB_MAX = 32 * 1024
SOURCES = ("postgres.log_events", "postgres.log_counts")
PLAN_SOURCES = ("postgres.logged_plans", "postgres.plan_samples")


class Logs(SystemTest):
    def server_with(self, major, destination, **more):
        """A server of its own, because it is crashed."""
        if not postgres.available(major):
            raise unittest.SkipTest(f"PostgreSQL {major} is not installed: ./run setup --postgres {major}")
        directory = pathlib.Path(tempfile.mkdtemp(prefix=f"pga-logs{major}-"))
        settings = {**log_trouble.settings(major, destination), **more}
        pg = postgres.Cluster(major, directory, settings).create().start().prepare()
        self.addCleanup(pg.close)
        return pg

    def follower(self, name, pg, **logs):
        """A collector whose server is away: every frame stays in its spool."""
        if not hasattr(Logs, "away"):
            Logs.away = programs.Server(self.directory / "away").create()
        # The host's own statistics and the other sources of the server are of no interest here.
        collector = self.collector(name, self.away, [self.target(pg, name, **({"logs": logs} if logs else {}))],
                                   intervals={"postgres.log_events": "200ms", "postgres.log_counts": "500ms", **dict.fromkeys(PLAN_SOURCES, "500ms")})
        # What happens before the first reading of the counts is no increment of theirs.
        self.eventually("it reads the log and counts", lambda: all(self.readings(collector, source) for source in SOURCES), 60)
        return collector

    def readings(self, collector, source=SOURCES[0]):
        return [b for b in collector.spooled.batches(source) if b["outcome"] in ("complete", "limit")]

    def events(self, collector, source=SOURCES[0]):
        return [row for batch in self.readings(collector, source) for row in spooled.rows_of(batch)]

    def wait_for(self, collector, classes, seconds=60):
        def missing():
            return set(classes) - {e["class"] for e in self.events(collector)}

        try:
            machine.wait_until("the events are there", lambda: not missing(), seconds, pause=0.5)
        except machine.LabError:
            self.fail(f"missing {sorted(missing())}; there are {sorted({e['class'] for e in self.events(collector)})}\n{collector.log()[-2000:]}")
        return self.events(collector)

    def assert_no_canary(self, collector):
        said = collector.spooled.text()
        self.assertIn("deadlock", said)
        for canary in (log_trouble.CANARY, log_trouble.NUMBER):
            at = said.find(canary)
            self.assertEqual(at, -1, f"a literal left the host: …{said[max(0, at - 300):at + 100]}")

    def assert_numbers(self, events):
        """What the classes say in numbers is what the server did."""
        by_class = {}
        for event in events:
            by_class.setdefault(event["class"], []).append({**event, **json.loads(event["fields"] or "{}")})
        deadlock = by_class["deadlock"][0]
        self.assertEqual(deadlock["severity"], "ERROR")
        self.assertEqual(" ".join(deadlock["statement"].split()), "update dead set note = $? where id = $?")
        self.assertIn("blocked by process", deadlock["detail"])
        self.assertTrue(all(w["wait_ns"] >= 20_000_000 for w in by_class["lock_wait"]))
        self.assertTrue(any(t["bytes"] > 100_000 for t in by_class["temp_file"]))
        self.assertTrue(all(c["buffers"] >= 0 and c["duration_ns"] >= 0 for c in by_class["checkpoint_complete"]))
        # A first one may have removed nothing, because somebody could still see the rows.
        self.assertIn(2500, [v.get("tuples_removed") for v in by_class["autovacuum"] if v["relation"].endswith("public.churn")])
        self.assertEqual({c["signal"] for c in by_class["crash"]}, {9})
        self.assertEqual({u["message"] for u in by_class["unknown"] + by_class["raised"]}, {None})
        self.assertTrue(all(abs(e["time"] / 1e6 - time.time()) < 600 for e in events if e["class"] != "unparsed"))
        return by_class

    def test_1_csvlog_of_12(self):
        self.follow_everything(12, "csvlog")

    def test_2_stderr_of_15(self):
        self.follow_everything(15, "stderr")

    def test_3_jsonlog_of_18(self):
        by_class = self.follow_everything(18, "jsonlog")
        self.assertIn("client backend", {e["backend_type"] for e in by_class["deadlock"]})

    def follow_everything(self, major, destination):
        pg = self.server_with(major, destination)
        collector = self.follower(f"{destination}-{major}", pg)
        log_trouble.everything(pg)
        events = self.wait_for(collector, EXPECTED)
        by_class = self.assert_numbers(events)
        self.assert_no_canary(collector)
        self.eventually("the deadlock is counted", lambda: any(row["class"] == "deadlock" and row["events"] > 0 for row in self.events(collector, SOURCES[1])))
        collector.stop()
        return by_class

    def test_4_over_the_connection(self):
        """A server whose files are out of reach, as one on another machine: with the right to read them, and what is said without it."""
        pg = self.server_with(15, "csvlog")
        away = {"logs": {"from": "server"}}
        probe = self.collector("no-right", programs.Server(self.directory / "none").create(), [self.target(pg, "no-right", **away)], start=False)
        done = programs.run("pganalytics-collector", "--config", probe.config, "--check", check=False)
        self.assertIn("GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file", done.stdout)
        pg.sql(f"grant execute on function pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean), pg_catalog.pg_ls_logdir() to {postgres.MONITOR}")
        done = programs.run("pganalytics-collector", "--config", probe.config, "--check", check=False)
        self.assertIn("reads the log over the connection", done.stdout)
        collector = self.follower("connected", pg, **away["logs"])
        self.eventually("it has found the log's end", lambda: "reads the log over the connection" in collector.log(), 30)
        self.eventually("a first reading was made", lambda: (collector.state / "logs").exists(), 40)
        log_trouble.everything(pg)
        self.wait_for(collector, {"deadlock", "crash", "unique_violation"}, 90)
        for source in PLAN_SOURCES:
            self.eventually(f"{source} has what auto_explain said", lambda source=source: self.events(collector, source), 60)
        self.assert_no_canary(collector)
        collector.stop()
        # The same through a function that reads log files only.
        pg.sql(f"revoke execute on function pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) from {postgres.MONITOR}")
        pg.sql("create schema pganalytics")
        pg.sql("create function pganalytics.read_log(file text, start bigint, length bigint) returns bytea language sql security definer as "
               "$$ select pg_read_binary_file('log/' || file, start, length, true) $$")
        pg.sql(f"grant usage on schema pganalytics to {postgres.MONITOR}")
        helped = self.follower("helped", pg, **away["logs"])
        self.eventually("a first reading was made", lambda: (helped.state / "logs").exists(), 40)
        log_trouble.deadlock(pg)
        self.wait_for(helped, {"deadlock"}, 60)

    def test_5_rotation_and_restarts_lose_and_double_nothing(self):
        pg = self.server_with(18, "csvlog", log_filename="postgresql-%H%M%S.log")
        collector = self.follower("rotated", pg)
        number = 0

        def write(count):
            nonlocal number
            for _ in range(count):
                number += 1
                session = pg.connect(application=f"write {number}")
                log_trouble.quietly(session, "select 1 / 0")
                session.close()

        def rotate():
            files = set((pg.data / "log").iterdir())  # their names change with the second

            def another():
                pg.sql("select pg_rotate_logfile()")
                return set((pg.data / "log").iterdir()) - files

            machine.wait_until("there is another file", another, 10, pause=0.2)

        def numbers():
            return sorted(int(e["application_name"].split()[1]) for e in self.events(collector) if e["class"] == "division_by_zero")

        write(5)
        self.eventually("they are read", lambda: len(numbers()) == 5)
        for _ in range(3):
            rotate()
            write(5)
        self.eventually("nothing is lost over rotations", lambda: len(numbers()) == number)
        self.eventually("the position is kept", lambda: any((collector.state / "logs").iterdir()))
        collector.stop()
        write(7)
        rotate()
        write(7)
        collector.start()
        self.eventually("nor over a stop", lambda: len(numbers()) >= number)
        self.assertEqual(numbers(), list(range(1, number + 1)))

    def test_5b_a_server_that_turns_to_another_format_is_followed(self):
        pg = self.server_with(18, "csvlog")
        collector = self.follower("turned", pg)
        pg.sql("alter system set log_destination = 'jsonlog'")
        pg.sql("select pg_reload_conf()")
        self.eventually("it writes JSON", lambda: (pg.data / "log/postgresql.json").exists())
        log_trouble.deadlock(pg)
        self.wait_for(collector, {"deadlock"})
        self.assertEqual(collector.log().count("follows the log"), 2)

    def test_6_ten_megabytes_in_one_event(self):
        pg = self.server_with(18, "csvlog")
        collector = self.follower("large", pg)
        for _ in range(5):
            try:
                pg.sql(f"select '{'x' * 10_000_000}{log_trouble.CANARY}'::int")
            except Exception as error:  # noqa: BLE001
                self.assertIn("invalid input syntax", str(error))
        log_trouble.deadlock(pg)
        events = self.wait_for(collector, {"invalid_input", "deadlock"})
        self.assertTrue(any((e["cut_bytes"] or 0) > 10_000_000 for e in events))
        self.assert_no_canary(collector)
        peak = machine.peak_kib(collector.child.pid)
        print(f"[system] logs: peak of the collector with 5 events of 20 MB: {peak / 1024:.1f} MiB", flush=True)
        self.assertLess(peak, RSS_KIB_MAX)

    def test_7_a_flood_is_cut_and_counted(self):
        pg = self.server_with(15, "stderr")
        collector = self.follower("flood", pg)
        session = pg.connect(application="flood")
        log_trouble.quietly(session, "do $$ begin for i in 1..20000 loop raise log 'flood %', i; end loop; end $$")
        session.close()
        log_trouble.deadlock(pg)
        self.wait_for(collector, {"deadlock"})
        limits = [b for b in self.readings(collector) if b["outcome"] == "limit"]
        self.assertTrue(limits)
        self.assertIn("were left out and counted", limits[0]["detail"])

        def counted():
            rows = [row for row in self.events(collector, SOURCES[1]) if row["class"] in ("unknown", "dropped")]
            return sum(row["events"] or 0 for row in rows)  # null where it is not known from when on

        self.eventually("every one is counted", lambda: counted() == 20000)

    def test_8_stored_and_shown(self):
        server = self.server()
        pg = self.server_with(18, "csvlog,stderr")
        collector = self.collector("stored", server, [self.target(pg, "stored")], intervals={"postgres.log_events": "500ms"}).wait_pushed()
        self.eventually("it follows", lambda: "follows the log" in collector.log(), 40)
        log_trouble.deadlock(pg)
        api = server.login()

        def stored():
            entry = server_named(api, "stored")
            return entry and [r for r in rows_of(api, entry["id"], "postgres.log_events", search="deadlock") if r["class"] == "deadlock"]

        rows = self.eventually("the deadlock is stored", stored, 60)
        self.assertEqual(rows[0]["sqlstate"], "40P01")
        self.assertIn("$?", rows[0]["statement"])

    def test_9_plans_of_auto_explain(self):
        for major, destination in ((18, "jsonlog"), (18, "csvlog"), (15, "stderr")):
            with self.subTest(major=major, destination=destination):
                self.follow_plans(major, destination)

    def follow_plans(self, major, destination):
        """In both forms: each plan once, each execution, without the literals of statement and plan."""
        pg = self.server_with(major, destination)
        pg.sql("create table planned (id int, note text)")
        pg.sql("insert into planned select i, 'note ' || i from generate_series(1, 100) i")
        collector = self.follower(f"plans-{destination}-{major}", pg)
        with pg.connect(application="planned") as session, session.cursor() as cursor:
            cursor.execute("set auto_explain.log_analyze = on; set auto_explain.log_buffers = on; set auto_explain.log_min_duration = 0")
            for form, condition in (("text", "id > 50"), ("json", "id > 60 and id < 1000")):
                cursor.execute(f"set auto_explain.log_format = {form}")
                for _ in range(2):
                    cursor.execute(f"select id\n  from planned\n where {condition} and note <> '{log_trouble.CANARY}' and id <> {log_trouble.NUMBER}")
        session.close()

        def ours(source):
            return [row for row in self.events(collector, source) if row["fingerprint"] in wanted]

        def plans():
            return [row for row in self.events(collector, PLAN_SOURCES[0]) if " ".join(row["query"].split()).startswith("select id from planned where")]

        found = self.eventually("the plans are there", lambda: len(rows := plans()) >= 2 and rows)
        wanted = {row["fingerprint"] for row in found}
        samples = self.eventually("and what was executed", lambda: len(rows := ours(PLAN_SOURCES[1])) >= 4 and rows)
        log_trouble.deadlock(pg)  # so that everything before it was read
        self.wait_for(collector, {"deadlock", "statement_plan"})
        self.assertEqual((len(plans()), len(ours(PLAN_SOURCES[1]))), (2, 4), "each plan once, each execution once")
        for row in found:
            self.assertEqual(row["datname"], "postgres")
            self.assertIn("note <> $? and id <> $?", row["query"])
            plan = json.loads(row["plan"])
            self.assertEqual((plan["node"], plan["relation"]), ("Seq Scan", "planned"))
            self.assertIn("note <> $?", plan["filter"])
        self.assertEqual(sorted(row["rows"] for row in samples), [40, 40, 50, 50])
        self.assertEqual({row["plan_fingerprint"] for row in samples}, {row["plan_fingerprint"] for row in found})
        for row in samples:
            self.assertGreater(row["duration"], 0)
            self.assertGreater(row["shared_blks_hit"] + row["shared_blks_read"], 0)
            self.assertLess(abs(row["logged_at"] / 1e6 - time.time()), 600)
            self.assertEqual(len(json.loads(row["node_times"])), 1)
        self.assert_no_canary(collector)
        collector.stop()

    def test_9a_another_server_has_plans_of_its_own(self):
        """Under the address of the first: what was known of that one is not known of this one."""
        pg = self.server_with(18, "csvlog")
        collector = self.follower("replaced", pg)

        def explained():
            with pg.connect() as session, session.cursor() as cursor:
                cursor.execute("set auto_explain.log_min_duration = 0")
                cursor.execute("select 'once' from pg_am")
            session.close()

        def counts():
            """Plans and executions of that statement."""
            plans = [row for row in self.events(collector, PLAN_SOURCES[0]) if row["query"] == "select $? from pg_am"]
            wanted = {row["fingerprint"] for row in plans}
            return len(plans), len([row for row in self.events(collector, PLAN_SOURCES[1]) if row["fingerprint"] in wanted])

        explained()
        self.eventually("its plan is there", lambda: counts() == (1, 1))
        pg.stop()
        pg.start()
        explained()
        self.eventually("it is the same after a restart", lambda: counts() == (1, 2), 60)
        pg.stop()
        shutil.rmtree(pg.data)
        pg.create().start().prepare()
        # The collector connects, sees that it is another one, and asks where its log is.
        self.eventually("the other one is seen", lambda: pg.sql("select 1 from pg_stat_statements where query like '%inet_server_addr%'"), 60)
        explained()
        self.eventually("and its plan is sent", lambda: counts() == (2, 3), 60)
        collector.stop()

    def test_9c_neither_a_crash_nor_a_stop_loses_a_plan_that_was_read_and_waits(self):
        pg = self.server_with(18, "csvlog")
        away = programs.Server(self.directory / "away-for-crash").create()

        def follow(plans_every):
            collector = self.collector("crashed", away, [self.target(pg, "crashed")], intervals={
                "postgres.log_events": "200ms", "postgres.log_counts": "500ms", **dict.fromkeys(PLAN_SOURCES, plans_every)})
            self.eventually("it reads the log", lambda: "follows the log" in collector.log() and self.readings(collector), 60)
            return collector

        def explain(collector, text):
            """Until its event is in the spool, and some readings of the log after it."""
            with pg.connect() as session, session.cursor() as cursor:
                cursor.execute("set auto_explain.log_min_duration = 0")
                cursor.execute(text)
            session.close()
            self.eventually("the event is in the spool", lambda: events(collector, text))
            known = len(self.readings(collector))
            self.eventually("more readings are", lambda: len(self.readings(collector)) > known + 15)

        def events(collector, text):
            return [e for e in self.events(collector) if e["class"] == "statement_plan" and e["statement"] == text.replace("'x'", "$?")]

        def plans(collector, text):
            return [row for row in self.events(collector, PLAN_SOURCES[0]) if row["query"] == text.replace("'x'", "$?")]

        collector = follow("1h")
        one, two = "select 'x' from pg_am", "select 'x' from pg_namespace"
        explain(collector, one)
        self.assertEqual(plans(collector, one), [])
        collector.kill()
        collector = follow("500ms")
        self.eventually("the plan is read again", lambda: len(plans(collector, one)) == 1, 60)
        collector.stop()
        collector = follow("1h")
        explain(collector, two)
        self.assertEqual(plans(collector, two), [])
        collector.stop()
        self.assertEqual((len(plans(collector, two)), len(events(collector, two))), (1, 1), "what waited was written when it stopped")
        collector = follow("500ms")
        log_trouble.deadlock(pg)
        self.wait_for(collector, {"deadlock"})
        self.assertEqual((len(plans(collector, two)), len(events(collector, two))), (1, 1), "and nothing was read twice")
        collector.stop()

    def test_9b_a_log_that_cannot_be_read_is_a_reason(self):
        pg = self.server_with(18, "csvlog")
        collector = self.collector("unread", programs.Server(self.directory / "unread-server").create(),
                                   [self.target(pg, "unread", logs={"directory": str(self.directory / "no-such")})],
                                   intervals=dict.fromkeys((*SOURCES, *PLAN_SOURCES), "500ms"))

        def reasons():
            batches = [b for b in collector.spooled.batches() if b["source"] in PLAN_SOURCES]
            return {(b["source"], b["outcome"]) for b in batches if "no-such" in b.get("detail", "")}

        self.eventually("both say why", lambda: reasons() == {(source, "absent") for source in PLAN_SOURCES})
        collector.stop()
