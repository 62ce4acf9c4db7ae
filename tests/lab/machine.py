"""This machine: where things are, free ports, child processes that never outlive us."""

import os
import pathlib
import pwd
import random
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
_ports = set()   # that free_port() gave


class LabError(Exception):
    """Something real did not start, answer or stop. The message says which, and shows its log."""


def cache():
    """Where ./run setup puts the engine library and the PostgreSQL test servers."""
    if "PGA_CACHE" in os.environ:
        return pathlib.Path(os.environ["PGA_CACHE"])
    if os.getuid() == 0:
        return pathlib.Path("/var/cache/pganalytics")
    return pathlib.Path.home() / ".cache/pganalytics"


def binary(name):
    """The path of one of our programs. PGA_BIN names another folder than build/dev/bin."""
    path = pathlib.Path(os.environ.get("PGA_BIN", ROOT / "build/dev/bin")) / name
    if not path.exists():
        raise LabError(f"{path} is not there: ./run build makes it")
    return str(path)


def engine_library():
    path = cache() / "chdb/libchdb.so"
    if not path.exists():
        raise LabError(f"{path} is not there: ./run setup installs it")
    return str(path)


def free_port():
    """A port nobody listens on, below the kernel's ephemeral range, where outgoing connections would take it. Given once: who has it may
    listen later, again, or never."""
    while True:
        port = random.randrange(20000, 32768)
        if port in _ports:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                _ports.add(port)
                return port
            except OSError:
                continue


def unprivileged():
    """The user under whom PostgreSQL runs: None when we are not root, because then it is us."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LabError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


def wait_until(what, check, seconds=30.0, child=None, pause=0.05):
    """Calls check() until it returns something true, and returns that. Its exceptions count as "not yet"."""
    end = time.monotonic() + seconds
    last = None
    while True:
        try:
            got = check()
            if got:
                return got
        except Exception as error:  # noqa: BLE001 - the last one is reported
            last = error
        if child is not None and not child.alive():
            raise LabError(f"{child.name} ended with {child.process.returncode} before {what}\n{child.tail()}")
        if time.monotonic() > end:
            tail = f"\n{child.tail()}" if child is not None else ""
            raise LabError(f"not within {seconds:.0f} s: {what}" + (f" ({last})" if last else "") + tail)
        time.sleep(pause)


CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class Child:
    """One process of ours. The kernel ends it when we die (start it from the main thread)."""

    def __init__(self, name, args, log, user=None, env=None, death=signal.SIGKILL):
        self.name = name
        self.log = pathlib.Path(log)
        command = ["setpriv", f"--pdeathsig={signal.Signals(death).name[3:]}"]
        if user is not None:
            command += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(  # a session of its own: Ctrl-C reaches us, and we stop it in order
                [*command, *map(str, args)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env=None if env is None else {**os.environ, **env}, cwd="/")

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def tail(self, lines=20):
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return f"--- last lines of {self.log}\n" + "\n".join(text)

    def stop(self, sign=signal.SIGTERM, seconds=20):
        """Sends the signal, waits, and returns the exit code; kills and complains when it does not end, and complains when it crashed."""
        if self.alive():
            self.process.send_signal(sign)
        try:
            code = self.process.wait(seconds)
            if -code in CRASHES:
                raise LabError(f"{self.name} ended with {signal.Signals(-code).name}\n{self.tail()}")
            return code
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise LabError(f"{self.name} did not end within {seconds} s of signal {sign}\n{self.tail()}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()


def children_of(pid):
    """[(pid, command name)] of the direct children of a process."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                head, _, rest = (entry / "stat").read_text().rpartition(")")
                if int(rest.split()[1]) == pid:
                    found.append((int(entry.name), head.partition("(")[2]))
            except (OSError, ValueError):
                continue
    return found


def resident_kib(pid):
    return status_kib(pid, "VmRSS")


def peak_kib(pid):
    """The most that was ever resident, by the kernel's own account."""
    return status_kib(pid, "VmHWM")


def status_kib(pid, name):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def tree_bytes(directory):
    """Of all files below it."""
    return sum(path.stat().st_size for path in pathlib.Path(directory).rglob("*") if path.is_file())


def cpu_seconds(pid):
    """User and system time that the process has used so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
