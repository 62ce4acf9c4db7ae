"""./run test: builds, runs every kind of test, and ends with one line of counts."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

from lab import fuzz, machine

STAGES = ("build", "unit", "asan", "fuzz", "web", "system")
FUZZ_SECONDS = 20   # each target
EPILOG = """examples:
  ./run test                             what a change must pass; with CI=true the sanitizers too
  ./run test --asan                      the unit tests under AddressSanitizer and UBSan as well
  ./run test --only unit                 one stage: build, unit, asan, fuzz, web, system
  ./run test --only system --system kill first_light
"""


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def add(self, stage, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        self.notes.append(f"{stage}: {passed} ok, {failed} not ok" + (f", {skipped} skipped" if skipped else ""))


def say(text):
    print(f"[test] {text}", flush=True)


def command(*args, cwd=machine.ROOT, env=None):
    return subprocess.run([str(a) for a in args], cwd=cwd, env=env, stdin=subprocess.DEVNULL).returncode


def build(preset, target=None):
    options = ["--target", target] if target else []
    return command("tests/lab/build.sh", "--brief", "--preset", preset, *options, *(["--no-web"] if preset != "dev" else [])) == 0


def ctest(counts, stage, preset, scratch):
    """Runs the tests of one preset and counts them from the JUnit file that ctest writes."""
    report = scratch / f"{preset}.xml"
    code = command("ctest", "--preset", preset, "--progress", "-j", os.cpu_count() or 1, "--output-junit", report)
    if not report.exists():
        counts.add(stage, 0, 1)
        return
    suite = xml.parse(report).getroot()
    total, failed, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "skipped"))
    if total == 0 or (code != 0 and failed == 0):  # nothing ran, or ctest itself failed
        failed += 1
        total += 1
    counts.add(stage, total - failed - skipped, failed, skipped)


def fuzz_targets(counts):
    if not fuzz.build():
        counts.add("fuzz build", 0, 1)
        return
    names = fuzz.targets()
    failed = fuzz.run(names, FUZZ_SECONDS)
    counts.add("fuzz", len(names) - len(failed), len(failed))


def web(counts, scratch):
    folder = machine.ROOT / "web"
    if not (folder / "package.json").exists():
        return
    if not (folder / "node_modules/.bin/vitest").exists():
        say("web: no node_modules, ./run setup installs them")
        counts.add("web", 0, 0, 1)
        return
    report = scratch / "vitest.json"
    command("node_modules/.bin/vitest", "run", "--reporter=default", "--reporter=json", f"--outputFile.json={report}", cwd=folder, env={**os.environ, "NO_COLOR": "1"})
    if not report.exists():
        counts.add("web", 0, 1)
        return
    result = json.loads(report.read_text())
    failed = result["numFailedTests"]
    if not result["success"] and failed == 0:      # a file that does not even load
        failed = max(1, result.get("numFailedTestSuites", 1))
    counts.add("web", result["numPassedTests"], failed, result.get("numPendingTests", 0))


def system(counts, scratch, names):
    report = scratch / "system.json"
    environment = {**os.environ, "PYTHONPATH": str(machine.ROOT / "tests")}
    command("/usr/bin/python3", "-B", "-m", "lab.run_system", "--json", report, *names, env=environment)
    result = json.loads(report.read_text()) if report.exists() else {"passed": 0, "failed": 1, "skipped": 0}
    counts.add("system", result["passed"], result["failed"], result["skipped"])


def main():
    parser = argparse.ArgumentParser(prog="./run test", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asan", action="store_true", help="also the unit tests under sanitizers; CI=true implies it")
    parser.add_argument("--only", choices=STAGES, action="append", help="only this stage; may be repeated")
    parser.add_argument("--system", nargs="*", default=[], metavar="NAME", help="only these files of tests/system, without test_ and .py")
    options = parser.parse_args()
    ci = os.environ.get("CI") == "true"
    stages = options.only or [s for s in STAGES if s != "asan" or options.asan or ci]
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="pga-suite-"))
    counts = Counts()
    begun = time.monotonic()
    try:
        for stage in stages:
            say(f"{stage} ({time.monotonic() - begun:.0f} s so far)")
            if stage == "build":
                if not build("dev") or not build("dev", "benches"):
                    counts.add("build", 0, 1)
                    break
            elif stage == "unit":
                ctest(counts, "unit", "dev", scratch)
            elif stage == "asan":
                if build("asan"):
                    ctest(counts, "asan", "asan", scratch)
                else:
                    counts.add("asan build", 0, 1)
            elif stage == "fuzz":
                fuzz_targets(counts)
            elif stage == "web":
                web(counts, scratch)
            elif stage == "system":
                system(counts, scratch, options.system)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if ci and counts.skipped:
        say(f"{counts.skipped} skipped: CI claims to run everything, so that counts as failed")
        counts.failed, counts.skipped = counts.failed + counts.skipped, 0
    for note in counts.notes:
        say(note)
    say(f"{time.monotonic() - begun:.0f} s in all")
    print(f"{counts.passed} passed, {counts.failed} failed" + (f", {counts.skipped} skipped" if counts.skipped else ""), flush=True)
    sys.exit(1 if counts.failed or not counts.passed else 0)


if __name__ == "__main__":
    main()
