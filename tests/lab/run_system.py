"""Runs the system tests of tests/system, one progress line per test. Part of ./run test.

  PYTHONPATH=tests python3 -m lab.run_system                     all
  PYTHONPATH=tests python3 -m lab.run_system first_light kill    these files
"""

import argparse
import json
import os
import sys
import time
import unittest

from lab import machine


class Result(unittest.TextTestResult):
    """One line per test with its seconds; a skip is a failure where CI claims to run everything."""

    def __init__(self, stream, descriptions, verbosity):
        super().__init__(stream, descriptions, 0)
        self.passed = 0
        self.begun = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def say(self, verdict, name, detail=""):
        print(f"[system] {verdict:7} {time.monotonic() - self.begun:6.1f} s  {name}{detail}", flush=True)

    @staticmethod
    def name(test):
        return f"{type(test).__module__}: {getattr(test, '_testMethodName', str(test)).replace('_', ' ')}"

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.say("ok", self.name(test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.explain("FAILED", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.explain("ERROR", test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.explain("FAILED", test, self._exc_info_to_string(err, test), f" {subtest._subDescription()}")

    def explain(self, verdict, test, trace, detail=""):
        """What went wrong, and what our programs said last: a run elsewhere leaves nothing but this."""
        self.say(verdict, self.name(test), detail)
        print(trace, *getattr(test, "last_words", list)(), sep="\n", flush=True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skipped", self.name(test), f": {reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="test files without test_ and .py")
    parser.add_argument("--json", help="write the counts to this file")
    options = parser.parse_args()
    folder = machine.ROOT / "tests/system"
    sys.path.insert(0, str(folder))
    loader = unittest.TestLoader()
    names = options.names or sorted(p.stem[5:] for p in folder.glob("test_*.py"))
    suite = unittest.TestSuite(loader.loadTestsFromName(f"test_{name}") for name in names)
    result = unittest.TextTestRunner(stream=open(os.devnull, "w"), resultclass=Result).run(suite)  # noqa: SIM115
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"passed": result.passed, "failed": failed, "skipped": skipped}, out)
    print(f"[system] {result.passed} ok, {failed} not ok, {skipped} skipped", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
