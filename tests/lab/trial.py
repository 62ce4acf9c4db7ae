"""How a long run against real processes begins and ends: ./run faults, ./run bench reconnect, outage, agent, load, scale, ingest, full_disk."""

import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

from lab.api import ApiError
from lab.machine import LabError


class Interrupted(BaseException):
    """No Exception, which whoever waits for something takes for "not yet"."""


def conduct(name, work, keep=False):
    """Calls work(directory), which returns what failed, a sentence each; prints that and exits with 0 or 1. The directory is a new one; it stays,
    for its logs, if something failed. SIGTERM and Ctrl-C end the work as an error would."""
    def interrupt(*_):
        raise Interrupted("interrupted")
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, interrupt)
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"pga-{name}-"))
    directory.chmod(0o755)
    failed = ["it did not come to its end"]
    try:
        failed = work(directory)
    except (LabError, ApiError, OSError, Interrupted) as error:
        failed = [str(error)]
    finally:
        if failed or keep:
            print(f"[{name}] logs are in {directory}", flush=True)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    for failure in failed:
        print(f"[{name}] FAILED: {failure}", file=sys.stderr, flush=True)
    sys.exit(1 if failed else 0)


def add_json(parser):
    """The option for the figures. Its path is taken as of where the command was given."""
    parser.add_argument("--json", metavar="FILE", type=os.path.abspath, help="write the figures to FILE")


def measure(name, file, make, failures, show):
    """conduct() for what yields figures: make(directory) has run(), which returns a dictionary, and close(); failures(figures) are sentences.
    The figures go to `file` if there is one, with the failures, and to show()."""
    def work(directory):
        run = make(directory)
        try:
            result = run.run()
        finally:
            run.close()
        failed = failures(result)
        if file:
            pathlib.Path(file).write_text(json.dumps({**result, "failures": failed}, indent=2) + "\n")
        show(result)
        return failed
    conduct(name, work)
