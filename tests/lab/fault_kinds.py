"""The faults of ./run faults. Each breaks something, heals it, and says whom it hit and after how many milliseconds that went on."""

import dataclasses
import os
import pathlib
import signal
import time
import typing

from lab import machine, network

AGAIN = 0.3                     # of the kills hit a second time while it recovers,
AGAIN_SECONDS = (0.05, 0.5)     # so long after it was started again
STOP_SECONDS = (1.0, 6.0)
NETWORK_SECONDS = (1.0, 4.0)
PARTITION_SECONDS = (1.0, 12.0)
LONG, LONG_SECONDS = 0.15, (32.0, 40.0)   # of the partitions: longer than the time of a request
FULL_SECONDS = (1.5, 3.5)


@dataclasses.dataclass
class Kind:
    run: typing.Callable
    weight: int = 1
    needs_volume: bool = False
    needs_network: bool = False
    kills: bool = False          # counts for recovery_ms_p99


def until_gone(pid):
    machine.wait_until(f"process {pid} is gone", lambda: not os.path.exists(f"/proc/{pid}"), 30)


# kill -9

def kill_collector(rig, chance):
    return restart_collector(rig, chance, chance.choice(rig.collectors))


def restart_collector(rig, chance, collector, between=lambda: None):
    collector.kill()
    between()
    collector.start()
    again = chance.random() < AGAIN
    if again:
        time.sleep(chance.uniform(*AGAIN_SECONDS))
        collector.kill()
        collector.start()
    return collector.name + (", twice" if again else ""), rig.collector_recovered(time.monotonic_ns(), collector)


def kill_server(rig, chance):
    return restart_server(rig, chance)


def restart_server(rig, chance, between=lambda: None):
    engine = rig.engine_pid()
    rig.server.kill()
    until_gone(engine)           # of itself, because its parent is gone
    between()
    rig.server.launch()
    again = chance.random() < AGAIN
    if again:
        time.sleep(chance.uniform(*AGAIN_SECONDS))
        rig.server.kill()
        rig.server.launch()      # its engine may still hold the data: the server has to wait for it
    return "server" + (", twice" if again else ""), rig.server_recovered(time.monotonic_ns())


def kill_engine(rig, chance):
    def kill():
        pid = rig.engine_pid()
        os.kill(pid, signal.SIGKILL)
        return pid

    first, again = kill(), chance.random() < AGAIN
    if again:
        machine.wait_until("the engine is started again", lambda: rig.engine_pid() != first, 60, pause=0.01)
        time.sleep(chance.uniform(*AGAIN_SECONDS))
        kill()
    began = time.monotonic_ns()
    return "engine" + (", twice" if again else ""), rig.engine_recovered(began)


# SIGSTOP

def frozen(pid, chance):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(chance.uniform(*STOP_SECONDS))
    os.kill(pid, signal.SIGCONT)
    return time.monotonic_ns()


def stop_collector(rig, chance):
    collector = chance.choice(rig.collectors)
    return collector.name, rig.collector_recovered(frozen(collector.child.pid, chance), collector)


def stop_server(rig, chance):
    return "server", rig.server_recovered(frozen(rig.server.child.pid, chance))


def stop_engine(rig, chance):
    return "engine", rig.engine_recovered(frozen(rig.engine_pid(), chance))


# The network, which is the proxy

def through_proxy(rig, chance, mode, **settings):
    rig.proxy.set(mode, **settings)
    time.sleep(chance.uniform(*NETWORK_SECONDS))
    rig.proxy.set("pass")
    return "all connections", rig.pushed_again(time.monotonic_ns())


def cut(rig, chance):
    for _ in range(chance.randint(1, 5)):
        rig.proxy.set("cut")
        time.sleep(chance.uniform(0, 0.4))
    return "all connections", rig.pushed_again(time.monotonic_ns())


def stall(rig, chance):
    return through_proxy(rig, chance, "stall")


def truncate(rig, chance):
    return through_proxy(rig, chance, "truncate", bytes=chance.randint(100, 12_000))


def half_close(rig, chance):
    return through_proxy(rig, chance, "half_close", bytes=chance.randint(100, 12_000))


def delay(rig, chance):
    return through_proxy(rig, chance, "delay", least=0.02, most=0.4)


def drip(rig, chance):
    return through_proxy(rig, chance, "drip", bytes=chance.randint(1, 60), pause=0.002)


def hold(rig, chance):
    return through_proxy(rig, chance, "hold")


def refuse(rig, chance):
    return through_proxy(rig, chance, "refuse")


# The network, which is a cable

def on_the_cable(rig, chance, verdict, seconds):
    way = chance.choice(network.WAYS)
    rig.network.fault(rig.server.collectors_port, way, verdict)
    time.sleep(seconds)
    hit = rig.network.heal()
    rig.packets_hit += hit
    now = time.monotonic_ns()
    return f"{len(rig.behind_cable)} collectors, {hit} packets {way}", max(rig.collector_recovered(now, c) for c in rig.behind_cable)


def partition(rig, chance):
    """Packets vanish: neither end is told anything."""
    return on_the_cable(rig, chance, "drop", chance.uniform(*(LONG_SECONDS if chance.random() < LONG else PARTITION_SECONDS)))


def reset(rig, chance):
    """Whoever sends something is told that there is no such connection; the other end is not."""
    return on_the_cable(rig, chance, "reject with tcp reset", chance.uniform(*NETWORK_SECONDS))


# Disks

def full(volume, chance):
    end = time.monotonic() + chance.uniform(*FULL_SECONDS)
    while time.monotonic() < end:   # what is deleted meanwhile is taken too
        volume.fill()
        time.sleep(0.05)
    volume.make_room()
    return time.monotonic_ns()


def full_server(rig, chance):
    return "state of the server", rig.pushed_again(full(rig.server_volume, chance))


def volume_of_a_collector(rig, chance):
    name = chance.choice(sorted(rig.volumes))
    return next(c for c in rig.collectors if c.name == name), rig.volumes[name]


def full_spool(rig, chance):
    collector, volume = volume_of_a_collector(rig, chance)
    return f"state of {collector.name}", rig.collector_recovered(full(volume, chance), collector)


def cut_power(volume, *pids):
    """Whoever has no power does nothing any more: the processes stop first. A process that runs on through the shutdown of its ext4 is told
    now and then by fdatasync() that the record is safe which the shutdown has just taken, and no machine without power can say that it has it."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    machine.wait_until("all threads stand still, or are in the kernel", lambda: all(stands_still(pid) for pid in pids), 10, pause=0.001)
    volume.cut_power()


def stands_still(pid):
    states = [path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] for path in pathlib.Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state in "TDtZX" for state in states)


def power_server(rig, chance):
    cut_power(rig.server_volume, rig.server.child.pid, rig.engine_pid())
    return restart_server(rig, chance, rig.server_volume.restore_power)


def power_collector(rig, chance):
    collector, volume = volume_of_a_collector(rig, chance)
    cut_power(volume, collector.child.pid)
    return restart_collector(rig, chance, collector, volume.restore_power)


KINDS = {
    "kill_collector": Kind(kill_collector, 4, kills=True),
    "kill_server": Kind(kill_server, 4, kills=True),
    "kill_engine": Kind(kill_engine, 4, kills=True),
    "stop_collector": Kind(stop_collector),
    "stop_server": Kind(stop_server),
    "stop_engine": Kind(stop_engine),
    "cut": Kind(cut, 2),
    "stall": Kind(stall, 3),
    "truncate": Kind(truncate, 2),
    "half_close": Kind(half_close),
    "delay": Kind(delay),
    "drip": Kind(drip),
    "hold": Kind(hold),
    "partition": Kind(partition, 2, needs_network=True),
    "reset": Kind(reset, needs_network=True),
    "refuse": Kind(refuse),
    "full_server": Kind(full_server, needs_volume=True),
    "full_spool": Kind(full_spool, needs_volume=True),
    "power_server": Kind(power_server, 2, needs_volume=True, kills=True),
    "power_collector": Kind(power_collector, 2, needs_volume=True, kills=True),
}


def plan(kinds, rounds, chance):
    """So many names: first each kind once, then by weight, in random order."""
    first = list(kinds)
    chance.shuffle(first)
    weighted = [kind for kind in kinds for _ in range(KINDS[kind].weight)]
    while len(first) < rounds:
        chance.shuffle(weighted)
        first += weighted
    return first[:rounds]
