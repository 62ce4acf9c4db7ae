"""./run bench full_disk: what does the engine make of a disk that is full for a moment while it inserts and merges?

A 512 MiB ext4 of its own, a table of 40 columns, inserts and OPTIMIZE without pause; in every cycle the disk is filled and emptied. Afterwards
each active part is compared with what the engine believes to be in it: a part that has less was said to be stored and is not."""

import argparse
import pathlib
import random
import sys
import threading
import time

from lab import machine, trial, volume
from lab.api import ApiError, Engine

MIB = 512
COLUMNS = 40
EPILOG = """examples:
  ./run bench full_disk
  ./run bench full_disk --cycles 200 --settings ", fsync_after_insert = 1, fsync_part_directory = 1"

Exit codes: 0 every part is whole; 1 not, or something did not work. Needs root and ext4.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[full_disk] {text}", flush=True)


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.chance = random.Random(options.seed)
        self.volume = volume.Volume(directory / "volume", MIB)
        self.engine = Engine(directory / "engine.sock")
        self.child = machine.Child("engine", [machine.binary("pganalytics-engine"), "--path", directory / "volume/data", "--socket", directory / "engine.sock",
                                              "--library", machine.engine_library(), "--memory", 1 << 30], directory / "engine.log")
        self.inserted = self.refused = 0

    def start(self):
        machine.wait_until("the engine answers", lambda: self.engine.value("SELECT 1") == 1, 30, self.child)
        columns = ", ".join(f"c{i} Int64 CODEC(T64, ZSTD(1))" for i in range(COLUMNS))
        self.engine.execute(f"CREATE TABLE default.t (k Int64, {columns}) ENGINE = MergeTree ORDER BY k "
                            f"SETTINGS min_bytes_for_wide_part = 0, old_parts_lifetime = 5{self.options.settings}")

    def write(self, stop):
        """Without pause until stop is set; refusals are what a full disk is about."""
        values = ", ".join(f"rand64({i})" for i in range(COLUMNS))
        while not stop.is_set():
            try:
                self.engine.execute(f"INSERT INTO default.t SELECT rand64(), {values} FROM numbers({self.chance.choice((10, 50, 200))})")
                self.inserted += 1
                if self.chance.random() < 0.2:
                    self.engine.execute("OPTIMIZE TABLE default.t")
            except ApiError:
                self.refused += 1

    def broken(self):
        """[(part, bytes that the engine believes in, bytes in its files)] of active parts with fewer."""
        found = []
        for part in self.engine.query("SELECT name, path, bytes_on_disk FROM system.parts WHERE active AND database = 'default' AND table = 't'"):
            there = sum(file.stat().st_size for file in pathlib.Path(part["path"]).iterdir())
            if there < part["bytes_on_disk"]:
                found.append((part["name"], part["bytes_on_disk"], there))
        return found

    def cycle(self):
        stop = threading.Event()
        writer = threading.Thread(target=self.write, args=(stop,))
        writer.start()
        time.sleep(self.chance.uniform(0.2, 1))
        self.volume.fill()
        time.sleep(self.chance.uniform(0.3, 1.5))
        self.volume.make_room()
        time.sleep(0.3)
        stop.set()
        writer.join()
        return self.broken()

    def run(self):
        self.start()
        seen = set()
        for number in range(1, self.options.cycles + 1):
            for part in set(self.cycle()) - seen:
                seen.add(part)
                say(f"cycle {number}: part {part[0]} has {part[2]:,} of {part[1]:,} bytes")
            if number % 5 == 0:
                machine.wait_until("there is room to empty the table", lambda: self.engine.execute("TRUNCATE TABLE default.t") == "", 20, self.child)
        say(f"{self.options.cycles} cycles, {self.inserted:,} inserts stored, {self.refused:,} refused, {len(seen)} parts are not whole")
        return [f"{len(seen)} parts were said to be stored and are not"] if seen else []

    def close(self):
        self.child.kill()
        self.volume.close()


def main():
    parser = argparse.ArgumentParser(prog="./run bench full_disk", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1, help="of the sizes and pauses; default 1")
    parser.add_argument("--settings", default="", help="more settings of the table, beginning with a comma")
    options = parser.parse_args()
    no_mounts = volume.own_mounts()
    if no_mounts:
        print(f"[full_disk] not possible here: {no_mounts}", file=sys.stderr)
        sys.exit(1)

    def work(directory):
        run = Run(options, directory)
        try:
            return run.run()
        finally:
            run.close()
    trial.conduct("full_disk", work)


if __name__ == "__main__":
    main()
