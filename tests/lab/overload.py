"""./run bench overload: three times as much as the server can take.

Server and engine are held to a part of one processor (a control group), because a generator on the same machine could not offer three times
as much otherwise. First collectors push as fast as they are acknowledged: the peak. Then they push on a schedule, three times as often, for as
long. What is acknowledged meanwhile is the goodput; what is not stays in the collectors' spools, and is sent when the load is over."""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from lab import load, machine, programs, store, trial
from lab.machine import LabError

LIMITS = {"goodput": 0.9, "memory": 1.25}   # of the peak, at least; of what server and engine took at the peak, at most
SETTLE_SECONDS = 300
EPILOG = """examples:
  ./run bench overload
  ./run bench overload --cores 0.2 --seconds 60 --json overload.json

Exit codes: 0 within the limits, and everything acknowledged is stored once; 1 not.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[overload] {text}", flush=True)


class Quota:
    """A control group whose processes have a part of one processor together."""

    PERIOD_US = 20_000

    def __init__(self, cores):
        self.cores, self.group = cores, None

    def hold(self, pids):
        for root, files in ((pathlib.Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": self.PERIOD_US, "cpu.cfs_quota_us": round(self.cores * self.PERIOD_US)}),
                            (pathlib.Path("/sys/fs/cgroup"), {"cpu.max": f"{round(self.cores * self.PERIOD_US)} {self.PERIOD_US}"})):
            group = root / f"pganalytics-overload-{os.getpid()}"
            try:
                group.mkdir()
                self.group = group
                for name, value in files.items():
                    (group / name).write_text(str(value))
                for pid in pids:
                    (group / "cgroup.procs").write_text(str(pid))
                return
            except OSError as error:
                last = error
                self.release()
        raise LabError(f"no control group for the processor could be made ({last}): run as root, with /sys/fs/cgroup writable")

    def release(self):
        if self.group is not None:
            self.group.rmdir()   # its processes have ended
            self.group = None


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.spools = pathlib.Path(tempfile.mkdtemp(prefix="pga-overload-", dir="/dev/shm"))
        self.quota = Quota(options.cores)
        self.server = None

    def close(self):
        shutil.rmtree(self.spools, ignore_errors=True)
        try:
            if self.server is not None:
                self.server.stop()
        finally:
            self.quota.release()

    def pids(self):
        return {"server": self.server.child.pid, "engine": self.server.engine_pid()}

    def push(self, name, first, *how):
        """What pganalytics-load prints, and the most memory that each of ours had meanwhile."""
        o = self.options
        token = self.directory / f"token-{name}"
        token.write_text(self.server.token("--uses", str(o.collectors)))
        result = self.directory / f"{name}.json"
        words = [machine.binary("pganalytics-load"), "run", "--url", f"https://127.0.0.1:{self.server.collectors_port}", "--token-file", token,
                 "--directory", self.spools, "--sources-dir", load.SOURCES, "--collectors", o.collectors, "--first", first, "--loops", 1, "--result", result, *how]
        child = machine.Child(name, [str(word) for word in words], self.directory / f"{name}.log")
        most = {program: 0 for program in self.pids()}
        try:
            end = time.monotonic() + o.seconds + load.GENERATOR_SECONDS
            while child.alive():
                if time.monotonic() > end:
                    raise LabError(f"{child.name} did not end\n{child.tail()}")
                if not self.server.child.alive():
                    raise LabError(f"the server ended by itself\n{self.server.child.tail()}")
                most = {program: max(most[program], machine.resident_kib(pid)) for program, pid in self.pids().items()}
                time.sleep(0.2)
        finally:
            if child.alive():
                child.kill()
        if not result.exists():
            raise LabError(f"pganalytics-load wrote no result\n{child.tail()}")
        return {**json.loads(result.read_text()), "kib": most}

    def stored(self, acknowledged):
        begun = time.monotonic()
        while (found := store.rows_stored(self.server.engine)) < acknowledged and time.monotonic() - begun < SETTLE_SECONDS:
            time.sleep(0.5)
        return found

    def run(self):
        o = self.options
        self.server = programs.Server(self.directory / "server", sources_dir=load.SOURCES).create().start()
        if o.cores:
            self.quota.hold(self.pids().values())
        say(f"{o.collectors} collectors, as fast as a server with {o.cores or 'all'} processors takes it, for {o.seconds} s")
        peak = self.push("peak", 1, "--window", 2, "--seconds", o.seconds, "--pushes", 100_000, "--start", "herd")
        peak_rate = peak["pushes"] / peak["seconds"]
        self.stored(peak["rows_acked"])
        interval = o.collectors / (peak_rate * o.times)
        pushes = max(1, round(o.seconds / interval))
        say(f"peak: {peak_rate:,.0f} pushes a second; now {o.times} times that: one of each collector every {interval * 1000:.1f} ms")
        over = self.push("overload", o.collectors + 1, "--interval", f"{interval:.6f}", "--pushes", pushes, "--start", "jitter", "--wait-max", max(60, round(o.seconds * (o.times + 1))))
        due_seconds = interval * pushes   # all of them push in that, from the end of the first interval on
        acknowledged = peak["rows_acked"] + over["rows_acked"]
        stored = self.stored(acknowledged)
        return {
            "command": " ".join(["./run bench overload", *sys.argv[1:]]), "date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": trial.machine_here(),
            "collectors": o.collectors, "cores": o.cores, "seconds": o.seconds, "times": o.times,
            "peak_pushes_per_second": round(peak_rate, 1), "offered_pushes_per_second": round(over["pushes_made_in_time"] / due_seconds, 1),
            "goodput_pushes_per_second": round(over["pushes_in_time"] / due_seconds, 1), "goodput": round(over["pushes_in_time"] / due_seconds / peak_rate, 3),
            "pushes_planned": over["pushes_planned"], "pushes": over["pushes"], "tried_again": over["pushes_tried_again"], "refused": over["refused"],
            "drained_seconds": round(over["seconds"] - due_seconds, 1), "rows_acked": acknowledged, "rows_stored": stored, "doubled": store.doubled(self.server.engine),
            "peak_kib": peak["kib"], "overload_kib": over["kib"],
            "memory": {program: round(over["kib"][program] / peak["kib"][program], 3) for program in peak["kib"]},
            "generator_cpu_seconds": round(over["cpu_seconds"], 1),
        }


def failures(result):
    found = []
    if result["rows_stored"] != result["rows_acked"] or result["doubled"]:
        found.append(f"{result['rows_acked']:,} rows acknowledged, {result['rows_stored']:,} stored, twice: {result['doubled']}")
    if result["pushes"] != result["pushes_planned"]:
        found.append(f"{result['pushes']:,} of {result['pushes_planned']:,} pushes were acknowledged in the end")
    if result["offered_pushes_per_second"] < 0.95 * result["times"] * result["peak_pushes_per_second"]:
        found.append(f"the generator offered {result['offered_pushes_per_second']} pushes a second, {result['times']} times {result['peak_pushes_per_second']} were meant: fewer --cores")
    if result["goodput"] < LIMITS["goodput"]:
        found.append(f"goodput is {result['goodput']} of the peak, at least {LIMITS['goodput']} is wanted")
    return found + [f"{program} took {times} times the memory of the peak, at most {LIMITS['memory']} is allowed" for program, times in result["memory"].items() if times > LIMITS["memory"]]


def lines(r):
    yield f"{r['collectors']} collectors; server and engine with {r['cores'] or 'all'} processors together"
    yield f"peak: {r['peak_pushes_per_second']:,} pushes a second, acknowledged; offered for {r['seconds']} s: {r['offered_pushes_per_second']:,}; acknowledged meanwhile: {r['goodput_pushes_per_second']:,}, {r['goodput']:.0%} of the peak"
    yield f"{r['tried_again']:,} pushes tried again, {r['refused'] or 'no refusal'}; all {r['pushes']:,} of {r['pushes_planned']:,} acknowledged {r['drained_seconds']} s after the last one was due"
    yield f"{r['rows_acked']:,} rows acknowledged, {r['rows_stored']:,} stored, {sum(r['doubled'].values())} twice"
    yield "memory at most, at the peak and under the overload: " + ", ".join(
        f"{program} {r['peak_kib'][program] / 1024:.0f} and {r['overload_kib'][program] / 1024:.0f} MiB" for program in r["peak_kib"])


def show(result):
    for line in lines(result):
        say(line)


def main():
    parser = argparse.ArgumentParser(prog="./run bench overload", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collectors", type=int, default=100)
    parser.add_argument("--cores", type=float, default=0.3, help="of server and engine together; default 0.3; 0: all, without a control group")
    parser.add_argument("--times", type=float, default=3, help="how much more than the peak; default 3")
    parser.add_argument("--seconds", type=int, default=30, help="of the peak, and of the overload; default 30")
    trial.add_json(parser)
    trial.add_page(parser)
    options = parser.parse_args()
    if not 0 <= options.cores <= (os.cpu_count() or 1):
        parser.error(f"--cores {options.cores}: 0, or a number of processors that are there")
    if min(options.collectors, options.times, options.seconds) <= 0:
        parser.error("--collectors, --times and --seconds are above 0")
    trial.measure("overload", options.json, lambda directory: Run(options, directory), failures, show, options.page,
                  lambda result, failed: trial.page("Results of overload", result, lines(result), failed))


if __name__ == "__main__":
    main()
