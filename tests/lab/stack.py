"""The whole product around one workload: PostgreSQL with a standby, server with engine, two collectors."""

import pathlib
import shutil
import sys

from lab import machine, programs, shop
from lab.postgres import Cluster
# Shorter than the catalogue's, so that a person sees something within a minute; what the collector costs is measured with these.
LOGS = {"logging_collector": "on", "log_destination": "csvlog", "log_lock_waits": "on", "log_temp_files": "0", "log_checkpoints": "on",
        "log_autovacuum_min_duration": "0"}
INTERVALS = {"postgres.statements": "10s", "postgres.statement_texts": "10s", "postgres.databases": "10s", "postgres.tables": "15s", "postgres.indexes": "15s"}


class Stack:
    """start() brings everything up in order, stop() takes it down in the other; directory is removed by the owner."""

    def __init__(self, directory, major=18, say=print, ship_interval="5s"):
        self.directory = pathlib.Path(directory)
        self.major = major
        self.say = say
        self.ship_interval = ship_interval
        self.primary = self.standby = self.server = self.workload = None
        self.collectors = {}

    def start(self):
        self.start_databases()
        self.start_server()
        self.start_collectors()
        return self

    def start_databases(self):
        self.say(f"PostgreSQL {self.major} with a streaming standby")
        self.primary = Cluster(self.major, self.directory / "primary", LOGS).create().start().prepare()
        self.standby = self.primary.standby(self.directory / "standby")
        self.say("schema and data of a shop")
        shop.create(self.primary)
        helpers = (machine.ROOT / "docs/sql/helper-schema.sql").read_text(encoding="utf-8")
        for (database,) in self.primary.sql("select datname from pg_database where datallowconn and not datistemplate"):
            self.primary.sql(helpers, database=database)
            self.primary.sql("create extension if not exists pgstattuple", database=database)
        self.primary.sql("create extension if not exists pg_buffercache")

    def start_server(self):
        self.say("server and engine")
        self.server = programs.Server(self.directory / "server").create().start()

    def start_collectors(self):
        self.say("two collectors: the primary with its host, the standby")
        for name, cluster, host in (("primary", self.primary, True), ("standby", self.standby, False)):
            directory = self.directory / f"collector-{name}"
            self.collectors[name] = programs.Collector(
                directory, self.server, [programs.target(cluster, name, directory)], name=f"collector {name}", host=host,
                ship_interval=self.ship_interval, intervals=INTERVALS).start()
        for collector in self.collectors.values():
            collector.wait_pushed(60)

    def start_workload(self, seconds=None):
        args = ["/usr/bin/python3", "-B", "-m", "lab.shop", "--port", self.primary.port]
        if seconds:
            args += ["--seconds", seconds]
        self.workload = machine.Child("workload", args, self.directory / "workload.log",
                                      env={"PYTHONPATH": str(machine.ROOT / "tests")})

    def children(self):
        """[(name, child)] of everything that should be running."""
        parts = [("server", self.server)] + [(c.name, c) for c in self.collectors.values()] + \
                [("primary", self.primary), ("standby", self.standby)]
        return [(name, part.child) for name, part in parts if part is not None and part.child is not None]

    def stop_pushing(self):
        """Workload and collectors end in order; what was collected is flushed. The server stays, so that it can be asked."""
        if self.workload is not None:
            self._quietly("workload", self.workload.stop)
            self.workload = None
        for collector in self.collectors.values():
            self._quietly(collector.name, collector.stop)

    def stop(self):
        self.stop_pushing()
        for part in (self.server, self.standby, self.primary):
            if part is not None:
                self._quietly(type(part).__name__, part.stop)

    def _quietly(self, name, stop):
        try:
            stop()
        except machine.LabError as error:
            print(f"[stop] {name}: {error}", file=sys.stderr, flush=True)

    def close(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
