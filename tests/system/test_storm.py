"""A storm of locks on the watched server: the collector never stands in a queue, and never holds more than one connection per database."""

import pathlib
import random
import tempfile
import threading
import time
import unittest

import psycopg2

from support import SystemTest, every_source, postgres, programs

from lab.observer import Observer

DATABASES = ("calm", "storm", "gale")
TABLES = 30
WAIT_MS_MAX = 100
STORM_SECONDS = 12


class Storm(SystemTest):
    def make(self, major, **settings):
        if not postgres.available(major):
            raise unittest.SkipTest(f"PostgreSQL {major} is not installed: ./run setup --postgres {major}")
        # The server itself writes down every wait that goes on for longer than this, sampled or not. (What the observer sees can have
        # lasted one step of its samples longer.)
        pg = postgres.Cluster(major, pathlib.Path(tempfile.mkdtemp(prefix=f"pga-storm{major}-")), {
            "log_lock_waits": "on", "deadlock_timeout": f"{WAIT_MS_MAX}ms", "log_line_prefix": "role=%u ", **settings}).create().start()
        self.addCleanup(pg.close)
        pg.prepare(DATABASES)
        for database in DATABASES[1:]:
            pg.sql(f"""do $$ begin for i in 1..{TABLES} loop
                execute format('create table t%s (id int primary key, note text default ''x'')', i);
                execute format('insert into t%s select generate_series(1, 50)', i);
                execute format('create view v%s as select * from t%s', i, i);
              end loop; end $$""", database=database)
        return pg

    def follower(self, name, pg):
        away = programs.Server(self.directory / f"away-{name}").create()  # every frame stays in the spool
        return self.collector(name, away, [self.target(pg, name, explain=True)], intervals=every_source("300ms"))

    def outcomes(self, collector, database=None):
        found = {}
        for batch in collector.spooled.batches():
            if database in (None, batch.get("database")):
                found.setdefault(batch["source"], set()).add(batch["outcome"])
        return found

    def act(self, enough, *activities):
        """Runs each until the storm has lasted and enough() is true; what it raises is told."""
        over = threading.Event()
        failed = []

        def run(activity):
            try:
                activity(over)
            except Exception as error:  # noqa: BLE001 - raised below
                failed.append(error)

        threads = [threading.Thread(target=run, args=(activity,)) for activity in activities]
        for thread in threads:
            thread.start()
        try:
            time.sleep(STORM_SECONDS)  # the storm itself, not a wait for something
            self.eventually("there was enough to see, and what was locked was left out, with its reason", lambda: failed or enough(), 60)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        if failed:
            raise failed[0]

    def queue(self, pg, database, over):
        """One table held for long, and ordinary statements behind it."""
        holder = pg.connect(database)
        holder.autocommit = False
        holder.cursor().execute("lock table t1 in access exclusive mode")

        def ordinary(statement):
            with pg.connect(database) as session, session.cursor() as cursor:
                cursor.execute(statement)
            session.close()

        waiting = [threading.Thread(target=ordinary, args=(statement,)) for statement in (
            "select count(*) from t1", "update t1 set note = 'y' where id = 1", "alter table t1 add column more int", "select * from v1",
            "create index on t1 (note)")]
        for thread in waiting:
            thread.start()
        over.wait()
        holder.rollback()
        holder.close()
        for thread in waiting:
            thread.join()

    def flicker(self, pg, database, seed, over):
        """Locks that come and go, so that what was free when the collector looked is locked when it reads."""
        chance = random.Random(seed)
        session = pg.connect(database)
        session.autocommit = False
        with session.cursor() as cursor:
            while not over.is_set():
                tables = sorted(chance.sample(range(2, TABLES + 1), 4))
                cursor.execute("; ".join(f"lock table t{table} in access exclusive mode" for table in tables))
                over.wait(chance.choice((0.001, 0.02, 0.15, 0.4)))
                session.rollback()
        session.close()

    def rewrite(self, pg, database, over):
        """Catalogs that are rewritten, which every statement needs."""
        session = pg.connect(database)
        with session.cursor() as cursor:
            while not over.is_set():
                for catalog in ("pg_class", "pg_statistic", "pg_index"):
                    try:
                        cursor.execute(f"vacuum full pg_catalog.{catalog}")
                    except psycopg2.errors.DeadlockDetected:
                        pass
                over.wait(0.2)
        session.close()

    def hold_catalog(self, pg, database, over):
        """A catalog held for longer than a statement may wait."""
        session = pg.connect(database)
        session.autocommit = False
        while not over.is_set():
            try:
                with session.cursor() as cursor:
                    cursor.execute("lock table pg_catalog.pg_constraint in access exclusive mode")
                over.wait(0.5)
            except psycopg2.errors.DeadlockDetected:   # with who rewrites the catalogs: it may be either of them
                pass
            session.rollback()
            over.wait(0.3)
        session.close()

    def weather(self, major):
        pg = self.make(major)
        collector = self.follower(f"pg{major}", pg)
        self.eventually("every database is read", lambda: all(self.outcomes(collector, d).get("postgres.tables") for d in DATABASES[1:]), 60)
        with Observer(pg) as seen:
            self.act(lambda: seen.samples > 200 and seen.others_waiting_max >= 5 and set(seen.connections_by_database) >= {"postgres", *DATABASES}
                     and any("lock" in of for of in self.outcomes(collector).values()), lambda over: self.queue(pg, "storm", over), lambda over: self.flicker(pg, "storm", 1, over),
                     lambda over: self.flicker(pg, "gale", 2, over), lambda over: self.rewrite(pg, "gale", over),
                     lambda over: self.hold_catalog(pg, "gale", over))
        log = (pg.directory / "log").read_text(errors="replace")
        ours = [line for line in log.splitlines() if line.startswith(f"role={postgres.MONITOR} ") and "still waiting for" in line]
        waits = sorted(float(line.split(" after ")[1].split(" ms")[0]) for line in ours)
        print(f"[system] storm: PostgreSQL {major}, {seen.samples} samples, at most {seen.step_ms_max:.0f} ms apart; {seen.waits} with a wait of ours, "
              f"the longest {seen.waiting_ms_max:.1f} ms; {len(ours)} waits in the server's log ({waits[-3:]}); {seen.others_waiting_max} others waited; "
              f"connections {seen.connections_by_database}", flush=True)
        self.assertGreater(seen.samples, 200)
        self.assertGreaterEqual(seen.others_waiting_max, 5, "there was a queue")
        self.assertEqual(ours, [], "the server saw a statement of ours wait for longer")
        self.assertLessEqual(seen.waiting_ms_max, WAIT_MS_MAX)
        self.assertEqual(set(seen.connections_by_database.values()), {1})
        self.assertEqual(set(seen.connections_by_database), {"postgres", *DATABASES})
        collector.stop()
        pg.close()

    def test_never_in_a_queue_on_the_newest_server(self):
        self.weather(18)

    def test_never_in_a_queue_on_the_oldest_server(self):
        self.weather(12)
