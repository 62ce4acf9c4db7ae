"""kill -9 of collector, server and engine at random moments: what was acknowledged is stored, once."""

import os
import random
import signal
import time

from support import SystemTest, machine, shop_cluster, wait_until

from lab import store

ROUNDS = 8
PAUSE_SECONDS = (0.3, 3.0)   # between two kills; the engine needs about 0.2 s to come back


class Kill(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = shop_cluster()
        cls.watched = cls.server()
        cls.probes = [cls.collector(name, cls.watched, [cls.target(cls.pg, name)], host=name == "first") for name in ("first", "second")]
        for probe in cls.probes:
            probe.wait_pushed()
        workload = machine.Child("workload", ["/usr/bin/python3", "-B", "-m", "lab.shop", "--port", cls.pg.port],
                                 cls.directory / "workload.log", env={"PYTHONPATH": str(machine.ROOT / "tests")})
        cls.addClassCleanup(workload.stop)

    def kill_engine(self):
        try:
            os.kill(wait_until("the server has an engine", self.watched.engine_pid, 15), signal.SIGKILL)
        except ProcessLookupError:
            pass

    def kill_server(self):
        engine = wait_until("the server has an engine", self.watched.engine_pid, 15)
        self.watched.kill()
        self.watched.start()
        self.eventually("the old engine is gone with its server", lambda: not os.path.exists(f"/proc/{engine}"), 15)

    def kill_collector(self, probe):
        probe.kill()
        (probe.state / "status.json").unlink(missing_ok=True)   # the next one counts from zero
        probe.start()

    def test_rows_stored_equal_rows_acknowledged_and_none_twice(self):
        seed = int(os.environ.get("PGA_SEED", random.randrange(1 << 32)))
        print(f"[kill] seed {seed} (PGA_SEED={seed} repeats it)", flush=True)
        chance = random.Random(seed)
        victims = ["collector", "server", "engine"] * (ROUNDS // 3 + 1)
        chance.shuffle(victims)
        for victim in victims[:ROUNDS]:
            time.sleep(chance.uniform(*PAUSE_SECONDS))
            print(f"[kill] {victim}", flush=True)
            if victim == "collector":
                self.kill_collector(chance.choice(self.probes))
            elif victim == "server":
                self.kill_server()
            else:
                self.kill_engine()
        self.eventually("the engine answers again", lambda: self.watched.engine.value("SELECT 1") == 1, 60)
        before = self.eventually("every collector says how it is", lambda: [p.status()["frames_acked"] for p in self.probes])
        self.eventually("every collector pushes again", lambda: all(p.status()["frames_acked"] > b for p, b in zip(self.probes, before)), 60)
        self.eventually("the spools are empty", lambda: all(p.status()["spool_records"] <= 1 for p in self.probes), 60)
        for probe in self.probes:
            probe.stop()
        status = [p.status() for p in self.probes]
        self.assertEqual([s["spool_records"] for s in status], [0, 0])
        self.assert_stored(status)

    def assert_stored(self, status):
        engine = self.watched.engine
        acknowledged = {s["epoch"]: s["acknowledged_sequence"] for s in status}

        def streams():
            """Per stream: lowest and highest sequence in the store, and how many there are."""
            return {row["epoch"]: (row["low"], row["high"], row["n"]) for row in engine.query(
                "SELECT toString(epoch) AS epoch, min(sequence) AS low, max(sequence) AS high, uniqExact(sequence) AS n FROM pganalytics.batches GROUP BY epoch")}
        # Every frame that was ever acknowledged is there: the streams have no hole.
        want = {epoch: (1, last, last) for epoch, last in acknowledged.items()}
        self.eventually(f"streams {want}", lambda: streams() == want, 30)
        texts = store.text_tables(engine)    # a collector that starts again sends its texts again
        self.assertEqual(store.rows_stored(engine, texts), store.rows_announced(engine, texts))
        self.assertEqual(store.rows_refused(engine), 0)
        self.assertEqual(store.doubled(engine), {})
        print(f"[kill] {store.rows_stored(engine):,} rows of {sum(acknowledged.values())} frames, each once", flush=True)
