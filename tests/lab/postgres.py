"""Throw-away PostgreSQL clusters: the npm test servers of any major version, or Debian's 15. Never as root."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import psycopg2

from lab import machine
from lab.machine import LabError

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "wal_level": "logical",
    "max_wal_senders": "8",
    "max_replication_slots": "8",
    "track_io_timing": "on",
    "pg_stat_statements.max": "5000",
    "fsync": "off",  # a throw-away cluster: what is tested is our durability, not PostgreSQL's
    "hot_standby": "on",
}
MONITOR = "pganalytics"  # the role of the collector
MONITOR_PASSWORD = "monitor's \\ pass:word"  # awkward on purpose: quoting and .pgpass escaping are exercised everywhere


def bin_directory(major):
    """The folder with postgres and initdb of a major version."""
    for place in (machine.cache() / f"postgres/{major}/native/bin", pathlib.Path(f"/usr/lib/postgresql/{major}/bin")):
        if (place / "postgres").exists():
            return place
    raise LabError(f"PostgreSQL {major} is not there: ./run setup --postgres {major} installs it")


def available(major):
    try:
        return bool(bin_directory(major))
    except LabError:
        return False


def as_server_user(*args):
    """Runs a command as the user of the PostgreSQL server and returns its output."""
    user = machine.unprivileged()
    drop = [] if user is None else ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    done = subprocess.run([*drop, *map(str, args)], capture_output=True, text=True, cwd="/", stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise LabError(f"{args[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


class Cluster:
    """One PostgreSQL server in a directory of its own. close() removes it."""

    def __init__(self, major, directory=None, settings=None):
        self.major = major
        self.bin = bin_directory(major)
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix=f"pga-pg{major}-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        user = machine.unprivileged()
        if user is not None:
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.data = self.directory / "data"
        self.port = machine.free_port()
        self.child = None
        self.settings = {**SETTINGS, **(settings or {})}

    def create(self):
        """initdb, and a pg_hba.conf under which everybody is trusted but the monitoring role needs its password."""
        as_server_user(self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                       "--locale=C.UTF-8", "-k", "--no-sync")
        hba = self.data / "pg_hba.conf"
        hba.write_text(f"host all {MONITOR} 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
        return self

    def start(self):
        lines = {**self.settings, "port": self.port, "unix_socket_directories": self.directory,
                 "password_encryption": "scram-sha-256"}
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            for key, value in lines.items():
                conf.write(f"{key} = '{value}'\n")
        # SIGINT is PostgreSQL's fast shutdown, also when the kernel sends it because we died.
        self.child = machine.Child(f"postgres {self.major}", [self.bin / "postgres", "-D", self.data],
                                   self.directory / "log", user=machine.unprivileged(), death=signal.SIGINT)
        machine.wait_until(f"PostgreSQL {self.major} answers", lambda: self.sql("select 1"), child=self.child)
        return self

    def prepare(self, databases=()):
        """The monitoring role, pg_stat_statements, and more databases that have it too."""
        self.sql(f"create role {MONITOR} login password %s", (MONITOR_PASSWORD,))
        self.sql(f"grant pg_monitor to {MONITOR}")
        for name in databases:
            self.sql(f"create database {quote(name)}")
        for name in ("postgres", *databases):
            self.sql("create extension if not exists pg_stat_statements", database=name)
        return self

    def connect(self, database="postgres", user="postgres", application="lab", **more):
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, dbname=database, user=user,
                                      application_name=application, connect_timeout=10, **more)
        connection.autocommit = True
        return connection

    def sql(self, text, parameters=None, database="postgres"):
        """Runs one statement as superuser and returns its rows."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def standby(self, directory=None):
        """A streaming standby of this cluster, which is stopped for the copy and started again."""
        other = Cluster(self.major, directory, {**self.settings, "cluster_name": "standby"})
        other.bin = self.bin
        self.stop()
        as_server_user("cp", "-a", self.data, other.data)
        for slot in (other.data / "pg_replslot").iterdir():
            shutil.rmtree(slot)
        (other.data / "standby.signal").touch()
        with open(other.data / "postgresql.auto.conf", "a", encoding="utf-8") as conf:
            conf.write(f"primary_conninfo = 'host=127.0.0.1 port={self.port} user=postgres application_name=standby'\n")
        self.start()
        other.start()
        machine.wait_until("the standby streams", lambda: self.sql(
            "select 1 from pg_stat_replication where state = 'streaming'"), child=other.child)
        return other

    def stop(self):
        if self.child is not None:
            child, self.child = self.child, None
            child.stop(signal.SIGINT, 30)

    def close(self):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


def quote(name):
    return '"' + name.replace('"', '""') + '"'
