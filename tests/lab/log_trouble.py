"""Makes a PostgreSQL server write what DBAs look for in logs: deadlocks, waits, cancels, failed logins, a crash, and more.

Every literal in it has CANARY inside: none may leave the host.

  PYTHONPATH=tests python3 -m lab.log_trouble DIRECTORY 12 15 18      records src/logs/testdata anew
"""

import os
import pathlib
import signal
import sys
import threading
import time

import psycopg2

from lab import machine, postgres

CANARY = "Zaunkoenig4711"
NUMBER = "4711004711"  # what stands for a card number: a literal without quotes
SETTINGS = {
    "logging_collector": "on", "log_directory": "log", "log_filename": "postgresql.log", "log_rotation_size": "0",
    "log_rotation_age": "0", "log_checkpoints": "on", "log_lock_waits": "on", "log_temp_files": "0", "log_autovacuum_min_duration": "0",
    "deadlock_timeout": "20ms", "autovacuum_naptime": "1s", "log_timezone": "UTC", "work_mem": "64kB", "log_error_verbosity": "default",
    "log_replication_commands": "on", "restart_after_crash": "on", "max_connections": "30", "fsync": "off",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
}
# Of the sessions that are to be told of in full.
LOUD = "-c log_connections=on -c log_disconnections=on -c log_min_duration_statement=0 -c auto_explain.log_min_duration=0"
PREFIX = "%m [%p] %q%u@%d/%a %h %e "


def settings(major, destinations=None, prefix=PREFIX):
    every = "stderr,csvlog" + (",jsonlog" if major >= 15 else "")
    return {**SETTINGS, "log_destination": destinations or every, "log_line_prefix": prefix}


def quietly(connection, text, *parameters):
    try:
        with connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else []
    except psycopg2.Error:
        return []


def deadlock(pg, canary=CANARY):
    """Two sessions that take two rows in opposite order."""
    pg.sql("create table if not exists dead (id int primary key, note text)")
    pg.sql("insert into dead values (1, 'a'), (2, 'b') on conflict do nothing")
    one, two = pg.connect(application="left"), pg.connect(application="right")
    try:
        for connection, row in ((one, 1), (two, 2)):
            quietly(connection, "begin")
            quietly(connection, f"update dead set note = '{canary}-first' where id = {row}")
        waiting = threading.Thread(target=quietly, args=(one, f"update dead set note = '{canary}-left'\n where id = 2"))
        waiting.start()
        machine.wait_until("the left one waits", lambda: pg.sql("select 1 from pg_locks where not granted"))
        quietly(two, f"update dead set note = '{canary}-right' where id = 1")
        waiting.join()
    finally:
        one.close()
        two.close()


def lock_wait(pg):
    """A session that waits longer than deadlock_timeout, and gets its lock."""
    holder, waiter = pg.connect(application="holder"), pg.connect(application="waiter")
    try:
        quietly(holder, "begin")
        quietly(holder, "lock table dead in access exclusive mode")
        waiting = threading.Thread(target=quietly, args=(waiter, f"select * from dead where note = '{CANARY}-wait'"))
        waiting.start()
        machine.wait_until("the log has the wait", lambda: pg.sql(
            "select 1 from pg_locks l join pg_stat_activity a using (pid) where not granted and now() - a.query_start > interval '60 ms'"))
        quietly(holder, "commit")
        waiting.join()
        quietly(holder, "begin")
        quietly(holder, "lock table dead in access exclusive mode")
        quietly(waiter, "set lock_timeout = '30ms'")
        quietly(waiter, f"select * from dead where note = '{CANARY}-timeout'")
    finally:
        holder.close()
        waiter.close()


def mistakes(pg):
    """What applications do wrong, each with a literal."""
    pg.sql("create table if not exists shop (id int primary key, name text not null check (name <> 'x'), parent int references shop)")
    pg.sql("create or replace function crash_course(v text) returns int language plpgsql as 'begin return v::int; end'")
    session = pg.connect(application="mistakes", options=LOUD)
    for text in (f"insert into shop values (1, '{CANARY}-one')", f"insert into shop values (1, '{CANARY}-two')",
                 f"insert into shop values (2, '{CANARY}-three', {NUMBER[:6]})", "insert into shop values (3, 'x')",
                 f"insert into shop values ({NUMBER[:7]}, null)", f"select '{CANARY}'::int", f"select crash_course('{CANARY}-plpgsql')",
                 f"select 1/0, '{CANARY}'", f"selec '{CANARY}'", f"select * from shop where name = \"{CANARY}-quoted\"",
                 f"select * from nothing where a = '{CANARY}'", f"select nothing('{CANARY}')", f"select '{CANARY}'\n,\n  {NUMBER}",
                 f"alter role postgres password '{CANARY}-role'", f"alter role postgres password {CANARY}", f"select 99999999999999999999::int, '{CANARY}'",
                 f"do $$ begin raise exception 'card {NUMBER} of {CANARY}'; end $$", f"do $$ begin raise log 'told {CANARY}'; end $$",
                 f"do $$ begin raise warning 'process {NUMBER[:4]} saw {CANARY}' using detail = '{CANARY}', hint = '{CANARY}'; end $$",
                 f"copy shop from program 'echo {CANARY}'", f"create subscription s connection 'password={CANARY}' publication p",
                 "begin", f"select '{CANARY}'::date", "select 1", "rollback", f"prepare p(text) as select $1, '{CANARY}'",
                 f"execute p('{CANARY}-parameter')", f"set application_name = '{CANARY[:4]}'", "set application_name = 'mistakes'",
                 f"select count(*) from (select * from generate_series(1, 30000) g order by md5(g::text || '{CANARY}')) s",
                 "set statement_timeout = '30ms'", f"select pg_sleep(5), '{CANARY}'", "set statement_timeout = 0",
                 "set idle_in_transaction_session_timeout = '30ms'", "begin"):
        quietly(session, text)
    machine.wait_until("the session is ended", lambda: not pg.sql("select 1 from pg_stat_activity where application_name = 'mistakes'"))
    session.close()
    victim = pg.connect(application="victim")
    pid = victim.get_backend_pid()
    sleeping = threading.Thread(target=quietly, args=(victim, f"select pg_sleep(60), '{CANARY}-sleep'"))
    sleeping.start()
    machine.wait_until("it sleeps", lambda: pg.sql("select 1 from pg_stat_activity where pid = %s and wait_event = 'PgSleep'", (pid,)))
    pg.sql("select pg_cancel_backend(%s)", (pid,))
    sleeping.join()
    pg.sql("select pg_terminate_backend(%s)", (pid,))
    victim.close()


def refused(pg):
    """Logins that fail; the second one is a password in the place of a user."""
    for user, password in ((postgres.MONITOR, f"{CANARY}-password"), (f"{CANARY}-user", None), ("postgres", None)):
        database = f"{CANARY}-db" if user == "postgres" else "postgres"
        try:
            psycopg2.connect(host="127.0.0.1", port=pg.port, dbname=database, user=user, password=password, connect_timeout=10).close()
        except psycopg2.OperationalError:
            pass


def greeted(pg):
    """Connections of one moment in which they are logged."""
    for value in ("on", "off"):
        pg.sql(f"alter system set log_connections = {value}")
        pg.sql("select pg_reload_conf()")
        machine.wait_until("the setting is in force", lambda v=value: pg.sql("show log_connections") in ([(v,)], [("",)] if v == "off" else [("all",)]))
        refused(pg)


def upkeep(pg):
    """A checkpoint, an autovacuum and a reload."""
    # Autovacuum may not come before the rows are deleted: many that are inserted are reason enough for it.
    pg.sql("create table if not exists churn with (autovacuum_enabled = off) as select g as id, md5(g::text) as t from generate_series(1, 5000) g")
    pg.sql("delete from churn where id % 2 = 0")
    pg.sql("alter table churn set (autovacuum_enabled = on, autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0, autovacuum_analyze_threshold = 1)")
    pg.sql("checkpoint")
    pg.sql("alter system set log_min_error_statement = 'error'")
    pg.sql(f"alter system set archive_command = 'false {CANARY}'")
    pg.sql("select pg_reload_conf()")
    # It comes again when a snapshot of somebody else kept the rows, and writes its line of the log after it has counted what it did.
    machine.wait_until("churn is vacuumed", lambda: pg.sql(
        "select 1 from pg_stat_user_tables where relname = 'churn' and autovacuum_count > 0 and autoanalyze_count > 0 and n_dead_tup = 0 "
        "and not exists (select from pg_stat_activity where backend_type = 'autovacuum worker' and query like '%churn%')"), 60)


def crash(pg):
    """kill -9 of one backend: the server restarts all of them."""
    victim = pg.connect(application="doomed")
    started = pg.sql("select pg_postmaster_start_time()")
    sleeping = threading.Thread(target=quietly, args=(victim, f"select pg_sleep(60), '{CANARY}-crash'"))
    pid = victim.get_backend_pid()
    sleeping.start()
    machine.wait_until("it sleeps", lambda: pg.sql("select 1 from pg_stat_activity where pid = %s and wait_event = 'PgSleep'", (pid,)))
    os.kill(pid, signal.SIGKILL)
    sleeping.join()
    victim.close()

    def back():
        try:
            return pg.sql("select pg_postmaster_start_time()") == started
        except psycopg2.OperationalError:
            return False

    machine.wait_until("the server is back", back, 60)


def everything(pg):
    for cause in (deadlock, lock_wait, mistakes, greeted, upkeep, crash):
        cause(pg)


def record(major, out):
    """The three logs of one version, as the server wrote them."""
    pg = postgres.Cluster(major, settings=settings(major))
    try:
        pg.create().start().prepare()
        everything(pg)
        pg.stop()
        for suffix in ("log", "csv", "json"):
            source = pg.data / "log" / f"postgresql.{suffix}"
            if source.exists():
                (out / f"{major}.{suffix}").write_bytes(source.read_bytes())
    finally:
        pg.close()


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    for number in sys.argv[2:]:
        begun = time.monotonic()
        record(int(number), folder)
        print(f"{number}: {time.monotonic() - begun:.1f} s", {p.name: p.stat().st_size for p in sorted(folder.glob(f"{number}.*"))}, flush=True)
