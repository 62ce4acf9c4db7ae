"""./run bench ingest: how much a server takes on this machine, and what it costs, beside VictoriaMetrics.

Collectors replay a recording of PostgreSQL (W1) as fast as the server acknowledges, each over TLS 1.3 with a certificate and a token of its
own; what is acknowledged is on disk. Then the same numbers go into Debian's VictoriaMetrics: as lines of JSON, and in its native format, which
its documentation calls the fastest, from blocks that it made itself beforehand. Generator, server and engine share the processors."""

import argparse
import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from lab import load, machine, programs, store, trial, victoria
from lab.machine import LabError

LIMITS = {"rows_per_minute": 3e6, "samples_per_cpu_second": 3.0}   # at least; the second one times VictoriaMetrics'
SETTLE_SECONDS = 120
EPILOG = """A sample is a number of a reading that is neither null nor part of its key: what VictoriaMetrics keeps as a series with labels. Texts come on top.

examples:
  ./run bench ingest
  ./run bench ingest --seconds 20 --without-peer
  ./run bench ingest --json ingest.json

Exit codes: 0 everything acknowledged is stored once, within the limits; 1 not.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[ingest] {text}", flush=True)


def cpu_by_thread(pid):
    """{name of threads: CPU seconds}; the thread that began the process is "main"."""
    found = collections.Counter()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            head, _, rest = (task / "stat").read_text().rpartition(")")
        except OSError:
            continue   # it has just ended
        fields = rest.split()
        name = "main" if task.name == str(pid) else head.partition("(")[2]
        found[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.spools = pathlib.Path(tempfile.mkdtemp(prefix="pga-ingest-", dir="/dev/shm"))
        self.server = None

    def close(self):
        shutil.rmtree(self.spools, ignore_errors=True)
        if self.server is not None:
            self.server.stop()

    def run(self):
        ours = self.ours()
        say(f"ours: {ours['rows_per_minute'] / 1e6:.2f} M rows a minute, {ours['samples_per_second'] / 1e6:.2f} M samples a second, "
            f"{ours['samples_per_cpu_second'] / 1e6:.2f} M a CPU second, {ours['disk_bytes_per_sample']:.2f} bytes each")
        self.server.stop()
        self.server = None
        peers = [] if self.options.without_peer else self.peers(ours["pushes"] // self.options.collectors)
        return {"command": " ".join(["./run bench ingest", *sys.argv[1:]]), "date": time.strftime("%Y-%m-%d", time.gmtime()),
                "machine": trial.machine_here(), "ours": ours, "peers": peers}

    def ours(self):
        o = self.options
        self.server = programs.Server(self.directory / "server", sources_dir=load.RECORDED, engine={"library": machine.engine_library(), "memory": "4GiB"})
        self.server.create().start()
        token = self.directory / "token"
        token.write_text(self.server.token("--uses", str(o.collectors)))
        pids = {"server": self.server.child.pid, "engine": self.server.engine_pid()}
        say(f"{o.collectors} collectors for {o.seconds} s")
        before = {name: machine.cpu_seconds(pid) for name, pid in pids.items()}
        threads_before = {name: cpu_by_thread(pid) for name, pid in pids.items()}
        done = subprocess.run(
            [str(word) for word in (machine.binary("pganalytics-load"), "run", "--url", f"https://127.0.0.1:{self.server.collectors_port}", "--token-file", token,
                                    "--directory", self.spools, "--workload", "W1", "--recording", load.RECORDING, "--declarations", load.RECORDED,
                                    "--collectors", o.collectors, "--window", o.window, "--seconds", o.seconds, "--pushes", 100_000, "--start", "herd", "--loops", 1)],
            stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, timeout=o.seconds + load.GENERATOR_SECONDS)
        if not done.stdout.startswith("{"):
            raise LabError(f"pganalytics-load ended with {done.returncode}\n{self.server.child.tail()}")
        pushed = json.loads(done.stdout)
        waited = time.monotonic()
        while (stored := store.rows_stored(self.server.engine)) < pushed["rows_acked"] and time.monotonic() - waited < SETTLE_SECONDS:
            time.sleep(0.1)
        waited = time.monotonic() - waited
        cpu = {name: machine.cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        threads = {name: cpu_by_thread(pid) - threads_before[name] for name, pid in pids.items()}
        seconds, rows, samples = pushed["seconds"] + waited, pushed["rows_acked"], pushed["samples_made"]
        if pushed["rows_acked"] != pushed["rows_made"]:
            raise LabError(f"{pushed['rows_made']:,} rows were made and {rows:,} acknowledged: {pushed['last_error']}")
        disk = self.disk_bytes()
        resident = {f"{name}_rss_kib": machine.resident_kib(pid) for name, pid in pids.items()}
        for table in store.tables(self.server.engine):
            self.server.engine.query(f"OPTIMIZE TABLE pganalytics.{table} FINAL")
        merged = self.disk_bytes()
        return {
            "collectors": o.collectors, "window": o.window, "pushes": pushed["pushes"], "rows_acked": rows, "rows_stored": stored, "samples": samples,
            "body_bytes": pushed["body_bytes"], "tried_again": pushed["pushes_tried_again"], "refused": pushed["refused"],
            "acknowledged_seconds": round(pushed["seconds"], 2), "stored_seconds": round(seconds, 2), "rows_per_minute": round(rows / seconds * 60),
            "samples_per_second": round(samples / seconds), "cpu_seconds": {name: round(value, 2) for name, value in cpu.items()},
            "generator_cpu_seconds": round(pushed["cpu_seconds"], 2), "samples_per_cpu_second": round(samples / sum(cpu.values())),
            "cpu_seconds_per_million_rows": {f"{process} {thread}": round(value / rows * 1e6, 3) for process, of in threads.items()
                                             for thread, value in sorted(of.items(), key=lambda item: -item[1]) if value >= 0.05},
            "disk_bytes_per_row": round(disk / rows, 2), "disk_bytes_per_sample": round(disk / samples, 3), "disk_bytes_per_sample_merged": round(merged / samples, 3),
            "push_p50_ms": round(pushed["from_send"]["p50_ms"], 2), "push_p99_ms": round(pushed["from_send"]["p99_ms"], 2), **resident,
        }

    def disk_bytes(self):
        """Of everything that is stored, roll-ups and headers too."""
        return self.server.engine.value("SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE active AND database = 'pganalytics'")

    def peers(self, pushes):
        """`pushes` of each collector: the longer a series is, the less its labels weigh."""
        if not victoria.available():
            say("victoria-metrics is not installed: apt-get install victoria-metrics, or --without-peer")
            return []
        files = self.spools / "samples"
        done = subprocess.run([str(word) for word in (machine.binary("pganalytics-load"), "samples", "--recording", load.RECORDING, "--declarations", load.RECORDED,
                                                      "--directory", files, "--collectors", self.options.peer_collectors, "--pushes", pushes)],
                              stdout=subprocess.PIPE, text=True, check=True)
        samples = int(done.stdout)
        say(f"the peer gets {samples:,} samples of {self.options.peer_collectors} collectors, {pushes} pushes of each")
        native = self.spools / "native"
        found = [self.peer("lines of JSON", "/api/v1/import", sorted(files.iterdir()), samples, lambda peer: peer.export_native(native)),
                 self.peer("native", "/api/v1/import/native", [native], samples)]
        for peer in found:
            say(f"VictoriaMetrics, {peer['import']}: {peer['samples_per_cpu_second'] / 1e6:.2f} M samples a CPU second, {peer['disk_bytes_per_sample']:.2f} bytes each")
        return found

    def peer(self, name, path, files, samples, afterwards=lambda _: None):
        server = victoria.Victoria(self.directory / f"victoria-{path.count('/')}")
        try:
            taken = server.take(path, files)
            afterwards(server)
            if taken["samples"] != samples:
                raise LabError(f"VictoriaMetrics took {taken['samples']:,} of {samples:,} samples")
            return {"program": "victoria-metrics", "import": name, "samples": samples, "seconds": round(taken["seconds"], 2), "cpu_seconds": round(taken["cpu_seconds"], 2),
                    "samples_per_second": round(samples / taken["seconds"]), "samples_per_cpu_second": round(samples / taken["cpu_seconds"]),
                    "disk_bytes_per_sample": round(taken["disk_bytes"] / samples, 3), "disk_bytes_per_sample_merged": round(taken["disk_bytes_merged"] / samples, 3),
                    "rss_kib": taken["rss_kib"]}
        finally:
            server.stop()


def failures(result):
    ours, found = result["ours"], []
    if ours["rows_stored"] != ours["rows_acked"]:
        found.append(f"{ours['rows_acked']:,} rows acknowledged, {ours['rows_stored']:,} stored")
    if ours["rows_per_minute"] < LIMITS["rows_per_minute"]:
        found.append(f"{ours['rows_per_minute']:,} rows a minute, at least {LIMITS['rows_per_minute']:,.0f} are wanted")
    for peer in result["peers"]:
        times = ours["samples_per_cpu_second"] / peer["samples_per_cpu_second"]
        if times < LIMITS["samples_per_cpu_second"]:
            found.append(f"{times:.2f} times the samples per CPU second of VictoriaMetrics with {peer['import']}, at least {LIMITS['samples_per_cpu_second']} are wanted")
        if ours["disk_bytes_per_sample"] >= peer["disk_bytes_per_sample"]:
            found.append(f"{ours['disk_bytes_per_sample']} bytes a sample, VictoriaMetrics with {peer['import']} takes {peer['disk_bytes_per_sample']}")
    return found


def lines(result):
    ours = result["ours"]
    yield (f"{ours['rows_acked']:,} rows with {ours['samples']:,} samples in {ours['pushes']:,} pushes of {ours['collectors']} collectors: "
           f"{ours['acknowledged_seconds']} s until acknowledged, {ours['stored_seconds']} s until stored")
    yield f"{ours['rows_per_minute']:,} rows a minute, {ours['disk_bytes_per_row']} bytes on disk each; server {ours['server_rss_kib'] / 1024:.0f} MiB, engine {ours['engine_rss_kib'] / 1024:.0f} MiB"
    yield ""
    yield "CPU seconds per million rows, by process and thread:"
    for name, value in ours["cpu_seconds_per_million_rows"].items():
        yield f"  {value:8.3f}  {name}"
    yield f"  {ours['generator_cpu_seconds'] / ours['rows_acked'] * 1e6:8.3f}  generator (all of it; on the same processors)"
    yield ""
    yield f"{'':34}{'samples/s':>12} {'samples/CPU s':>14} {'bytes/sample':>13} {'merged':>8}"
    for name, entry in (("pganalytics", ours), *((f"victoria-metrics, {peer['import']}", peer) for peer in result["peers"])):
        yield f"{name:34}{entry['samples_per_second']:12,} {entry['samples_per_cpu_second']:14,} {entry['disk_bytes_per_sample']:13.2f} {entry['disk_bytes_per_sample_merged']:8.2f}"


def show(result):
    print("", *lines(result), sep="\n")


def main():
    parser = argparse.ArgumentParser(prog="./run bench ingest", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collectors", type=int, default=50)
    parser.add_argument("--window", type=int, default=2, help="pushes of a collector that may be on their way; default 2")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--peer-collectors", type=int, default=10, help="of how many the peer gets the samples; default 10, as long as ours on average")
    parser.add_argument("--without-peer", action="store_true", help="leave VictoriaMetrics out")
    trial.add_json(parser)
    trial.add_page(parser)
    options = parser.parse_args()
    trial.measure("ingest", options.json, lambda directory: Run(options, directory), failures, show, options.page,
                  lambda result, failed: trial.page("Results of ingest as fast as it goes", result, lines(result), failed))


if __name__ == "__main__":
    main()
