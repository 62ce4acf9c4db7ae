"""./run bench load: what a server does under many collectors, with everything switched on.

The workload W0 is that of the published figures beside which ours stand: 50 metrics of 9 names with labels and random values, pushed by
10 to 500 collectors. Theirs came from a client that timed itself against a mock over plain HTTP. Here every collector is real but for its
readings: encoder, spool, uplink, TLS 1.3 with a certificate of its own, a token bound to it; the server decodes, journals durably, answers,
stores. Latency counts from the moment in which a push was due. Afterwards the rows in the store are counted against those acknowledged."""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from lab import load_page, machine, programs, store, trial
from lab.machine import LabError

SOURCES = machine.ROOT / "bench/load"
RECORDED = machine.ROOT / "bench/wire/catalog"          # declarations of W1
RECORDING = machine.ROOT / "bench/testdata/pgstat-recording"
INTERVAL_SECONDS = 60                      # of the published load; --time-scale makes it shorter
SETTLE_SECONDS = 60
GENERATOR_SECONDS = 400                    # beyond those of the load: it enrols first, and waits for what is on its way
LIMITS = {"p50_ms": 5.0, "p99_ms": 25.0}   # at 500 collectors, jittered
BODY_BYTES_MAX = 550                       # of a push in binary
EPILOG = """Each scenario has a server and an engine of its own. A push a minute would take 15 minutes a scenario; --time-scale says how much faster it
is here, and the results say so. "null" is a server that answers at once over plain HTTP: what the generator itself takes.

examples:
  ./run bench load
  ./run bench load --collectors 500 --protocol binary --runs 5 --json load.json
  ./run bench load --time-scale 1 --page load.md --html load.html

Exit codes: 0 everything was acknowledged and stored within the limits; 1 not.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[load] {text}", flush=True)


class Scenario:
    """One server and one number of collectors."""

    def __init__(self, options, directory, collectors, protocol, null=False):
        self.options, self.directory, self.collectors, self.protocol, self.null = options, directory, collectors, protocol, null
        self.directory.mkdir()
        self.server = self.child = None

    def start(self):
        if self.null:
            self.child = machine.Child("null server", [machine.binary("pganalytics-load"), "null-server"], self.directory / "null.log")
            return f"http://{machine.wait_until('the null server listens', lambda: self.child.log.read_text().strip(), 10, self.child)}"
        self.server = programs.Server(self.directory / "server", sources_dir=self.sources()).create().start()
        self.child = self.server.child
        (self.directory / "token").write_text(self.server.token("--uses", str(self.collectors)))
        return f"https://127.0.0.1:{self.server.collectors_port}"

    def sources(self):
        """The declarations of what is pushed."""
        return SOURCES if self.options.workload == "W0" else RECORDED

    def push(self, url):
        """What pganalytics-load prints."""
        spools = tempfile.mkdtemp(prefix="pga-load-", dir="/dev/shm")   # a collector's disk is not the server's
        what = ["--sources-dir", SOURCES] if self.options.workload == "W0" else ["--workload", "W1", "--recording", RECORDING, "--declarations", RECORDED]
        command = [machine.binary("pganalytics-load"), "run", "--url", url, "--token-file", self.directory / "token", "--directory", spools, *what,
                   "--collectors", self.collectors, "--pushes", self.options.pushes, "--interval", INTERVAL_SECONDS,
                   "--time-scale", self.options.time_scale, "--start", self.options.start, *(["--json-frames"] if self.protocol == "json" else [])]
        try:
            planned = INTERVAL_SECONDS / self.options.time_scale * (self.options.pushes + 1)
            done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, timeout=planned + GENERATOR_SECONDS)
        finally:
            shutil.rmtree(spools, ignore_errors=True)
        if not done.stdout.startswith("{"):
            raise LabError(f"pganalytics-load ended with {done.returncode}\n{self.child.tail()}")
        return json.loads(done.stdout)

    def stored(self, acknowledged):
        """Rows in the store; waits for as many as were acknowledged."""
        def count():
            return store.rows_stored(self.server.engine)
        end = time.monotonic() + SETTLE_SECONDS
        while (found := count()) < acknowledged and time.monotonic() < end:
            time.sleep(0.2)
        return count() if found >= acknowledged else found

    def run(self):
        url = self.start()
        try:
            pids = {"server": self.child.pid, **({} if self.null else {"engine": self.server.engine_pid()})}
            before = {name: machine.cpu_seconds(pid) for name, pid in pids.items()}
            pushed = self.push(url)
            rows = pushed["rows_acked"] if self.null else self.stored(pushed["rows_acked"])
            cpu = {name: machine.cpu_seconds(pid) - before[name] for name, pid in pids.items()}
            rss = {name: machine.resident_kib(pid) for name, pid in pids.items()}
            twice = {} if self.null else store.doubled(self.server.engine)
            if self.options.workload == "W1":   # the recording has equal rows; a frame's headers are never equal
                twice = {table: n for table, n in twice.items() if table == "batches"}
        finally:
            self.child.kill() if self.null else self.server.stop()
        pushes = max(1, pushed["pushes"])
        latency = pushed["from_due"]
        return {
            "collectors": self.collectors, "protocol": self.protocol, "workload": self.options.workload, "start": self.options.start, "null": self.null,
            "pushes": pushed["pushes"], "success": pushed["pushes"] / pushed["pushes_planned"], "tried_again": pushed["pushes_tried_again"],
            "rows_acked": pushed["rows_acked"], "rows_stored": rows, "doubled": twice,
            **{name: round(latency[name], 3) for name in ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "max_ms")},
            "post_mean_ms": round(pushed["from_send"]["mean_ms"], 3),
            "body_bytes_per_push": round(pushed["body_bytes"] / pushes, 1), "socket_bytes_per_push": round((pushed["socket_bytes_sent"] + pushed["socket_bytes_received"]) / pushes, 1),
            "server_cpu_ms_per_push": round(cpu["server"] * 1000 / pushes, 3), "engine_cpu_ms_per_push": round(cpu.get("engine", 0) * 1000 / pushes, 3),
            "generator_cpu_ms_per_push": round(pushed["cpu_seconds"] * 1000 / pushes, 3),
            "server_rss_kib": rss["server"], "engine_rss_kib": rss.get("engine", 0),
            "enrolled_seconds": round(pushed.get("enrolled_seconds", 0), 2), "seconds": round(pushed["seconds"], 1),
            "refused": pushed["refused"], "last_error": pushed["last_error"], "histogram_ns": pushed["from_due_histogram_ns"],
        }


def median_of(runs):
    """The run whose p99 is the median; with how far the others were, and what was wrong in any of them."""
    ordered = sorted(runs, key=lambda r: r["p99_ms"])
    chosen = dict(ordered[(len(ordered) - 1) // 2])
    for name in ("mean_ms", "p50_ms", "p95_ms", "p99_ms"):
        chosen[name] = round(statistics.median(r[name] for r in runs), 3)
        chosen[f"{name}_runs"] = [r[name] for r in runs]
    chosen["success"] = min(r["success"] for r in runs)
    chosen["wrong"] = [f"{r['rows_acked']:,} rows acknowledged, {r['rows_stored']:,} stored, twice: {r['doubled']}"
                       for r in runs if r["rows_stored"] != r["rows_acked"] or r["doubled"]]
    return chosen


def failures(result):
    found = []
    for s in result["scenarios"]:
        name = f"{s['collectors']} collectors, {s['protocol']}"
        if s["success"] != 1:
            found.append(f"{name}: {s['success']:.2%} acknowledged; {s['last_error']}")
        found += [f"{name}: {wrong}" for wrong in s["wrong"]]
        published = load_page.published_mean_ms(s["collectors"], s["protocol"]) if s["workload"] == "W0" else None
        if published is not None and s["mean_ms"] >= published:
            found.append(f"{name}: mean {s['mean_ms']} ms, {published} ms were published")
        if s["workload"] == "W0" and s["protocol"] == "binary" and s["body_bytes_per_push"] > BODY_BYTES_MAX:
            found.append(f"{name}: {s['body_bytes_per_push']} bytes a push, at most {BODY_BYTES_MAX} are allowed")
        if s["workload"] == "W0" and s["collectors"] == 500 and s["start"] == "jitter":
            found += [f"{name}: {what} {s[what]}, at most {most} are allowed" for what, most in LIMITS.items() if s[what] > most]
    return found


def run(options, directory):
    scenarios, null = [], []
    for collectors in options.collectors:
        for protocol in options.protocol:
            runs = []
            for number in range(options.runs):
                say(f"{collectors} collectors, {protocol}, {options.start}{f', run {number + 1}' if options.runs > 1 else ''}")
                runs.append(Scenario(options, directory / f"{collectors}-{protocol}-{number}", collectors, protocol).run())
            scenarios.append(median_of(runs))
            say(load_page.line(scenarios[-1]))
    for protocol in options.protocol if options.workload == "W0" else []:   # a null server does not know how many rows a push has
        collectors = max(options.collectors)
        say(f"{collectors} collectors, {protocol}, a null server")
        null.append(Scenario(options, directory / f"null-{protocol}", collectors, protocol, null=True).run())
    return {"command": " ".join(["./run bench load", *sys.argv[1:]]), "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "machine": trial.machine_here(),
            "workload": options.workload, "pushes_per_collector": options.pushes, "interval_seconds": INTERVAL_SECONDS, "time_scale": options.time_scale,
            "start": options.start, "runs": options.runs, "scenarios": scenarios, "null": null, "sizes": load_page.sizes(scenarios)}


def numbers(text):
    """"10,50" as an option."""
    return [int(n) for n in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(prog="./run bench load", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collectors", type=numbers, default="10,50,100,500", help="default 10,50,100,500")
    parser.add_argument("--protocol", default="binary,json", help="default binary,json")
    parser.add_argument("--workload", choices=["W0", "W1"], default="W0", help="W0: 50 random metrics a push, as published; W1: a recording of PostgreSQL's statistics")
    parser.add_argument("--pushes", type=int, default=15, help="of each collector; default 15")
    parser.add_argument("--time-scale", type=float, default=20, help="how much faster than a push a minute; default 20: one in 3 s")
    parser.add_argument("--start", choices=["herd", "jitter", "ramp"], default="jitter")
    parser.add_argument("--runs", type=int, default=1, help="of each scenario; medians are shown")
    trial.add_json(parser)
    parser.add_argument("--csv", metavar="FILE", type=os.path.abspath, help="the same as a table")
    parser.add_argument("--html", metavar="FILE", type=os.path.abspath, help="the same as a page with plots that needs nothing else")
    parser.add_argument("--page", metavar="FILE", type=os.path.abspath, help="the same as Markdown, for the documentation")
    options = parser.parse_args()
    options.protocol = options.protocol.split(",")
    if unknown := set(options.protocol) - {"binary", "json"}:
        parser.error(f"there is no protocol {', '.join(sorted(unknown))}")
    return options


def main():
    options = parse()

    def work(directory):
        result = run(options, directory)
        failed = failures(result)
        print(load_page.table(result))
        for file, text in ((options.json, json.dumps({**result, "failures": failed}, indent=2) + "\n"), (options.csv, load_page.csv_of(result)),
                           (options.html, load_page.html_of(result)), (options.page, load_page.markdown_of(result, failed))):
            if file:
                pathlib.Path(file).write_text(text, encoding="utf-8")
                say(f"written: {file}")
        return failed
    trial.conduct("load", work)


if __name__ == "__main__":
    main()
