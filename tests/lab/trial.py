"""How a long run against real processes begins and ends: ./run faults, ./run bench reconnect, outage, agent, load, scale, ingest, full_disk."""

import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
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
    except (LabError, ApiError, OSError, subprocess.SubprocessError, Interrupted) as error:
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


def machine_here():
    """What figures depend on."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")
    return {"cpus": os.cpu_count(), "model": model, "kernel": platform.release()}


def add_page(parser):
    parser.add_argument("--page", metavar="FILE", type=os.path.abspath, help="write the figures as Markdown, for the documentation")


def page(title, figures, lines, failed):
    """Markdown of figures that name their command, date and machine."""
    m = figures["machine"]
    text = [f"# {title}", "", f"Written by `{figures['command']}`; how it is measured: [load testing](../load-testing.md).", "",
            f"{figures['date']}, {m['cpus']} × {m['model']}, Linux {m['kernel']}; server, engine and generator on the same processors.", "", "```text", *lines, "```", ""]
    if failed:
        text += ["What was not met:", "", *(f"- {failure}" for failure in failed), ""]
    return "\n".join(text)


def measure(name, file, make, failures, show, page_file=None, page_of=None):
    """conduct() for what yields figures: make(directory) has run(), which returns a dictionary, and close(); failures(figures) are sentences.
    The figures go to `file` if there is one, with the failures, and to show(); page_of(figures, failures) to page_file."""
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
        if page_file:
            pathlib.Path(page_file).write_text(page_of(result, failed), encoding="utf-8")
        return failed
    conduct(name, work)
