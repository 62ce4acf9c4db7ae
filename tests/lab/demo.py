"""./run demo: a throw-away PostgreSQL 18 under a shop's workload, watched by everything we have."""

import argparse
import fcntl
import json
import os
import pathlib
import shutil
import signal
import sys
import threading
import time

from lab import check, machine
from lab.api import ApiError
from lab.machine import LabError
from lab.stack import Stack

MARKER = ".pganalytics-demo"   # only a directory with this file in it is ever removed
EPILOG = """examples:
  ./run demo                                        until Ctrl-C
  ./run demo --seconds 60 --check --json demo.json  stops by itself and proves what it saw
  ./run demo --clean                                removes the state directory

environment:
  PGA_DEMO_DIR   the state directory, default /var/tmp/pganalytics-demo
  PGA_BIN        where the programs are, default build/dev/bin
"""


def say(text):
    print(f"[demo] {text}", flush=True)


def step(text, stopping):
    """A step of the start; a signal that came meanwhile ends it here."""
    if stopping.is_set():
        raise LabError("interrupted while starting")
    say(text)


def state_directory():
    return pathlib.Path(os.environ.get("PGA_DEMO_DIR", "/var/tmp/pganalytics-demo")).absolute()


def take(directory):
    """Locks the state directory for us and empties it. The lock goes with the process."""
    if directory.exists() and any(directory.iterdir()) and not (directory / MARKER).exists():
        raise LabError(f"{directory} holds something that no demo made: set PGA_DEMO_DIR to another place")
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    lock = open(directory / MARKER, "w")  # noqa: SIM115 - held open on purpose
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise LabError(f"a demo is running in {directory}: stop it first, or set PGA_DEMO_DIR to another place") from None
    for entry in directory.iterdir():
        if entry.name != MARKER:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return lock


def clean():
    directory = state_directory()
    if not directory.exists():
        say(f"{directory} is not there")
        return
    with take(directory):
        shutil.rmtree(directory)
    say(f"removed {directory}")


def progress(stack, begun):
    """One line of what is going on."""
    status = [c.status() for c in stack.collectors.values()]
    rows, frames = sum(s["rows_acked"] for s in status), sum(s["frames_acked"] for s in status)
    spool = sum(s["spool_records"] for s in status)
    rss = ", ".join(f"{name} {machine.resident_kib(c.child.pid) / 1024:.1f} MiB" for name, c in stack.collectors.items())
    say(f"{time.monotonic() - begun:4.0f} s  acknowledged {frames:,} frames, {rows:,} rows; spooled {spool}; collectors: {rss}")


def run(options, stopping):
    directory = state_directory()
    with take(directory):
        stack = Stack(directory, say=lambda text: step(text, stopping))
        try:
            stack.start()
            report = check.Report(stack)
            stack.start_workload(options.seconds)
            say("")
            say(f"open    {stack.server.url}/?range=15m")
            say(f"login   {stack.server.administrator}")
            say(f"secret  {stack.server.password}")
            say("")
            say("planted: a lock pile-up every minute, a statement that gets slow after a while, a table that bloats")
            begun = last = time.monotonic()
            while not stopping.is_set() and (options.seconds is None or time.monotonic() - begun < options.seconds):
                for name, child in stack.children():
                    if not child.alive():
                        raise LabError(f"{name} ended by itself with {child.process.returncode}\n{child.tail()}")
                report.tick()
                if time.monotonic() - last >= 10:
                    last = time.monotonic()
                    progress(stack, begun)
                stopping.wait(min(1.0, max(0.0, begun + options.seconds - time.monotonic())) if options.seconds else 1.0)
            say("stopping")
            if not options.check and not options.json:
                return 0
            result = report.finish()
            if options.json:
                pathlib.Path(options.json).write_text(json.dumps(result, indent=2) + "\n")
                say(f"figures in {options.json}")
            check.show(result, say)
            return 1 if options.check and result["failures"] else 0
        finally:
            stack.stop()


def main():
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="stop by itself after this time; default: run until Ctrl-C")
    parser.add_argument("--check", action="store_true", help="fail unless everything declared arrived, once, and every page has data")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--clean", action="store_true", help="remove the state directory and exit")
    options = parser.parse_args()
    if options.json:
        options.json = os.path.abspath(options.json)
    stopping = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stopping.set())
    try:
        sys.exit(clean() if options.clean else run(options, stopping))
    except (LabError, ApiError) as error:
        print(f"[demo] {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
