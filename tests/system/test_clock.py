"""Clocks that are set wrong while the programs run: what is refused says why, what was acknowledged is stored, and all goes on afterwards."""

import re
import time

from support import SystemTest, shop_cluster, wait_until

from lab import store
from lab.api import Api
from lab.wall_clock import WallClock

HOUR, DAY = 3_600, 86_400
NOW = time.time()
STEPS = {"an hour ahead": HOUR, "an hour back": -HOUR, "ten days ahead": 10 * DAY, "1970": 60 - NOW, "2038": 2**31 + 60 - NOW}
# What the collector is told while its server's clock is wrong.
TOLD = {"an hour back": "the server's clock was set 3600 s back", "ten days ahead": "certificate expired",
        "1970": "a time before 2020|certificate", "2038": "certificate expired"}
# What the server says to who watches it.
UNREADY = {"an hour back": "the server's clock was set 3600 s back", "ten days ahead": "the server's clock was set 864000 s ahead",
           "1970": "a time before 2020", "2038": r"the server's clock was set \d+ s ahead"}


class Clocks(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = shop_cluster()
        cls.clock = WallClock(cls.directory / "clock_of_server", "pganalytics-server")
        cls.watched = cls.server(env=cls.clock.env)

    def acked(self, collector):
        return collector.status()["frames_acked"]

    def made(self, collector):
        return collector.status()["sequence"]

    def unready(self, why):
        status, _, body = Api(self.watched.people_port).raw("GET", "/-/ready")
        return status == 503 and re.search(why, body.decode())

    def goes_on(self, collector, since=None):
        acked = self.acked(collector) if since is None else since
        self.eventually(f"{collector.name} goes on", lambda: self.acked(collector) >= acked + 3, 60)

    def nothing_acknowledged_is_missing(self, collectors):
        """Rows that were refused for their time are not among those that a collector was told are stored."""
        rows = sum(collector.status()["rows_acked"] for collector in collectors)
        self.eventually("every acknowledged row is in the store", lambda: store.rows_kept(self.watched.engine) == rows, 30)
        self.assertEqual(store.doubled(self.watched.engine), {})

    def test_steps(self):
        honest = self.collector("honest", self.watched, [self.target(self.pg, "honest")]).wait_pushed()
        clock = WallClock(self.directory / "clock_of_wrong", "pganalytics-collector")
        wrong = self.collector("wrong", self.watched, [self.target(self.pg, "wrong")], env=clock.env).wait_pushed()
        for what, seconds in STEPS.items():
            with self.subTest("the collector's clock", step=what):
                made, acked = self.made(wrong), self.acked(honest)
                clock.step(seconds)
                self.eventually("it goes on reading", lambda made=made: self.made(wrong) >= made + 3)
                self.goes_on(honest, acked)
                clock.step(0)
                self.goes_on(wrong)
                self.assertTrue(wrong.child.alive())
        self.eventually("nothing waits", lambda: wrong.status()["spool_records"] <= 1, 60)
        for why in ("more than 5 minutes after its arrival", "more than 7 days before its arrival"):
            self.eventually(f"refused and stored: {why}", lambda why=why: self.watched.engine.value(
                f"SELECT count() AS n FROM pganalytics.batches WHERE detail LIKE '%since 1970%' AND detail LIKE '%{why}%'") > 0)
        api = self.watched.login()

        def shown():
            failed = next(c for c in api.get("/collectors")["items"] if c["name"] == "wrong")["failed"]
            return any("since 1970" in (f["detail"] or "") for f in failed)
        self.eventually("the collectors page shows it", shown)

        for what, seconds in STEPS.items():
            with self.subTest("the server's clock", step=what):
                made, acked = self.made(honest), self.acked(honest)
                self.clock.step(seconds)
                if what in TOLD:
                    self.eventually("it says why", lambda what=what: self.unready(UNREADY[what]))
                    self.eventually("the collector is told", lambda what=what: re.search(TOLD[what], honest.status()["state"]))
                    self.eventually("the collector goes on reading", lambda made=made: self.made(honest) >= made + 3)
                else:
                    self.goes_on(honest, acked)
                self.clock.step(0)
                self.goes_on(honest)
                self.assertTrue(self.watched.child.alive())
        self.assertEqual(honest.status()["frames_quarantined"], 0)
        self.eventually("nothing waits", lambda: honest.status()["spool_records"] <= 1 and wrong.status()["spool_records"] <= 1, 60)
        refused = self.watched.engine.value("SELECT sum(1) AS n FROM pganalytics.batches WHERE detail LIKE '%since 1970%' AND "
                                            "collector = (SELECT any(collector) FROM pganalytics.batches WHERE "
                                            f"toString(epoch) = '{honest.status()['epoch']}')")
        self.assertEqual(refused, 0, "a wrong clock of the server cost honest readings")
        for collector in (honest, wrong):
            collector.stop()
            self.assertEqual(collector.status()["spool_records"], 0, collector.status()["state"])
        self.nothing_acknowledged_is_missing([honest, wrong])

        # The retention is applied as soon as a server runs.
        self.watched.stop()
        log = self.watched.directory / "server.log"
        starts = log.read_text().count("collectors on")
        self.watched.launch()
        wait_until("it listens", lambda: log.read_text().count("collectors on") > starts, 30, self.watched.child, pause=0.005)
        self.clock.step(10 * DAY)
        self.eventually("it says why", lambda: self.unready("the server's clock was set 864000 s ahead"))
        time.sleep(2)   # a server that doubts its clock does nothing here that could be waited for
        self.clock.step(0)
        self.eventually("it is ready", self.watched.ready)
        self.nothing_acknowledged_is_missing([honest, wrong])
