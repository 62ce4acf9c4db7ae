"""Clocks that are set wrong while the programs run: what is refused says why, what was acknowledged is stored, and all goes on afterwards."""

import glob
import time

from support import SystemTest, shop_cluster

from lab import store

HOUR, DAY = 3_600, 86_400
NOW = time.time()
STEPS = {"an hour ahead": HOUR, "an hour back": -HOUR, "ten days ahead": 10 * DAY, "1970": 60 - NOW, "2038": 2**31 + 60 - NOW}


class Clock:
    """The wall clock of one program, through libfaketime; the steady one goes on as it is."""

    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        self.file = directory / "clock"
        self.step(0)
        library = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")[0]
        self.env = {"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    "FAKETIME_CACHE_DURATION": "1", "NO_FAKE_STAT": "1"}

    def step(self, seconds):
        self.file.write_text(f"{seconds:+.0f}", encoding="ascii")


class Clocks(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = shop_cluster()
        cls.clock = Clock(cls.directory / "server clock")
        cls.watched = cls.server(env=cls.clock.env)

    def acked(self, collector):
        return collector.status()["frames_acked"]

    def assert_nothing_acknowledged_is_missing(self, collectors):
        """Rows that were refused for their time are not among those that a collector was told are stored."""
        for collector in collectors:
            collector.stop()
            self.assertEqual(collector.status()["spool_records"], 0, collector.status()["state"])
        rows = sum(collector.status()["rows_acked"] for collector in collectors)
        self.eventually("every acknowledged row is in the store", lambda: store.rows_kept(self.watched.engine) == rows, 30)
        self.assertEqual(store.doubled(self.watched.engine), {})

    def test_steps(self):
        honest = self.collector("honest", self.watched, [self.target(self.pg, "honest")]).wait_pushed()
        clock = Clock(self.directory / "collector clock")
        wrong = self.collector("wrong", self.watched, [self.target(self.pg, "wrong")], env=clock.env).wait_pushed()
        for what, seconds in STEPS.items():
            with self.subTest("the collector's clock", step=what):
                before = self.acked(honest)
                clock.step(seconds)
                time.sleep(4)
                clock.step(0)
                after = self.acked(wrong)
                self.eventually("it goes on", lambda after=after: self.acked(wrong) >= after + 3, 60)
                self.assertGreaterEqual(self.acked(honest), before + 3)
                self.assertIsNone(wrong.child.process.poll())
        self.eventually("nothing waits", lambda: wrong.status()["spool_records"] <= 1, 60)
        details = {row["detail"] for row in self.watched.engine.query("SELECT DISTINCT detail FROM pganalytics.batches WHERE detail LIKE '%since 1970%'")}
        self.assertTrue(any("more than 5 minutes after its arrival" in d for d in details), details)
        self.assertTrue(any("more than 7 days before its arrival" in d for d in details), details)
        shown = next(c for c in self.watched.login().get("/collectors")["items"] if c["name"] == "wrong")
        self.assertTrue(any("since 1970" in (f["detail"] or "") for f in shown["failed"]), shown["failed"])

        for what, seconds in STEPS.items():
            with self.subTest("the server's clock", step=what):
                self.clock.step(seconds)
                time.sleep(4)
                self.clock.step(0)
                before = self.acked(honest)
                self.eventually("it goes on", lambda before=before: self.acked(honest) >= before + 3, 90)
                self.assertIsNone(self.watched.child.process.poll())
        self.assertRegex(honest.log(), "the server's clock was set (3600|3599) s back")
        self.assertEqual(honest.status()["frames_quarantined"], 0)
        self.eventually("nothing waits", lambda: honest.status()["spool_records"] <= 1 and wrong.status()["spool_records"] <= 1, 90)
        refused = self.watched.engine.value("SELECT sum(1) AS n FROM pganalytics.batches WHERE detail LIKE '%since 1970%' AND "
                                            "collector = (SELECT any(collector) FROM pganalytics.batches WHERE "
                                            f"toString(epoch) = '{honest.status()['epoch']}')")
        self.assertEqual(refused, 0, "a wrong clock of the server cost honest readings")
        self.assert_nothing_acknowledged_is_missing([honest, wrong])
