"""What the system tests share: one PostgreSQL per major version, directories that go away, the product around them."""

import atexit
import pathlib
import shutil
import tempfile
import time
import unittest

import yaml

from lab import machine, postgres, programs, shop
from lab.machine import LabError, wait_until

_clusters = {}
FAST = {"postgres.statements": "1s", "postgres.statement_texts": "1s", "postgres.tables": "1s", "postgres.indexes": "1s",
        "postgres.databases": "1s", "postgres.instance": "1s"}


def every_source(interval):
    """All sources of PostgreSQL, read that often: for `intervals`."""
    names = [yaml.safe_load(path.read_text(encoding="utf-8"))["name"] for path in (machine.ROOT / "catalog/postgres").glob("*.yaml")]
    return dict.fromkeys(sorted(names), interval)


def cluster(major):
    """The shared cluster of a major version, with the monitoring role; a test that needs it is skipped where it is not installed."""
    if major not in _clusters:
        if not postgres.available(major):
            raise unittest.SkipTest(f"PostgreSQL {major} is not installed: ./run setup --postgres {major}")
        _clusters[major] = postgres.Cluster(major).create().start().prepare()
        atexit.register(_clusters[major].close)
    return _clusters[major]


def shop_cluster():
    """PostgreSQL 18 with the shop's schema and data."""
    shared = cluster(18)
    if not hasattr(shared, "has_shop"):
        shop.create(shared)
        shared.has_shop = True
    return shared


class SystemTest(unittest.TestCase):
    """A test class with a directory of its own and everything it started stopped at the end, newest first."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="pga-test-"))
        cls.directory.chmod(0o755)
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.programs_of_ours = []

    def last_words(self):
        """The ends of the logs of our programs that run, for who looks at a failure."""
        return [program.child.tail(12) for program in self.programs_of_ours if program.child is not None]

    @classmethod
    def server(cls, name="server", **more):
        server = programs.Server(cls.directory / name, **more).create()
        cls.addClassCleanup(server.stop)
        cls.programs_of_ours.append(server)
        return server.start()

    @classmethod
    def collector(cls, name, server, targets, start=True, **more):
        more.setdefault("intervals", FAST)
        more.setdefault("ship_interval", "1s")
        collector = programs.Collector(cls.directory / name, server, targets, name=name, **more)
        cls.addClassCleanup(collector.stop)
        cls.programs_of_ours.append(collector)
        return collector.start() if start else collector

    @classmethod
    def target(cls, cluster, name, **more):
        return programs.target(cluster, name, cls.directory / "secrets", **more)

    def eventually(self, what, check, seconds=30):
        """Waits until check() is true and returns what it gave; failing is a failed test, not an error."""
        try:
            return wait_until(what, check, seconds, pause=0.2)
        except LabError as error:
            self.fail(str(error))


def server_named(api, name):
    """The server's entry in the list of the last minutes, or None."""
    now = int(time.time() * 1000)
    for entry in api.get("/servers", from_=now - 600_000, to=now + 1000)["servers"]:
        if entry["name"] == name:
            return entry
    return None


def rows_of(api, server_id, source, **more):
    """Rows of a source as dictionaries by column name, over the last ten minutes."""
    now = int(time.time() * 1000)
    answer = api.get(f"/servers/{server_id}/sources/{source}", from_=now - 600_000, to=now + 1000, limit=1000, **more)
    names = [column["name"] for column in answer["source"]["columns"]]
    return [dict(zip(names, row)) for row in answer["rows"]]


__all__ = ["FAST", "LabError", "SystemTest", "cluster", "every_source", "machine", "postgres", "programs", "rows_of", "server_named", "shop",
           "shop_cluster", "wait_until"]
