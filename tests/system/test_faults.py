"""./run faults in short: everything is broken once or twice, and what was acknowledged is stored, once, as it was sent."""

import json
import os
import subprocess
import unittest

from support import SystemTest, machine

from lab import verdict
from lab.fault_kinds import KINDS

FAULTS = ["/usr/bin/python3", "-B", "-m", "lab.faults"]


class Faults(SystemTest):
    def test_nothing_acknowledged_is_lost_doubled_or_altered(self):
        report = self.directory / "faults.json"
        arguments = ["--rounds", len(KINDS), "--collectors", 6, "--rows", 0, "--self-test", "--json", report]
        if "PGA_SEED" in os.environ:
            arguments += ["--seed", os.environ["PGA_SEED"]]
        done = subprocess.run([*FAULTS, *map(str, arguments)], env={**os.environ, "PYTHONPATH": str(machine.ROOT / "tests")},
                              stdin=subprocess.DEVNULL, timeout=600)
        self.assertEqual(done.returncode, 0)
        result = json.loads(report.read_text())
        self.assertEqual((result["lost"], result["duplicated"], result["altered"], result["refused_rows"]), (0, 0, 0, 0))
        self.assertGreater(result["acked_rows"], 1000)
        self.assertEqual(set(result["faults"]) | set(result["skipped"]), set(KINDS))
        self.assertEqual(result["self_test"], [])


class Judge(unittest.TestCase):
    """The verdict's own rules: (place, key, row, expected, stored), only where the numbers differ."""

    def test_it_says_what_is_wrong(self):
        cases = [
            ("nothing differs", [], {}, (0, 0, 0)),
            ("a row is missing", [("p", "k", "r", 1, 0)], {}, (1, 0, 0)),
            ("one of two equal rows is missing", [("p", "k", "r", 2, 1)], {}, (1, 0, 0)),
            ("a row is there twice", [("p", "k", "r", 1, 2)], {}, (0, 1, 0)),
            ("a row is there three times", [("p", "k", "r", 1, 3)], {}, (0, 2, 0)),
            ("a cell is another", [("p", "k", "r", 1, 0), ("p", "k", "x", 0, 1)], {}, (0, 0, 1)),
            ("a key is another: the row is gone, and one came that nobody sent", [("p", "k", "r", 1, 0), ("p", "q", "x", 0, 1)], {}, (1, 0, 1)),
            ("of two missing rows one was altered", [("p", "k", "r", 2, 0), ("p", "k", "x", 0, 1)], {}, (1, 0, 1)),
            ("a row that nobody sent", [("p", "k", "x", 0, 1)], {}, (0, 0, 1)),
            ("two rows of a frame that nobody was told of", [("u", "k", "x", 0, 1), ("u", "l", "y", 0, 1)], {"u": 2}, (0, 0, 0)),
            ("one more than such a frame announces", [("u", "k", "x", 0, 2), ("u", "l", "y", 0, 1)], {"u": 2}, (0, 0, 1)),
        ]
        for what, differences, untold, expected in cases:
            with self.subTest(what):
                found = verdict.judge(differences, untold)
                self.assertEqual((found.lost, found.duplicated, found.altered), expected)

    def test_it_judges_texts_as_sets_of_which_the_newest_counts(self):
        old, new = (1, 100), (1, 200)
        cases = [
            ("both are there", [(old, "k", "a", 1, 1), (new, "k", "b", 1, 1)], {}, (0, 0, 0)),
            ("the older one was replaced", [(old, "k", "a", 1, 0), (new, "k", "b", 1, 1)], {}, (0, 0, 0)),
            ("the newest is there twice, not yet merged", [(new, "k", "b", 1, 2)], {}, (0, 0, 0)),
            ("the newest is missing", [(old, "k", "a", 1, 1), (new, "k", "b", 1, 0)], {}, (1, 0, 0)),
            ("none is there", [(new, "k", "b", 1, 0)], {}, (1, 0, 0)),
            ("the newest is altered", [(new, "k", "b", 1, 0), (new, "k", "x", 0, 1)], {}, (0, 0, 1)),
            ("a newer one of a frame that nobody was told of", [(old, "k", "a", 1, 0), (new, "k", "b", 0, 1)], {new: 1}, (0, 0, 0)),
            ("a text that nobody sent", [(new, "k", "b", 0, 1)], {}, (0, 0, 1)),
        ]
        for what, rows, untold, expected in cases:
            with self.subTest(what):
                found = verdict.judge_texts(rows, untold)
                self.assertEqual((found.lost, found.duplicated, found.altered), expected)
