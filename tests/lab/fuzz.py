"""Runs the libFuzzer targets of fuzz/, with AddressSanitizer and UBSan, from the seeds that the test vectors make.

  ./run bench fuzz                            every target for a minute
  ./run bench fuzz --seconds 600 frame        one target for ten minutes
  ./run bench fuzz --runs 10000000 columns    so many inputs

Inputs that a run found to be worth keeping stay in build/fuzz/corpus. A finding is printed with the input that made it.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import time

from lab import machine

BUILD = machine.ROOT / "build/fuzz"


def targets():
    return sorted(path.stem for path in (machine.ROOT / "fuzz").glob("*.cc"))


def build():
    return subprocess.run(["tests/lab/build.sh", "--preset", "fuzz", "--target", "fuzz_all", "--no-web"], cwd=machine.ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL).returncode == 0


def run_one(name, seconds, runs):
    """(inputs, what was printed or None if nothing was found) of one target."""
    corpus = BUILD / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    limit = [f"-max_total_time={seconds}"] if seconds else [f"-runs={runs}"]
    done = subprocess.run([BUILD / f"bin/fuzz_{name}", *limit, "-max_len=1024", f"-timeout={10 if seconds else 120}", "-rss_limit_mb=1024", "-print_final_stats=1",
                           f"-artifact_prefix={corpus.parent}/", corpus, BUILD / "fuzz/seeds" / name],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    count = re.search(r"number_of_executed_units:\s*(\d+)", done.stdout)
    return int(count.group(1)) if count else 0, None if done.returncode == 0 and count else done.stdout[-4000:]


def run(names, seconds=None, runs=None):
    """Runs the targets, as many at once as there are cores; returns those that found something or did not run."""
    failed = []
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {pool.submit(run_one, name, seconds, runs): name for name in names}
        for job in concurrent.futures.as_completed(jobs):
            inputs, found = job.result()
            print(f"[fuzz] {'FOUND' if found else 'ok':6} {jobs[job]:12} {inputs:>12,} inputs, {time.monotonic() - begun:.0f} s", flush=True)
            if found:
                failed.append(jobs[job])
                print(found, flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(prog="./run bench fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, help="how long each target runs; default 60")
    parser.add_argument("--runs", type=int, help="how many inputs each target gets, instead of a time")
    parser.add_argument("names", nargs="*", metavar="TARGET", help="default: " + ", ".join(targets()))
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(targets()))
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(targets())}")
    if not build():
        sys.exit("the fuzz targets do not build: ./run build --preset fuzz --target fuzz_all")
    seconds = None if options.runs else options.seconds or 60
    sys.exit(1 if run(options.names or targets(), seconds, options.runs) else 0)


if __name__ == "__main__":
    main()
