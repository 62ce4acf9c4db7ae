"""A network of its own for some of our processes, joined to this machine by one cable (a veth pair) on which packets can be dropped.

The network belongs to a child process, which removes the cable when it is told to end, and the kernel tells it that when we are gone, however that
came. Without waiting for anything: connections that were cut off keep a network for minutes after its last process."""

import ipaddress
import os
import re
import shutil
import signal
import subprocess

from lab import machine
from lab.machine import LabError

RANGE = ipaddress.ip_network("198.18.0.0/15")   # for measurements; nobody routes it
WAYS = ("both ways", "to the server", "from the server")
CHAINS = {"both ways": ("output", "input"), "to the server": ("output",), "from the server": ("input",)}


def run(*args):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, args))} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def network_of(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


class Network:
    """`outer` is our address on the cable, `inside` goes in front of a command that is to run behind it."""

    def __init__(self, directory):
        place = RANGE[4 * (os.getpid() % (RANGE.num_addresses // 4))]
        self.outer, self.inner = str(place + 1), str(place + 2)
        self.cable, far_end = f"pga{os.getpid()}", f"pga{os.getpid()}i"
        hold = f"trap 'kill $!; ip link delete {far_end}; exit 0' TERM; sleep infinity & wait"
        self.child = machine.Child("network", ["unshare", "--net", "sh", "-c", hold], directory / "network.log", death=signal.SIGTERM)
        try:
            machine.wait_until("there is a network of its own", lambda: network_of(self.child.pid) != network_of(os.getpid()), 10, self.child)
            self.inside = ["nsenter", f"--net=/proc/{self.child.pid}/ns/net", "--"]
            run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", far_end, "netns", self.child.pid)
            run("ip", "address", "add", f"{self.outer}/30", "dev", self.cable)
            run("ip", "link", "set", self.cable, "up")
            run(*self.inside, "ip", "address", "add", f"{self.inner}/30", "dev", far_end)
            for link in ("lo", far_end):
                run(*self.inside, "ip", "link", "set", link, "up")
            run(*self.inside, "nft", "add table inet faults")
            for chain in ("input", "output"):
                run(*self.inside, "nft", f"add chain inet faults {chain} {{ type filter hook {chain} priority filter; }}")
        except BaseException:
            self.close()
            raise

    def fault(self, port, way, verdict):
        """What goes to the server's port, or comes from it, gets this verdict: "drop", or "reject with tcp reset"."""
        for chain in CHAINS[way]:
            run(*self.inside, "nft", f"add rule inet faults {chain} tcp {'dport' if chain == 'output' else 'sport'} {port} counter {verdict}")

    def heal(self):
        """Everything passes again. Returns the number of packets that did not."""
        hit = sum(map(int, re.findall(r"counter packets (\d+)", run(*self.inside, "nft", "list table inet faults"))))
        run(*self.inside, "nft", "flush table inet faults")
        return hit

    def close(self):
        self.child.stop()


def why_not(directory):
    """None, or why there can be no such network here: tried once, with a rule of each kind."""
    if os.getuid() != 0:
        return "a network of its own needs root"
    for program in ("unshare", "nsenter", "ip", "nft"):
        if shutil.which(program) is None:
            return f"{program} is not installed: ./run setup installs it"
    try:
        network = Network(directory)
    except LabError as error:
        return str(error)
    try:
        for verdict in ("drop", "reject with tcp reset"):
            network.fault(1, "both ways", verdict)
        network.heal()
    except LabError as error:
        return str(error)
    finally:
        network.close()
    return None
