"""./run faults: breaks everything on purpose, with real processes, and proves that nothing acknowledged was lost, doubled or altered."""

import argparse
import json
import os
import pathlib
import random
import sys
import time

from lab import network, store, trial, verdict, volume
from lab.api import ApiError
from lab.fault_kinds import KINDS, plan
from lab.fault_rig import Rig, behind_cable
from lab.machine import LabError

PAUSE_SECONDS = (0.1, 1.2)     # between two rounds
MORE_SECONDS = 240             # after the rounds, for --rows
EPILOG = f"""examples:
  ./run faults                                    60 rounds, 20 collectors, at least 200,000 rows
  ./run faults --rounds 10 --kinds kill_server,stall --collectors 4 --rows 0
  ./run faults --power-cuts 20 --json cuts.json   20 power cuts, of the server and of collectors in turn
  ./run faults --seed 7                           the same faults in the same order, as far as a real machine repeats anything

kinds:
  {", ".join(KINDS)}

Mounting and power cuts need root and ext4, partition and reset need root, ip and nft, and two collectors; what a machine cannot do is printed and
listed under "skipped". The last two collectors are behind a cable of their own, on which packets are dropped or rejected, in one direction or both.
A power cut of the server takes its journal, its directory and the engine's files.

environment:
  PGA_BIN   where the programs are, default build/dev/bin
"""


def say(text):
    print(f"[faults] {text}", flush=True)


def percentile(values, share):
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1) if values else None


class Run:
    def __init__(self, options, directory, no_volumes, no_network):
        self.options = options
        self.chance = random.Random(options.seed)
        self.skipped = {}
        kinds = [k for k in KINDS if k in options.kinds]
        if not behind_cable(options.collectors):
            no_network = no_network or "it needs two collectors"
        for reason, needed in ((no_volumes, "needs_volume"), (no_network, "needs_network")):
            if reason:
                self.skipped |= {k: reason for k in kinds if getattr(KINDS[k], needed)}
        for kind, reason in self.skipped.items():
            say(f"skipped: {kind}, because {reason}")
        self.kinds = [k for k in kinds if k not in self.skipped]
        self.rig = Rig(directory, options.collectors, say, no_volumes is None, no_network is None)
        self.recovery = {}   # kind: milliseconds
        self.rounds = 0
        self.begun = time.monotonic()

    def planned(self):
        found = plan(self.kinds, self.options.rounds, self.chance) if self.kinds else []
        cuts = [k for k in ("power_server", "power_collector") if k not in self.skipped]
        return found + [cuts[i % len(cuts)] for i in range(self.options.power_cuts if cuts else 0)]

    def round(self, kind, total):
        time.sleep(self.chance.uniform(*PAUSE_SECONDS))
        self.rounds += 1
        began = time.monotonic()
        try:
            victim, milliseconds = KINDS[kind].run(self.rig, self.chance)
            self.rig.alive()
        except LabError as error:
            raise LabError(f"round {self.rounds}, {kind}: {error}") from None
        self.recovery.setdefault(kind, []).append(milliseconds)
        say(f"{self.rounds:4}/{total}  {kind:15} {victim:42} {time.monotonic() - began:5.1f} s, recovered after {milliseconds:6.0f} ms")

    def rows_so_far(self):
        try:
            return store.rows_announced(self.rig.server.engine)
        except (ApiError, OSError):
            return 0   # the engine was killed a moment ago

    def break_everything(self):
        planned = self.planned()
        for kind in planned:
            self.round(kind, len(planned))
        end = time.monotonic() + MORE_SECONDS
        kills = [k for k in self.kinds if KINDS[k].kills] or self.kinds
        while kills and self.rows_so_far() < self.options.rows and time.monotonic() < end:
            self.round(self.chance.choice(kills), "more")

    def judge(self):
        rig = self.rig
        say("healing, flushing, stopping the collectors")
        left = rig.finish()
        rig.progress.read()
        say(f"verdict over {rig.progress.frames:,} acknowledgements")
        judged = verdict.Verdict(rig.server.engine, rig.directory / "oracle", rig.server.state / "directory.sqlite").load()
        flushed = judged.wait_stored()
        rig.give_verdict_room()
        found = judged.compare()
        twice = store.doubled(rig.server.engine)
        for name in judged.texts:
            twice.pop(name, None)   # a text replaces itself
        found["batches"].duplicated = max(found["batches"].duplicated, twice.get("batches", 0))
        for table, differences in found.items():
            for what, count, difference in differences.samples:
                say(f"{what.upper()} {count}: {judged.show(table, difference)[:2000]}")
        kills = [ms for kind, values in self.recovery.items() if KINDS[kind].kills for ms in values]
        result = {
            "rounds": self.rounds, "seed": self.options.seed, "collectors": self.options.collectors,
            "acked_rows": judged.acked_rows, "acked_frames": len(judged.frames), "stored_rows": store.rows_stored(rig.server.engine),
            **{what: sum(getattr(f, what) for f in found.values()) for what in ("lost", "duplicated", "altered")},
            "refused_rows": judged.refused_rows, "doubled_in_store": twice, "all_flushed": flushed, **left,
            "packets_dropped_or_rejected": rig.packets_hit, "recovery_ms_p99": percentile(kills, 0.99),
            "server_acknowledges_ms": {"p50": percentile(rig.acknowledged_again, 0.5), "max": percentile(rig.acknowledged_again, 1)},
            "frames_told_again": rig.progress.frames - len(judged.frames), "frames_sent_again_at_least": judged.repetitions(),
            "recovery_ms": {k: {"n": len(v), "p50": percentile(v, 0.5), "max": percentile(v, 1)} for k, v in sorted(self.recovery.items())},
            "faults": {k: len(v) for k, v in sorted(self.recovery.items())}, "skipped": self.skipped,
            "seconds": round(time.monotonic() - self.begun, 1),
        }
        if self.options.self_test:
            result["self_test"] = verdict.prove(judged)
        return result

    def run(self):
        try:
            self.rig.start()
            self.break_everything()
            return self.judge()
        finally:
            self.rig.close()


def show(result):
    say(f"{'fault':16} rounds   recovery p50      max")
    for kind, r in result["recovery_ms"].items():
        say(f"{kind:16} {r['n']:6}   {r['p50']:9.0f} ms {r['max']:6.0f} ms")
    say(f"{result['acked_rows']:,} rows in {result['acked_frames']:,} frames acknowledged, {result['stored_rows']:,} rows in the store; "
        f"{result['seconds']:.0f} s; kills recovered within {result['recovery_ms_p99']} ms (p99)")
    say(f"{result['frames_sent_again_at_least']:,} frames or more were sent again and taken once")
    say(f"lost {result['lost']}, duplicated {result['duplicated']}, altered {result['altered']}, refused {result['refused_rows']}")


def failures(result):
    found = [f"{result[what]} rows {what}" for what in ("lost", "duplicated", "altered", "refused_rows") if result[what]]
    if result["doubled_in_store"]:
        found.append(f"twice in the store: {result['doubled_in_store']}")
    if not result["all_flushed"]:
        found.append("the server has not stored every acknowledged frame within a minute")
    if result["quarantined"]:
        found.append(f"{result['quarantined']} frames in quarantine")
    found += [f"the verdict does not see what was planted: {wrong}" for wrong in result.get("self_test", [])]
    return found


def parse():
    parser = argparse.ArgumentParser(prog="./run faults", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, help="faults, one after the other; default 60, and 0 with --power-cuts")
    parser.add_argument("--seed", type=int, default=None, help="of the faults and their order; default by chance")
    parser.add_argument("--kinds", default=",".join(KINDS), help="only these kinds, separated by commas")
    parser.add_argument("--power-cuts", type=int, default=0, metavar="N", help="N power cuts after the rounds")
    parser.add_argument("--collectors", type=int, default=20)
    parser.add_argument("--rows", type=int, help="go on with kills until so many rows are stored, "
                        f"for at most {MORE_SECONDS} s; default 200000, and 0 with --power-cuts")
    parser.add_argument("--self-test", action="store_true", help="at the end plant a lost, a doubled and an altered row, and see that the verdict finds them")
    parser.add_argument("--keep", action="store_true", help="do not remove the directory with the logs")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    options.kinds = [k for k in options.kinds.split(",") if k]
    unknown = sorted(set(options.kinds) - set(KINDS))
    if unknown:
        parser.error(f"there is no kind {', '.join(unknown)}; there are {', '.join(KINDS)}")
    if options.rounds is None:
        options.rounds = 0 if options.power_cuts else 60
    if options.rows is None:
        options.rows = 0 if options.power_cuts else 200_000
    if options.seed is None:
        options.seed = random.randrange(1 << 32)
    if options.json:
        options.json = os.path.abspath(options.json)
    return options


def main():
    options = parse()
    words = [a for i, a in enumerate(sys.argv[1:]) if not a.startswith("--seed") and sys.argv[i] != "--seed"]
    say(f"seed {options.seed}; to repeat it: ./run faults {' '.join([*words, '--seed', str(options.seed)])}")
    no_volumes = volume.own_mounts()

    def work(directory):
        result = Run(options, directory, no_volumes or volume.power_can_be_cut(directory), network.why_not(directory)).run()
        if options.json:
            pathlib.Path(options.json).write_text(json.dumps(result, indent=2) + "\n")
            say(f"figures in {options.json}")
        show(result)
        return failures(result)
    trial.conduct("faults", work, options.keep)


if __name__ == "__main__":
    main()
