"""A throw-away PgBouncer in front of a throw-away PostgreSQL: Debian's, never as root."""

import os
import pathlib
import shutil

import psycopg2

from lab import machine
from lab.machine import LabError

PROGRAM = pathlib.Path("/usr/sbin/pgbouncer")
MONITOR = "mon"  # may look at the console and do nothing else
MONITOR_PASSWORD = "mon's pass word"
APPLICATION_PASSWORD = "application"


def available():
    return PROGRAM.exists()


class Pgbouncer:
    """Pools of `pool_size` connections for each database of the cluster, in transaction mode."""

    def __init__(self, cluster, directory, pool_size=2):
        self.cluster = cluster
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.port = machine.free_port()
        self.child = None
        users = self.directory / "users.txt"
        users.write_text(f'"postgres" "{APPLICATION_PASSWORD}"\n"{MONITOR}" "{MONITOR_PASSWORD}"\n')
        self.config = self.directory / "pgbouncer.ini"
        self.config.write_text(f"""
[databases]
* = host=127.0.0.1 port={cluster.port} pool_size={pool_size}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = postgres
stats_users = {MONITOR}
pool_mode = transaction
""")
        user = machine.unprivileged()
        if user is not None:
            for path in (self.directory, users, self.config):
                os.chown(path, user.pw_uid, user.pw_gid)

    def start(self):
        user = machine.unprivileged()
        self.child = machine.Child("pgbouncer", [PROGRAM, self.config], self.directory / "pgbouncer.log",
                                   user=user)
        machine.wait_until("pgbouncer answers", self.answers, 10, self.child)
        return self

    def answers(self):
        try:
            self.show("VERSION")
            return True
        except psycopg2.OperationalError:
            return False

    def connect(self, database="postgres", **more):
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", password=APPLICATION_PASSWORD, dbname=database,
                                      **more)
        connection.autocommit = True
        return connection

    def show(self, what):
        """The answer of the console, as dictionaries."""
        connection = self.connect("pgbouncer")
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SHOW {what}")
                names = [column.name for column in cursor.description]
                return [dict(zip(names, row)) for row in cursor.fetchall()]
        finally:
            connection.close()

    def stop(self):
        if self.child is not None:
            child, self.child = self.child, None
            child.stop()

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def target(pgbouncer, name, directory, password=MONITOR_PASSWORD, **more):
    """A target of a collector's configuration."""
    file = pathlib.Path(directory) / f"{name}.password"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(password)
    file.chmod(0o600)
    return {"name": name, "kind": "pgbouncer", "host": "127.0.0.1", "port": pgbouncer.port, "user": MONITOR, "password_file": str(file), **more}


__all__ = ["LabError", "Pgbouncer", "available", "target"]
