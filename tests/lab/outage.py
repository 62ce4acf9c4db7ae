"""./run bench outage: does a collector whose server is away stay small, and does all that it kept arrive afterwards, once?

A PostgreSQL 18 under the shop's workload, read every second; the server is killed, stays away, and comes back."""

import argparse
import sys
import time

from lab import machine, programs, shop, store, trial
from lab.fault_rig import INTERVALS
from lab.machine import LabError
from lab.postgres import Cluster

RSS_KIB_MAX = 32 * 1024
WARM_UP_SECONDS = 20          # with the server, before it goes away
LOOK_EVERY = 0.25
CATCH_UP_SECONDS = 600        # at most
SETTLE_SECONDS = 60           # until the store has what was acknowledged last
EPILOG = """examples:
  ./run bench outage
  ./run bench outage --seconds 60 --json outage.json

Exit codes: 0 small, and everything arrived once; 1 not, or something did not work.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[outage] {text}", flush=True)


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.pg = self.server = self.collector = self.workload = None
        self.rss_kib = []
        self.said = time.monotonic()

    def start(self):
        say("PostgreSQL 18 and a shop in it, server, collector")
        self.pg = Cluster(18, self.directory / "postgres").create().start().prepare()
        shop.create(self.pg)
        self.server = programs.Server(self.directory / "server").create().start()
        self.collector = programs.Collector(
            self.directory / "collector", self.server, [programs.target(self.pg, "shop", self.directory)], host=True,
            ship_interval="1s", intervals=INTERVALS).start().wait_pushed(60)
        self.workload = machine.Child("workload", ["/usr/bin/python3", "-B", "-m", "lab.shop", "--port", self.pg.port],
                                      self.directory / "workload.log", env={"PYTHONPATH": str(machine.ROOT / "tests")})

    def look(self, until, what):
        """Measures the collector's memory until until() holds; says how it is going twice a minute."""
        while not until():
            for child in (self.collector.child, self.workload, self.pg.child):
                if not child.alive():
                    raise LabError(f"{child.name} ended by itself with {child.process.returncode}\n{child.tail()}")
            self.rss_kib.append(machine.resident_kib(self.collector.child.pid))
            if time.monotonic() - self.said > 30:
                self.said = time.monotonic()
                status = self.collector.status()
                say(f"{what}: {self.rss_kib[-1] / 1024:.1f} MiB resident, {status['spool_records']:,} frames wait in {status['spool_bytes'] / 2**20:.1f} MiB")
            time.sleep(LOOK_EVERY)
        return max(self.rss_kib)

    def look_for(self, seconds, what):
        end = time.monotonic() + seconds
        return self.look(lambda: time.monotonic() > end, what)

    def caught_up(self):
        status = self.collector.status()
        return not status["catching_up"] and status["spool_records"] <= 2

    def run(self):
        self.start()
        before = self.look_for(WARM_UP_SECONDS, "with the server")
        say(f"{before / 1024:.1f} MiB resident at most; the server is killed and stays away for {self.options.seconds:.0f} s")
        self.server.kill()
        away = self.look_for(self.options.seconds, "without it")
        waited = self.collector.status()
        say("the server comes back")
        self.server.start()
        begun = time.monotonic()
        self.look(lambda: self.caught_up() or time.monotonic() - begun > CATCH_UP_SECONDS, "catching up")
        catch_up = time.monotonic() - begun
        end_kib = machine.resident_kib(self.collector.child.pid)
        peak = machine.peak_kib(self.collector.child.pid)
        self.workload.stop()
        self.workload = None
        self.collector.stop()
        status = self.collector.status()
        stored = self.settled(status["rows_acked"])
        engine = self.server.engine
        return {
            "seconds": self.options.seconds, "rss_kib_before": before, "rss_kib_away": away, "rss_kib_max": max(*self.rss_kib, peak), "rss_kib_end": end_kib,
            "frames_waited": waited["spool_records"], "spool_bytes": waited["spool_bytes"], "catch_up_seconds": round(catch_up, 1),
            "frames_acked": status["frames_acked"], "rows_acked": status["rows_acked"], "rows_stored": stored,
            "rows_lost": status["rows_lost"], "frames_dropped": status["frames_dropped"], "frames_quarantined": status["frames_quarantined"],
            "spooled": status["spool_records"], "rows_refused": store.rows_refused(engine), "doubled_in_store": store.doubled(engine),
        }

    def settled(self, acked):
        """Rows in the store, once they are what was acknowledged or the time for that is over."""
        end = time.monotonic() + SETTLE_SECONDS
        while (stored := store.rows_kept(self.server.engine)) < acked and time.monotonic() < end:
            time.sleep(0.5)
        return stored

    def close(self):
        for part in (self.workload, self.collector, self.server, self.pg):
            try:
                if part is not None:
                    part.stop()
            except LabError as error:
                print(f"[outage] {error}", file=sys.stderr, flush=True)


def failures(result):
    found = []
    if result["rss_kib_max"] >= RSS_KIB_MAX:
        found.append(f"the collector had {result['rss_kib_max']} KiB resident, at most {RSS_KIB_MAX - 1} are allowed")
    if result["rows_stored"] != result["rows_acked"]:
        found.append(f"{result['rows_acked']:,} rows acknowledged, {result['rows_stored']:,} in the store")
    for what in ("rows_lost", "frames_dropped", "frames_quarantined", "spooled", "rows_refused", "doubled_in_store"):
        if result[what]:
            found.append(f"{what}: {result[what]}")
    if result["catch_up_seconds"] > CATCH_UP_SECONDS:
        found.append(f"after {CATCH_UP_SECONDS} s with the server it was not done with what waited")
    return found


def main():
    parser = argparse.ArgumentParser(prog="./run bench outage", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="without a server; default 600")
    trial.add_json(parser)
    options = parser.parse_args()

    def show(result):
        say(f"{options.seconds:.0f} s without a server: {result['rss_kib_max'] / 1024:.1f} MiB resident at most, {result['rss_kib_end'] / 1024:.1f} MiB at the end")
        say(f"{result['frames_waited']:,} frames waited in {result['spool_bytes'] / 2**20:.1f} MiB and were sent within {result['catch_up_seconds']} s")
        say(f"{result['rows_acked']:,} rows in {result['frames_acked']:,} frames acknowledged, {result['rows_stored']:,} in the store")
    trial.measure("outage", options.json, lambda directory: Run(options, directory), failures, show)


if __name__ == "__main__":
    main()
