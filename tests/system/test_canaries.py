"""Statements and log lines with a secret in every place; nothing of the secrets is in the frames that a collector makes of them.

The statements run on real servers, whose logs are read too; of what servers rarely write, lines are written as they would.
"""

import io
import pathlib
import subprocess
import types

import psycopg2
from support import FAST, SystemTest, cluster, postgres

from lab import canaries, canary_logs, log_trouble

SETUP = """
create table people (id int, name text, note text, balance numeric, kind text);
create table documents (data jsonb);
create sequence numbers;
create table t (a int);
insert into people values (1, 'a', 'b', 0);
"""
REACHED_MIN = {12: 50, 18: 20}   # statements with a canary that the server itself remembers: else the test shows nothing
LOGGED = {**log_trouble.SETTINGS, "log_statement": "all", "log_min_duration_statement": "0", "log_connections": "on", "log_disconnections": "on", "track_functions": "all",
          "log_error_verbosity": "verbose", "log_line_prefix": log_trouble.PREFIX, "auto_explain.log_min_duration": "0", "auto_explain.log_analyze": "on",
          "auto_explain.log_nested_statements": "on", "auto_explain.log_verbose": "on"}
CLASSES = {"statement_logged", "statement_duration", "statement_plan", "unique_violation", "not_null_violation", "check_violation", "foreign_key_violation",
           "invalid_input", "deadlock", "authentication_failed", "role_unknown", "database_unknown", "syntax_error", "raised", "undefined_table"}
PGBENCH = pathlib.Path("/usr/lib/postgresql/15/bin/pgbench")


class Canaries(SystemTest):
    def test_no_canary_is_in_what_a_collector_sends(self):
        for major, reached_min in REACHED_MIN.items():
            if not postgres.available(major):
                self.skipTest(f"PostgreSQL {major} is not installed: ./run setup --postgres {major}")
            with self.subTest(major=major):
                self.watch(major, reached_min)

    def watch(self, major, reached_min):
        formats = {"csv": "csvlog", "log": "stderr", **({"json": "jsonlog"} if major >= 15 else {})}
        plans = "json" if major >= 15 else "text"
        longest = {"log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1"} if major >= 13 else {}
        pg = postgres.Cluster(major, settings={**LOGGED, **longest, "log_destination": ",".join(formats.values()), "auto_explain.log_format": plans})
        self.addCleanup(pg.close)
        pg.create().start().prepare()
        pg.sql(SETUP)

        nowhere = types.SimpleNamespace(address="127.0.0.1", collectors_port=1)   # so that everything waits in the spool
        often = dict.fromkeys(("postgres.plans", "postgres.activity", "postgres.log_counts", "postgres.logged_plans", "postgres.plan_samples"), "1s")
        logs = [{"name": f"{name} of {major}", "host": "127.0.0.1", "port": 1,
                 "logs": {"directory": str(pg.data / "log"), "pattern": f"*.{name}", "format": form, "prefix": log_trouble.PREFIX}} for name, form in formats.items()]
        collector = self.collector(f"collector-{major}", nowhere, [self.target(pg, f"pg{major}", explain=True, logs={"from": "none"}), *logs], token="none",
                                   intervals={**FAST, **often, "postgres.log_events": "200ms"})
        spooled = collector.spooled
        self.eventually("the logs are followed", lambda: collector.log().count("follows the log") == len(formats))
        for entry in canaries.corpus():
            if entry["kind"] != "log":
                run(pg, entry["text"])
        mistakes(pg)
        idle = pg.connect()
        self.addCleanup(idle.close)
        with idle.cursor() as cursor:
            cursor.execute("select 'canary', 70717273, pg_sleep(0.1)")
        remembered = [row[0] for row in pg.sql("select query from pg_stat_statements")]
        self.assertGreater(sum(canaries.leaked(text) is not None for text in remembered), reached_min)
        written = "".join(file.read_text(errors="replace") for file in (pg.data / "log").iterdir())
        self.assertGreater(written.count("canary"), 1500)

        self.eventually(f"the texts of the statements on {major}", lambda: len(
            {row["query"] for row in spooled.rows("postgres.statement_texts") if "people" in row["query"]}) > 20)
        for target in logs:
            for wanted in sorted(CLASSES):
                self.eventually(f"{target['name']} has {wanted}", lambda name=target["name"], wanted=wanted: spooled.rows(
                    "postgres.log_events", name, **{"class": wanted}))
            self.eventually(f"{target['name']} has plans", lambda name=target["name"]: spooled.rows("postgres.logged_plans", name))
        collector.stop()   # which writes what it has
        leaks = {text for text in texts_of(spooled.contents()) if canaries.leaked(text)}
        self.assertFalse(leaks, "\n".join(sorted(leaks)[:20]))
        self.assert_nothing_kept(collector)

    def assert_nothing_kept(self, collector):
        """In its log, its status, and the bytes on its disk."""
        self.assertIsNone(canaries.leaked(collector.log()))
        self.assertIsNone(canaries.leaked((collector.state / "status.json").read_text()))
        for file in collector.state.rglob("*"):
            if file.is_file():
                self.assertFalse([form for form in canaries.FORMS if form.encode() in file.read_bytes()], file)


def mistakes(pg):
    """What the corpus of statements does not reach: values in details, contexts and parameters, and passwords typed as users."""
    pg.sql("""create table card (id int primary key, holder text not null, pin int check (pin < 1000), owner int references card);
              insert into card values (70717273, 'canary', 1, null);
              create function pay(holder text) returns int language plpgsql as
                'begin if holder like ''r%'' then raise exception ''permission denied for customer %'', holder using errcode = ''42501'', detail = holder, hint = holder; end if;
                 perform holder::int; return 1; end'""")
    for text in ("insert into card values (70717273, 'canary', 1, null)", "insert into card values (2, null, 7, 3)", "insert into card values (2, 'canary', 70717273, 3)",
                 "insert into card values (2, 'canary', 2, 707172731)", "select pay('canary')", "select pay('r canary 70717273')", "select 'canary'::regclass",
                 "select 'canary'::date", "select * from no_such_table where a = 'canary'", "load 'canary'", "prepare p(text) as select $1::int", "begin; prepare p(text) as select $1::int; execute p('canary')",
                 "do $$ begin raise log 'statement: canary % ', 70717273; raise warning 'canary'; raise exception 'canary' using detail = 'canary', hint = 'canary'; end $$",
                 "select jsonb '{\"card\": canary 70717273}'", "selec canary 70717273", "select holder from card where holder = 'canary' and id = 70717273 order by holder || 'canary'"):
        run(pg, text)
    session = pg.connect(application="copy")
    for line in ("canary\tcanary\t1\t\\N\n", "70717273\tcanary\t1\t\\N\n", "1\tcanary\n", "5\tcanary\t1\t\\N\n5\tit's \"canary\t1\t\\N\n"):
        try:
            with session.cursor() as cursor:
                cursor.copy_expert("copy card from stdin", io.StringIO(line))
        except psycopg2.Error:
            pass
    session.close()
    for user, database in (("canary", "postgres"), ("my canary 70717273", "postgres"), ("p@ss/canary", "postgres"), ("postgres", "canary"), (postgres.MONITOR, "postgres")):
        try:
            psycopg2.connect(host="127.0.0.1", port=pg.port, dbname=database, user=user, password="canary70717273", connect_timeout=10).close()
        except psycopg2.OperationalError:
            pass
    if PGBENCH.exists():   # parameters by the extended protocol, also of statements that fail
        script = pathlib.Path(pg.directory) / "bound.sql"
        script.write_text("select holder from card where id = :card and holder = :word;\nselect :word::int;\n")
        subprocess.run([PGBENCH, "-n", "-h", "127.0.0.1", "-p", str(pg.port), "-U", "postgres", "-M", "prepared", "-t", "1", "-f", script, "-D", "card=70717273",
                        "-D", "word=canary", "postgres"], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    log_trouble.deadlock(pg, "canary")


class OwnSources(SystemTest):
    """Declarations of somebody's own whose data is not what they say: the reason of the failed reading has no value in it."""

    def test_no_canary_is_in_the_reason_of_a_failed_reading(self):
        pg = cluster(18)
        folder = self.directory / "sources"
        folder.mkdir()
        for name, expression in (("cast", "s.holder::int"), ("bare", "s.holder"), ("divided", "1 / (length(s.holder) - 6)")):
            (folder / f"{name}.yaml").write_text(f"""name: lab.{name}
doc: A source that fails.
scope: instance
interval: 1s
limits: {{ rows: 10, timeout: 1s }}
from: "(SELECT 'canary'::text AS holder) s"
columns:
  card: {{ kind: gauge, unit: cards, sql: "{expression}", needs: [holder], doc: A number that is none. }}
""")
        nowhere = types.SimpleNamespace(address="127.0.0.1", collectors_port=1)
        collector = self.collector("own", nowhere, [self.target(pg, "own")], token="none", sources_dir=folder)
        spooled = collector.spooled
        for name, reason in (("cast", 'invalid input syntax for type integer: "$?"'), ("bare", 'invalid input syntax for type bigint: "$?"'), ("divided", "division by zero")):
            # On a busy machine a reading may end late before it can fail.
            self.eventually(f"lab.{name} says why", lambda name=name, reason=reason: [b for b in spooled.batches(f"lab.{name}") if reason in b["detail"]])
        collector.stop()
        self.assertFalse([text for text in texts_of(spooled.contents()) if canaries.leaked(text)])
        Canaries.assert_nothing_kept(self, collector)


class Lines(SystemTest):
    """Log lines of every class, in every format, with a canary wherever a value can stand."""

    SLICE = 150     # events at a time: fewer than a reading takes of one class

    def test_no_canary_of_any_class_in_any_format_is_in_a_frame(self):
        events = list(canary_logs.corpus())
        self.assertGreater(len(events), 1300)
        files, targets = {}, []
        for name, (options, _) in canary_logs.formats().items():
            folder = self.directory / name
            folder.mkdir()
            files[name] = folder / "server.log"
            files[name].touch()
            # Nobody listens there: what is read is the files.
            targets.append({"name": name, "host": "127.0.0.1", "port": 1, "logs": {"directory": str(folder), "pattern": "server.log", **options}})
        nowhere = types.SimpleNamespace(address="127.0.0.1", collectors_port=1)
        intervals = dict.fromkeys(("postgres.log_events", "postgres.log_counts", "postgres.logged_plans", "postgres.plan_samples"), "200ms")
        collector = self.collector("lines", nowhere, targets, token="none", intervals=intervals)
        spooled = collector.spooled
        self.eventually("every file is followed", lambda: collector.log().count("follows the log") == len(files))

        def seen(name):
            return len(spooled.rows("postgres.log_events", name))

        for at in range(0, len(events), self.SLICE):
            part = events[at:at + self.SLICE]
            for name, (_, write) in canary_logs.formats().items():
                with open(files[name], "a", encoding="utf-8") as out:
                    out.write("".join(write(event, at + number) for number, event in enumerate(part)))
            self.eventually("they are read", lambda end=at + len(part): all(seen(name) >= end for name in files), 60)
        for name in files:
            self.assertEqual(seen(name), len(events), f"each line of {name} is one event")
        collector.stop()

        self.assertGreater(len(canary_logs.classes()), 115)
        for name, (options, _) in canary_logs.formats().items():
            expected = canary_logs.classes(has_sqlstate="%e" in options.get("prefix", "%e"))
            self.assertEqual(expected - {row["class"] for row in spooled.rows("postgres.log_events", name)}, set(), f"classes that {name} did not have")
        self.assertFalse([row for row in spooled.rows("postgres.log_events") if row["class"] in ("unknown", "unparsed") and row["message"]])
        self.assertFalse([b for b in spooled.batches("postgres.log_events") if b["outcome"] == "limit"], "every event was looked at")
        leaks = {text for text in texts_of(spooled.contents()) if canaries.leaked(text)}
        self.assertFalse(leaks, "\n".join(sorted(leaks)[:20]))
        Canaries.assert_nothing_kept(self, collector)


def run(pg, text):
    """Runs a statement in a session of its own; most of the corpus fails somewhere, as it does in life."""
    session = pg.connect()
    try:
        with session.cursor() as cursor:
            cursor.execute(text)
    except psycopg2.Error:
        pass
    finally:
        session.close()


def texts_of(value):
    """Every string in the content of frames."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from texts_of(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from texts_of(part)
