"""A wall clock of its own for one of our programs, which a test sets while the program runs."""

import mmap
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_suffix(".c")


class WallClock:
    """Its `env` lends it to the program of that name, not to the children of it; the steady clock goes on as it is."""

    def __init__(self, directory, program):
        directory.mkdir(parents=True)
        library, file = directory / "wall_clock.so", directory / "ahead"
        subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        file.write_bytes(bytes(8))
        with open(file, "r+b") as opened:
            self.ahead = mmap.mmap(opened.fileno(), 8)
        self.env = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(file), "WALL_CLOCK_OF": program}

    def step(self, seconds):
        """Sets it to so many seconds ahead of the machine's; 0 sets it right."""
        self.ahead[:] = struct.pack("=q", round(seconds))
