"""./run bench scale: ten thousand collectors on one server, each with a connection of its own.

Each pushes once a minute over TLS 1.3 with its own certificate and token, from an address of its own in 127.0.0.0/8, through the real
collector's spool and uplink; only the readings are made up. The generator is divided into processes, because one may open 20,000 files.
Server and generator share the machine, which is part of the result. With --restart the server is killed under them and started again."""

import argparse
import collections
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from lab import load, machine, programs, store, trial
from lab.machine import LabError

EACH = 2_500                 # collectors of one process: four files each
PUSH_SECONDS = 60
ENROL_SECONDS = 900
JITTER_SECONDS = 60          # an uplink waits 30 s at most; every collector pushes once a minute
RESTART_SECONDS = 60         # beyond the jitter
LIMITS = {"p99_ms": 50.0, "server_kib_per_connection": 28.0}
EPILOG = """examples:
  ./run bench scale                                       10,000 connections, 10 minutes
  ./run bench scale --connections 2000 --minutes 3        a quick look
  ./run bench scale --restart --json scale.json           the server is killed (kill -9) after half of the time

Exit codes: 0 no push failed, nothing is lost, within the limits; 1 not.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[scale] {text}", flush=True)


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.server = None
        self.parts = []          # (machine.Child, file of its result)
        self.spools = pathlib.Path(tempfile.mkdtemp(prefix="pga-scale-", dir="/dev/shm"))

    def start_part(self, first, collectors):
        result = self.directory / f"part-{first}.json"
        words = [machine.binary("pganalytics-load"), "run", "--url", f"https://127.0.0.1:{self.server.collectors_port}", "--token-file", self.directory / "token",
                 "--directory", self.spools, "--sources-dir", load.SOURCES, "--collectors", collectors, "--first", first, "--pushes", self.options.minutes, "--interval", PUSH_SECONDS,
                 "--start", "jitter", "--loops", 1, "--enrol-max", ENROL_SECONDS, "--own-addresses", "--result", result]
        child = machine.Child(f"generator {first}", [str(word) for word in words], self.directory / f"part-{first}.log")
        self.parts.append((child, result))

    def alive(self):
        for child in (self.server.child, *(child for child, result in self.parts if not result.exists())):
            if not child.alive():
                raise LabError(f"{child.name} ended by itself\n{child.tail()}")

    def connections(self):
        """Open connections at the server's port, as the kernel has them."""
        done = subprocess.run(["ss", "-Htn", "state", "established", f"sport = :{self.server.collectors_port}"], capture_output=True, text=True)
        return len(done.stdout.splitlines())

    def start(self):
        self.server = programs.Server(self.directory / "server", sources_dir=load.SOURCES).create().start()
        (self.directory / "token").write_text(self.server.token("--uses", str(self.options.connections)))
        self.base_kib = machine.resident_kib(self.server.child.pid)
        parts = math.ceil(self.options.connections / EACH)
        begun = time.monotonic()
        for part in range(parts):
            first = part * self.options.connections // parts
            self.start_part(first + 1, (part + 1) * self.options.connections // parts - first)
        said = begun
        while not all("have enrolled" in child.log.read_text() for child, _ in self.parts):
            self.alive()
            if time.monotonic() - said > 15:
                said = time.monotonic()
                say(f"{self.connections():,} connections; the server has {machine.resident_kib(self.server.child.pid) / 1024:.0f} MiB")
            time.sleep(0.2)
        self.enrolled_seconds = time.monotonic() - begun
        say(f"{self.options.connections:,} collectors have enrolled after {self.enrolled_seconds:.0f} s")

    def watch(self):
        """Until every part has ended: what there was at most, and the restart."""
        begun, said = time.monotonic(), time.monotonic()
        cpu = {name: machine.cpu_seconds(pid) for name, pid in self.pids().items()}
        most = {"connections": 0, "server_kib": 0}
        restart_at = begun + self.options.minutes * PUSH_SECONDS / 2 if self.options.restart else None
        back = None
        while not all(result.exists() for _, result in self.parts):
            self.alive()
            if restart_at and time.monotonic() > restart_at:
                restart_at, back = None, self.restart()
            now = self.connections()
            resident = machine.resident_kib(self.server.child.pid)
            if now >= most["connections"]:
                most = {"connections": now, "server_kib": max(resident, most["server_kib"])}
            if time.monotonic() - said > 30:
                said = time.monotonic()
                say(f"{now:,} connections, the server has {resident / 1024:.0f} MiB: {(resident - self.base_kib) / max(1, now):.1f} KiB each")
            time.sleep(1)
        seconds = time.monotonic() - begun
        used = {} if self.options.restart else {name: round((machine.cpu_seconds(pid) - cpu[name]) / seconds, 3) for name, pid in self.pids().items()}
        return most, used, back

    def pids(self):
        return {"server": self.server.child.pid, "engine": self.server.engine_pid()}

    def restart(self):
        say("kill -9 of the server, and a new one")
        self.server.kill()
        self.server.launch()
        machine.wait_until("the server is ready", self.server.ready, 60, self.server.child)
        ready = time.time()
        # Every collector has a push in the store that arrived after that.
        query = f"SELECT uniqExact(collector) FROM pganalytics.batches WHERE toUnixTimestamp64Micro(received) > {int(ready * 1e6)} AND source = 'load.metrics'"
        end, found = ready + JITTER_SECONDS + RESTART_SECONDS, 0
        while time.time() < end + 15:   # what arrived is in the store a few seconds later
            self.alive()
            if (found := self.server.engine.value(query)) >= self.options.connections:
                break
            time.sleep(1)
        last = self.server.engine.value("SELECT max(at) FROM (SELECT min(toUnixTimestamp64Micro(received)) AS at FROM pganalytics.batches WHERE source = 'load.metrics' "
                                        f"AND toUnixTimestamp64Micro(received) > {int(ready * 1e6)} GROUP BY collector)") or 0
        seconds = round(last / 1e6 - ready, 1)
        say(f"{found:,} of {self.options.connections:,} are back, the last one {seconds} s after it was ready")
        return {"collectors_back": found, "seconds": seconds, "allowed_seconds": JITTER_SECONDS + RESTART_SECONDS}

    def run(self):
        self.start()
        most, cpu, back = self.watch()
        results = [json.loads(result.read_text()) for _, result in self.parts]
        acknowledged = sum(r["rows_acked"] for r in results)
        count = "SELECT count() FROM pganalytics.load_metrics"
        machine.wait_until("what was acknowledged is stored", lambda: self.server.engine.value(count) >= acknowledged, 120, self.server.child, pause=0.5)
        merged, refused = collections.Counter(), collections.Counter()
        for r in results:
            merged.update(dict(r["from_due_histogram_ns"]))
            refused.update(r["refused"])
        pushes = sum(r["pushes"] for r in results)
        return {
            "command": " ".join(["./run bench scale", *sys.argv[1:]]), "date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": trial.machine_here(),
            "collectors": self.options.connections, "connections": most["connections"], "minutes": self.options.minutes, "enrolled_seconds": round(self.enrolled_seconds, 1),
            "pushes_planned": sum(r["pushes_planned"] for r in results), "pushes": pushes, "tried_again": sum(r["pushes_tried_again"] for r in results), "refused": dict(refused),
            "rows_acked": acknowledged, "rows_stored": self.server.engine.value(count), "doubled": store.doubled(self.server.engine),
            **{f"p{name}_ms": round(percentile(merged, share), 2) for name, share in (("50", 0.5), ("95", 0.95), ("99", 0.99))}, "max_ms": round(max((r["from_due"]["max_ms"] for r in results), default=0), 2),
            "server_base_kib": self.base_kib, "server_kib": most["server_kib"], "server_kib_per_connection": round((most["server_kib"] - self.base_kib) / max(1, most["connections"]), 1),
            "engine_kib": machine.resident_kib(self.server.engine_pid()), "cpus_used": {**cpu, "generator": round(sum(r["cpu_seconds"] for r in results) / max(r["seconds"] for r in results), 3)},
            "handshakes": sum(r["handshakes"] for r in results), "restart": back,
            "body_bytes_per_push": round(sum(r["body_bytes"] for r in results) / max(1, pushes), 1),
        }

    def close(self):
        for child, _ in self.parts:
            if child.alive():
                child.kill()
        shutil.rmtree(self.spools, ignore_errors=True)
        try:
            if self.server is not None:
                self.server.stop()
        except LabError as error:
            print(f"[scale] {error}", file=sys.stderr, flush=True)


def percentile(histogram_ns, share):
    """Milliseconds; the histogram is {upper end of a bucket: count}."""
    total, seen = sum(histogram_ns.values()), 0
    for upper in sorted(histogram_ns):
        seen += histogram_ns[upper]
        if seen >= total * share:
            return upper / 1e6
    return 0.0


def failures(result):
    found = []
    if result["pushes"] != result["pushes_planned"]:
        found.append(f"{result['pushes']:,} of {result['pushes_planned']:,} pushes were acknowledged")
    if result["rows_stored"] != result["rows_acked"] or result["doubled"]:
        found.append(f"{result['rows_acked']:,} rows acknowledged, {result['rows_stored']:,} stored, twice: {result['doubled']}")
    if result["connections"] < result["collectors"]:
        found.append(f"at most {result['connections']:,} connections were open at once")
    if result["restart"]:
        back = result["restart"]
        if back["collectors_back"] < result["collectors"] or back["seconds"] > back["allowed_seconds"]:
            found.append(f"{back['collectors_back']:,} collectors came back after the restart, the last one after {back['seconds']} s ({back['allowed_seconds']} s are allowed)")
        return found
    if result["tried_again"]:
        found.append(f"{result['tried_again']:,} pushes had to be tried again: {result['refused']}")
    return found + [f"{what}: {result[what]}, at most {most} are allowed" for what, most in LIMITS.items() if result[what] > most]


def lines(r):
    yield (f"{r['collectors']:,} collectors, at most {r['connections']:,} connections open at once, each with TLS 1.3 and a certificate; enrolled within {r['enrolled_seconds']} s")
    yield (f"{r['pushes']:,} of {r['pushes_planned']:,} pushes acknowledged, {r['tried_again']:,} tried again ({r['refused'] or 'no refusal'}); {r['rows_acked']:,} rows acknowledged, {r['rows_stored']:,} stored")
    yield (f"from the due moment to the acknowledgement: p50 {r['p50_ms']} ms, p95 {r['p95_ms']}, p99 {r['p99_ms']}, max {r['max_ms']}")
    yield (f"server {r['server_base_kib'] / 1024:.0f} MiB without connections, {r['server_kib'] / 1024:.0f} MiB with them: {r['server_kib_per_connection']} KiB each; engine {r['engine_kib'] / 1024:.0f} MiB; "
        f"processors used: {r['cpus_used']}; {r['handshakes']:,} handshakes")
    if r["restart"]:
        yield (f"after kill -9 and a restart {r['restart']['collectors_back']:,} were back, the last one {r['restart']['seconds']} s after the server was ready ({r['restart']['allowed_seconds']} s are allowed)")


def show(result):
    for line in lines(result):
        say(line)


def main():
    parser = argparse.ArgumentParser(prog="./run bench scale", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000, help="default 10000")
    parser.add_argument("--minutes", type=int, default=10, help="pushes of each collector; default 10")
    parser.add_argument("--restart", action="store_true", help="kill the server (kill -9) after half of the time and start it again")
    trial.add_json(parser)
    trial.add_page(parser)
    options = parser.parse_args()
    title = "Results of the restart under many connections" if options.restart else "Results of many connections"
    trial.measure("scale", options.json, lambda directory: Run(options, directory), failures, show, options.page,
                  lambda result, failed: trial.page(title, result, lines(result), failed))


if __name__ == "__main__":
    main()
