"""From the spool to the server: several addresses, an outage, and what goes first after it."""

import time

from support import SystemTest, machine, shop_cluster


class Delivery(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = shop_cluster()
        cls.watched = cls.server()

    def sequences(self, collector):
        """[(sequence, when it arrived)] of the collector's frames in the store, in order of arrival."""
        rows = self.watched.engine.query("SELECT DISTINCT sequence, toUnixTimestamp64Micro(received) AS at FROM pganalytics.batches "
                                         f"WHERE toString(epoch) = '{collector.status()['epoch']}' ORDER BY at")
        return [(int(row["sequence"]), int(row["at"])) for row in rows]

    def test_an_address_that_is_dead_is_passed_over(self):
        dead = f"https://127.0.0.1:{machine.free_port()}"
        alive = f"https://127.0.0.1:{self.watched.collectors_port}"
        collector = self.collector("two addresses", self.watched, [self.target(self.pg, "two addresses")], server_more={"url": [dead, alive]})
        collector.wait_pushed()
        self.assertIn(f"requests go to {alive} from now on", collector.log())
        self.eventually("it says where it is connected", lambda: alive in collector.status()["state"], 10)
        self.assertEqual(collector.status()["frames_quarantined"], 0)

    def test_after_an_outage_the_newest_frame_goes_first(self):
        collector = self.collector("away", self.watched, [self.target(self.pg, "away")]).wait_pushed()
        self.eventually("nothing waits", lambda: collector.status()["spool_records"] <= 1, 30)
        self.watched.kill()
        # The status is older than the last answers of the server until it says that there are none.
        cut_off = self.eventually("it sees that nobody answers", lambda: not (status := collector.status())["state"].startswith("connected to") and status, 30)
        before = cut_off["acknowledged_sequence"]
        self.eventually("frames wait", lambda: collector.status()["spool_records"] >= 8, 30)
        self.assertEqual(collector.status()["acknowledged_sequence"], before)
        waiting = collector.status()["sequence"]
        self.watched.start()
        self.eventually("nothing waits any more", lambda: collector.status()["acknowledged_sequence"] > waiting, 60)
        collector.stop()
        self.assertEqual(collector.status()["spool_records"], 0)
        last = collector.status()["acknowledged_sequence"]
        self.eventually("every frame is in the store", lambda: sorted(s for s, _ in self.sequences(collector)) == list(range(1, last + 1)), 30)
        arrived = [sequence for sequence, _ in self.sequences(collector)]
        first = next(sequence for sequence in arrived if sequence > before + 1)  # that one may have arrived before the end
        self.assertGreaterEqual(first, waiting - 1, arrived)

    def test_a_stopped_server_leaves_the_collector_small(self):
        collector = self.collector("small", self.watched, [self.target(self.pg, "small")]).wait_pushed()
        self.watched.kill()
        time.sleep(15)
        resident = machine.resident_kib(collector.child.pid)
        self.watched.start()
        self.assertLess(resident, 32 * 1024)
