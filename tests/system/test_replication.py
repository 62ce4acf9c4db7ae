"""Replication between real servers: a standby beside its primary and what a failover does to the series of both, and logical replication."""

import signal
import time
import types

import psycopg2

from support import SystemTest, machine, postgres

from lab.spooled import rows_of

CANARY = "Zaunkoenig4711"  # in every connection string: it may not leave the host
NOWHERE = types.SimpleNamespace(address="127.0.0.1", collectors_port=1)  # so that every frame stays in the spool
READ_OFTEN = ("replication", "replication_slots", "replication_slot_stats", "wal_receiver", "recovery", "recovery_prefetch", "database_conflicts",
              "databases", "database_properties", "instance", "tables", "indexes", "statements", "statement_texts", "wal", "io", "slru", "bgwriter",
              "checkpointer", "archiver", "subscriptions", "subscription_stats", "subscription_tables", "subscription_workers", "publications",
              "replication_origins", "horizon", "settings", "activity", "log_events")
INTERVALS = {f"postgres.{name}": "1s" for name in READ_OFTEN}
BEFORE, AFTER = 120, 250  # rows that are written before and after the failover


def started(case, major, **settings):
    if not postgres.available(major):
        case.skipTest(f"PostgreSQL {major} is not installed: ./run setup --postgres {major}")
    pg = postgres.Cluster(major, settings=settings).create()
    case.addCleanup(pg.close)
    return pg.start().prepare()


def counters(batch):
    """(row, column, value) of every increment in a batch."""
    names = [column[0] for column in batch["columns"] if column[1] == "counter"]
    return [(row, name, row[name]) for row in rows_of(batch) for name in names if row[name] is not None]


class Replication(SystemTest):
    def follow(self, name, targets, **more):
        collector = self.collector(name, NOWHERE, targets, token="none", intervals=INTERVALS, **more)
        self.addCleanup(collector.stop)
        return collector, collector.spooled

    def read_anew(self, spooled, source, target, outcome="complete"):
        """Waits for a batch of that outcome which was begun after this call."""
        now_us = time.time_ns() // 1000   # what comes into the spool next may have been read a second ago
        return self.eventually(f"{source} of {target} is read as {outcome}", lambda: [
            batch for batch in spooled.batches(source, target) if batch["started_us"] > now_us and batch["outcome"] == outcome], 40)[-1]

    def eventually_row(self, what, spooled, source, target, check, seconds=40):
        return self.eventually(what, lambda: [row for row in spooled.rows(source, target) if check(row)], seconds)[-1]

    def assert_no_secret(self, spooled, collector):
        self.assertNotIn(CANARY.lower(), spooled.text().lower())
        self.assertNotIn(CANARY, collector.log())
        for payload in (collector.state / "spool").glob("*.seg"):
            self.assertNotIn(CANARY.encode(), payload.read_bytes())

    def test_failover_on_18(self):
        self.fail_over(18, lambda standby: standby.sql("select pg_promote()"))

    def test_failover_on_13(self):
        self.fail_over(13, lambda standby: postgres.as_server_user(standby.bin / "pg_ctl", "promote", "-D", standby.data))

    def pair(self, major):
        primary = started(self, major, max_standby_streaming_delay="50ms", max_slot_wal_keep_size="200MB")
        primary.sql("create table kept (id serial primary key, note text)")
        primary.sql("insert into kept (note) select 'row ' || i from generate_series(1, 50) i")
        primary.sql("select pg_create_physical_replication_slot('for_standby', true)")
        standby = primary.standby()
        self.addCleanup(standby.close)
        standby.sql(f"alter system set primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres password={CANARY} application_name=standby'")
        standby.sql("alter system set primary_slot_name = 'for_standby'")
        standby.sql("select pg_reload_conf()")
        machine.wait_until("the standby uses its slot", lambda: primary.sql("select 1 from pg_replication_slots where active"))
        return primary, standby

    def fail_over(self, major, promote):
        primary, standby = self.pair(major)
        either = {**self.target(primary, "either"), "host": "127.0.0.1,127.0.0.1", "port": f"{primary.port},{standby.port}",
                  "target_session_attrs": "primary"}
        names = ("primary", "standby", "either")
        collector, spooled = self.follow(f"failover-{major}", [self.target(primary, "primary"), self.target(standby, "standby"), either])
        for name in names:
            self.read_anew(spooled, "postgres.tables", name)

        self.check_streaming(primary, standby, spooled)
        primary.sql(f"insert into kept (note) select 'more' from generate_series(1, {BEFORE}) i")
        for name in ("primary", "either"):
            self.eventually(f"{name} counts what was inserted", lambda name=name: self.inserted(spooled, name) == BEFORE)
        self.conflict(primary, standby, spooled)

        system = {batch["target"][2] for name in names for batch in spooled.batches("postgres.instance", name)}
        self.assertEqual(len(system), 1, "primary and standby are one system")
        pid = collector.child.pid
        primary.child.process.send_signal(signal.SIGQUIT)  # at once, as if the machine were gone
        primary.child.process.wait()
        self.eventually_row("the standby says that nothing is received", spooled, "postgres.wal_receiver", "standby", lambda row: not row["connected"])
        # A reading that was under way, or the first one on the lost connection, says only that the server closed it.
        self.eventually("the primary cannot be reached, and it is said where", lambda: [
            batch for batch in spooled.batches("postgres.replication", "primary") if batch["outcome"] == "unreachable" and str(primary.port) in batch["detail"]], 40)
        promote(standby)
        machine.wait_until("it is promoted", lambda: standby.sql("select 1 where not pg_is_in_recovery()"))

        self.check_promoted(spooled)
        self.read_anew(spooled, "postgres.tables", "either")  # which it now reads from the other server
        self.read_anew(spooled, "postgres.statements", "either")
        standby.sql(f"insert into kept (note) select 'anew' from generate_series(1, {AFTER}) i")
        self.eventually("the promoted server's rows are counted", lambda: self.inserted(spooled, "standby") == AFTER)
        self.eventually("also by who follows the primary", lambda: self.inserted(spooled, "either") == BEFORE + AFTER)
        for source in ("tables", "databases", "statements", "recovery"):
            self.read_anew(spooled, f"postgres.{source}", "standby")
        self.assertEqual(pid, collector.child.pid)
        self.assertTrue(collector.child.alive())
        self.assert_only_reasons(spooled, "standby", {"complete", "absent", "privilege"})
        self.assert_only_reasons(spooled, "primary", {"complete", "absent", "privilege", "unreachable"})
        self.assert_nothing_jumped(standby, spooled, names)
        collector.stop()
        self.assert_no_secret(spooled, collector)

    @staticmethod
    def inserted(spooled, target):
        return spooled.total("postgres.tables", target, "n_tup_ins", relname="kept")

    def check_streaming(self, primary, standby, spooled):
        """What both say while one follows the other."""
        lags = ("sent_lag_bytes", "write_lag_bytes", "flush_lag_bytes", "replay_lag_bytes")
        # It catches up first, and there is no lag before it has answered.
        row = self.eventually_row("the standby streams", spooled, "postgres.replication", "primary", lambda r: (
            r["slot_name"], r["state"]) == ("for_standby", "streaming") and None not in [r[lag] for lag in lags])
        self.assertEqual((row["application_name"], row["client_addr"], row["state"], row["sync_state"]), ("standby", "127.0.0.1", "streaming", "async"))
        for column in lags:
            self.assertGreaterEqual(row[column], 0)
            self.assertLess(row[column], 1 << 28)
        slot = self.eventually_row("its slot is used", spooled, "postgres.replication_slots", "primary", lambda r: r["active"])
        self.assertEqual((slot["slot_name"], slot["slot_type"], slot["wal_status"]), ("for_standby", "physical", "reserved"))
        self.assertGreaterEqual(slot["kept_bytes"], 0)
        self.assertGreater(slot["safe_wal_size"], 0)
        receiver = self.eventually_row("the standby receives", spooled, "postgres.wal_receiver", "standby", lambda r: (
            r["slot_name"], r["status"]) == ("for_standby", "streaming") and r["received_lsn"])
        self.assertEqual((receiver["connected"], receiver["status"], receiver["sender_host"], receiver["sender_port"]),
                         (True, "streaming", "127.0.0.1", primary.port))
        self.assertGreater(receiver["received_lsn"], 0)
        recovery = self.eventually_row("it replays", spooled, "postgres.recovery", "standby", lambda r: r["replay_lag_bytes"] is not None)
        self.assertEqual((recovery["in_recovery"], recovery["timeline"], recovery["wal_position"], recovery["pause_state"]), (True, 1, None, "not paused"))
        self.assertGreaterEqual(recovery["replay_lag_bytes"], 0)
        # What only a primary has, or only a standby, was asked for and is not there: complete, and no row.
        for source, without in (("replication", "standby"), ("replication_slots", "standby"), ("wal_receiver", "primary"), ("database_conflicts", "primary")):
            batch = self.read_anew(spooled, f"postgres.{source}", without)
            self.assertEqual(batch["rows"], [], source)
        prefetch = self.eventually("prefetching is read or said to be absent", lambda: spooled.batches("postgres.recovery_prefetch", "standby"))[-1]
        if standby.major >= 15:
            self.eventually_row("prefetching is read", spooled, "postgres.recovery_prefetch", "standby", lambda _: True)
        else:
            self.assertEqual(prefetch["outcome"], "absent")
            self.assertIn("pg_stat_recovery_prefetch", prefetch["detail"])

    def conflict(self, primary, standby, spooled):
        """A query on the standby that replay cannot wait for."""
        self.read_anew(spooled, "postgres.database_conflicts", "standby")
        reader = standby.connect(application="slow reader")
        with reader.cursor() as cursor:
            cursor.execute("begin transaction isolation level repeatable read")
            cursor.execute("select count(*) from kept")
            primary.sql("delete from kept where id <= 20")
            end = time.monotonic() + 60
            with self.assertRaises(psycopg2.Error):
                while time.monotonic() < end:
                    primary.sql("vacuum kept")   # again, when a reading of ours could still see the rows
                    cursor.execute("select count(*), pg_sleep(0.1) from kept")
        reader.close()
        self.eventually("the conflict is counted once", lambda: spooled.total(
            "postgres.database_conflicts", "standby", "confl_snapshot", datname="postgres") == 1)

    def check_promoted(self, spooled):
        """What appears and goes on the server that was a standby."""
        self.eventually_row("it writes", spooled, "postgres.recovery", "standby", lambda r: not r["in_recovery"] and r["wal_position"] is not None)
        for source in ("wal_receiver", "database_conflicts"):
            self.assertEqual(self.read_anew(spooled, f"postgres.{source}", "standby")["rows"], [], source)
        self.eventually("who wants the primary is there", lambda: spooled.rows("postgres.recovery", "either")[-1]["timeline"] in (1, 2) and spooled.batches(
            "postgres.recovery", "either")[-1]["outcome"] == "complete")
        first = next(row for row in spooled.rows("postgres.recovery", "standby") if not row["in_recovery"])
        self.assertIsNone(first["wal_position"], "where it began to write is no increment")

    def assert_only_reasons(self, spooled, target, allowed):
        """Nothing failed that could be read, and whatever could not says why."""
        for content in spooled.contents():
            for batch in content["batches"]:
                if batch["target"][1] == target and batch["outcome"] != "complete":
                    said = f"{target} {batch['source']} is {batch['outcome']} {batch['sqlstate']}: {batch['detail']}"
                    self.assertIn(batch["outcome"], allowed, said)
                    self.assertTrue(batch["detail"], said)

    def assert_nothing_jumped(self, promoted, spooled, names):
        """No increment of any source is negative, and what was read of the promoted server is not more than it has counted in its life."""
        seen = 0
        for content in spooled.contents():
            for batch in content["batches"]:
                for row, name, value in counters(batch):
                    seen += 1
                    self.assertGreaterEqual(value, 0, f"{batch['target'][1]} {batch['source']} {name}: {row}")
        self.assertGreater(seen, 1000)
        columns = ("xact_commit", "tup_inserted", "tup_returned")
        totals = [spooled.total("postgres.databases", "standby", column, datname="postgres") for column in columns]
        # The collector goes on meanwhile: the server is asked last.
        database = promoted.sql(f"select {', '.join(columns)} from pg_stat_database where datname = 'postgres'")[0]
        for column, total, most in zip(columns, totals, database):
            self.assertLessEqual(total, most, column)
            self.assertGreater(total, 0, column)
        self.assertGreaterEqual(spooled.total("postgres.databases", "standby", "tup_inserted", datname="postgres"), AFTER)
        written = promoted.sql("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")[0][0]
        for name in names:
            for row in spooled.rows("postgres.recovery", name):
                for column in ("wal_position", "received", "replayed"):
                    self.assertLess(row[column] or 0, written / 2, f"{name} {row}")
        self.assertFalse([row for row in spooled.rows("postgres.tables", "standby", relname="kept") if row["estimated"]])

    def test_logical_replication_on_18(self):
        self.replicate(18)

    def test_logical_replication_on_15(self):
        self.replicate(15)

    def test_logical_replication_on_13(self):
        self.replicate(13)

    def replicate(self, major):
        publisher = started(self, major)
        logged = {"logging_collector": "on", "log_directory": "log", "log_statement": "all", "log_destination": "csvlog", "wal_retrieve_retry_interval": "200ms"}
        subscriber = started(self, major, **logged)
        for pg in (publisher, subscriber):
            pg.sql("create table orders (id int primary key, state text)")
            pg.sql((machine.ROOT / "docs/sql/helper-schema.sql").read_text(encoding="utf-8"))
        publisher.sql("insert into orders select i, 'new' from generate_series(1, 30) i")
        publisher.sql("create publication all_orders for table orders")
        collector, spooled = self.follow(f"logical-{major}", [self.target(publisher, "publisher"), self.target(subscriber, "subscriber")])
        for name in ("publisher", "subscriber"):
            self.read_anew(spooled, "postgres.tables", name)
        subscriber.sql(f"create subscription copied connection 'host=127.0.0.1 port={publisher.port} user=postgres dbname=postgres password={CANARY}' "
                       "publication all_orders")
        machine.wait_until("the table is copied", lambda: subscriber.sql("select 1 from pg_subscription_rel where srsubstate = 'r'"))

        self.check_both_ends(major, publisher, spooled)
        self.provoke(major, publisher, subscriber, spooled)
        subscriber.sql("alter subscription copied disable")
        machine.wait_until("its worker ends", lambda: subscriber.sql("select 1 from pg_stat_subscription where pid is null"))
        disabled = self.eventually_row("it is disabled", spooled, "postgres.subscriptions", "subscriber", lambda r: r["enabled"] is False)
        self.assertEqual((disabled["subname"], disabled["change"], disabled["publications"]), ("copied", "changed", "all_orders"))
        batch = self.read_anew(spooled, "postgres.subscription_workers", "subscriber")
        self.assertEqual([(row["subname"], row["pid"]) for row in rows_of(batch)], [("copied", None)])
        self.eventually("its slot waits", lambda: rows_of(self.read_anew(spooled, "postgres.replication_slots", "publisher"))[0]["active"] is False)
        batch = self.read_anew(spooled, "postgres.replication", "publisher")
        self.assertEqual(batch["rows"], [])
        if major >= 14:   # who may no longer use the helper function may still read the catalogue
            subscriber.sql(f"revoke execute on function pganalytics.subscriptions() from {postgres.MONITOR}")
            for _ in range(2):
                self.read_anew(spooled, "postgres.subscriptions", "subscriber")
            self.assertEqual({b["outcome"] for b in spooled.batches("postgres.subscriptions", "subscriber")}, {"complete"})
        # The connection string in what the server says of it: also when it cannot connect.
        subscriber.sql("alter subscription copied enable")
        publisher.stop()
        self.eventually_row("the publisher is away", spooled, "postgres.log_events", "subscriber",
                            lambda r: r["class"] in ("subscription_error", "wal_receiver_failed", "connection_lost"))
        collector.stop()
        self.assert_no_secret(spooled, collector)

    def check_both_ends(self, major, publisher, spooled):
        self.eventually_row("the publisher sends", spooled, "postgres.replication", "publisher", lambda r: (
            r["application_name"] == "copied" and r["state"] in ("catchup", "streaming")))
        slot = self.eventually_row("by a logical slot", spooled, "postgres.replication_slots", "publisher",
                                   lambda r: r["slot_name"] == "copied" and r["unconfirmed_bytes"] is not None)
        self.assertEqual((slot["slot_type"], slot["plugin"], slot["datname"]), ("logical", "pgoutput", "postgres"))
        self.assertGreaterEqual(slot["unconfirmed_bytes"], 0)
        publication = self.eventually_row("the publication is known", spooled, "postgres.publications", "publisher", lambda r: r["pubname"] == "all_orders")
        self.assertEqual((publication["tables"], publication["all_tables"], publication["operations"]), (1, False, "insert update delete truncate"))
        worker = self.eventually_row("the apply worker runs", spooled, "postgres.subscription_workers", "subscriber",
                                     lambda r: r["subname"] == "copied" and r["relid"] == 0 and r["pid"] is not None and r["received_lsn"] and r["latest_end_lsn"])
        self.assertGreater(worker["latest_end_lsn"], 0)
        if major >= 17:
            self.assertEqual(worker["worker_type"], "apply")
        table = self.eventually_row("the table is ready", spooled, "postgres.subscription_tables", "subscriber", lambda r: r["state"] == "ready")
        self.assertEqual((table["subname"], table["schemaname"], table["relname"]), ("copied", "public", "orders"))
        subscription = self.eventually_row("the subscription is known", spooled, "postgres.subscriptions", "subscriber", lambda r: r["subname"] == "copied")
        self.assertEqual((subscription["enabled"], subscription["slot_name"], subscription["owner"], subscription["datname"]),
                         (True, "copied", "postgres", "postgres"))
        publisher.sql("insert into orders select i, 'late' from generate_series(31, 40) i")

        # Up to version 14 a worker tells its counts at most twice a second, and what it kept back only after its next transaction.
        def counted():
            publisher.sql("update orders set state = state where id = 1")
            return spooled.total("postgres.tables", "subscriber", "n_tup_ins", relname="orders") == 40
        self.eventually("what was applied is counted", counted)
        origin = self.eventually_row("its origin is read", spooled, "postgres.replication_origins", "subscriber", lambda r: r["remote_lsn"])
        self.assertTrue(origin["external_id"].startswith("pg_"))
        if major >= 14:
            self.eventually("decoding is counted", lambda: spooled.total("postgres.replication_slot_stats", "publisher", "total_txns", slot_name="copied") >= 1)

    def provoke(self, major, publisher, subscriber, spooled):
        """Conflicts: two that replication only counts, and one that stops it until the row is gone."""
        def total(column):
            return spooled.total("postgres.subscription_stats", "subscriber", column, subname="copied")

        if major < 15:
            batch = self.eventually("errors are not counted here", lambda: spooled.batches("postgres.subscription_stats", "subscriber"))[-1]
            self.assertEqual(batch["outcome"], "absent")
            self.assertIn("pg_stat_subscription_stats", batch["detail"])
        else:
            self.read_anew(spooled, "postgres.subscription_stats", "subscriber")
        subscriber.sql("delete from orders where id in (1, 2)")
        publisher.sql("update orders set state = 'gone' where id = 1")
        publisher.sql("delete from orders where id = 2")
        if major >= 18:
            self.eventually("rows that were missing are counted", lambda: (total("confl_update_missing"), total("confl_delete_missing")) == (1, 1))
        subscriber.sql(f"insert into orders values (50, '{CANARY}')")
        publisher.sql(f"insert into orders values (50, 'other {CANARY}')")
        if major >= 15:
            self.eventually("the errors are counted", lambda: total("apply_error_count") >= 2)
        if major >= 18:
            self.eventually("so are the conflicts", lambda: total("confl_insert_exists") >= 2)
        else:
            machine.wait_until("the worker fails", lambda: "orders_pkey" in "".join(f.read_text() for f in (subscriber.data / "log").glob("*.csv")))
        subscriber.sql("delete from orders where id = 50")
        machine.wait_until("replication goes on", lambda: subscriber.sql("select 1 from orders where id = 50 and state like 'other%'"))
        if major >= 15:
            counted = subscriber.sql("select apply_error_count from pg_stat_subscription_stats")[0][0]
            self.eventually("every error was counted once", lambda: total("apply_error_count") == counted)
