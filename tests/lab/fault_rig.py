"""What ./run faults breaks: a PostgreSQL under load, a server on a volume of its own, collectors that reach it through the fault proxy,
and the oracle, which nothing breaks."""

import pathlib
import sys
import time

from lab import fault_proxy, machine, network, oracle, programs, shop, volume
from lab.machine import LabError
from lab.postgres import Cluster

# As in the system tests: what takes a minute at a customer's takes a second here.
INTERVALS = {"postgres.statements": "1s", "postgres.statement_texts": "2s", "postgres.tables": "1s", "postgres.indexes": "1s",
             "postgres.databases": "1s", "postgres.instance": "1s"}
SERVER_MIB, SPOOL_MIB = 2048, 64
VERDICT_MEMORY = "6GiB"
SPOOLS_ON_VOLUMES = 3         # collectors whose power can be cut
BEHIND_CABLE = 2              # collectors on a network of their own, straight to the server; the others go through the proxy
RECOVERY_SECONDS = 90         # then a process counts as lost


def behind_cable(collectors):
    """How many of so many; the proxy's faults need some, too."""
    return min(BEHIND_CABLE, collectors // 2)


def lab_program(module, *arguments):
    return ["/usr/bin/python3", "-B", "-m", f"lab.{module}", *map(str, arguments)]


class Rig:
    def __init__(self, directory, collectors, say, volumes, cable):
        self.directory, self.wanted, self.say = pathlib.Path(directory), collectors, say
        self.with_volumes, self.with_cable = volumes, cable
        self.network = None
        self.packets_hit = 0   # dropped or rejected on the cable
        self.pg = self.server = self.oracle = self.proxy_child = self.proxy = self.workload = self.server_volume = None
        self.volumes = {}      # collector's name: volume of its state
        self.collectors = []
        self.behind_cable = []
        self.epochs = {}
        self.acknowledged_again = []   # milliseconds from a start of the server to the first frame it acknowledged
        self.progress = oracle.Progress(self.directory / "oracle")

    # Start and stop

    def start(self):
        self.say("PostgreSQL 18 and a shop in it")
        self.pg = Cluster(18, self.directory / "postgres").create().start().prepare()
        shop.create(self.pg)
        self.say("oracle, server, proxy")
        self.oracle = self.child("oracle", "oracle", self.directory / "oracle.sock", self.directory / "oracle")
        if self.with_cable:
            self.network = network.Network(self.directory)
        self.start_server()
        port, control = machine.free_port(), self.directory / "proxy.sock"
        self.proxy_child = self.child("proxy", "fault_proxy", port, self.server.address, self.server.collectors_port, control)
        self.proxy = machine.wait_until("the proxy answers", lambda: fault_proxy.Control(control), 20, self.proxy_child)
        self.workload = self.child("workload", "shop", "--port", self.pg.port)
        self.say(f"{self.wanted} collectors")
        self.start_collectors(port)
        return self

    def child(self, name, module, *arguments):
        return machine.Child(name, lab_program(module, *arguments), self.directory / f"{name}.log",
                             env={"PYTHONPATH": str(machine.ROOT / "tests")})

    def start_server(self):
        place = self.directory / "server"
        self.server = programs.Server(place, address=self.network.outer if self.network else "127.0.0.1")
        if self.with_volumes:
            self.server_volume = volume.Volume(self.server.state, SERVER_MIB)   # journal, directory and the engine's files
        self.server.create().start()

    def start_collectors(self, port):
        token = self.server.token("--uses", str(self.wanted))
        for number in range(self.wanted):
            name = f"collector {number + 1}"
            directory = self.directory / f"c{number + 1}"
            if self.with_volumes and number < SPOOLS_ON_VOLUMES:
                self.volumes[name] = volume.Volume(directory / "state", SPOOL_MIB)
            direct = self.network is not None and number >= self.wanted - behind_cable(self.wanted)
            place = {"host": str(self.pg.directory)} if direct else {}     # PostgreSQL's unix socket needs no network
            collector = programs.Collector(
                directory, self.server, [programs.target(self.pg, f"shop {number + 1}", directory, **place)], name=name, host=number == 0,
                ship_interval="1s", intervals=INTERVALS, token=token, spool={"size": "16MiB"},
                server_more={} if direct else {"url": f"https://127.0.0.1:{port}"}, arguments=("--oracle", self.directory / "oracle.sock"),
                inside=self.network.inside if direct else ())
            self.collectors.append(collector.start())
            if direct:
                self.behind_cable.append(collector)
        for collector in self.collectors:
            collector.wait_pushed(60)
            self.epochs[collector.name] = int(collector.status()["epoch"])

    def close(self):
        parts = [(c.name, c) for c in self.collectors] + [("workload", self.workload), ("server", self.server), ("postgres", self.pg),
                                                          ("proxy", self.proxy_child), ("oracle", self.oracle)]
        for name, part in parts:
            try:
                if part is not None:
                    part.kill() if name.startswith("collector") and part.child is not None else part.stop()
            except LabError as error:
                print(f"[stop] {name}: {error}", file=sys.stderr, flush=True)
        if self.network is not None:
            self.network.close()
        for mounted in [self.server_volume, *self.volumes.values()]:
            try:
                if mounted is not None:
                    mounted.close()
            except LabError as error:
                print(f"[stop] {error}", file=sys.stderr, flush=True)

    # Looking

    def alive(self):
        """Everything that should run does; LabError says what does not."""
        children = [self.server.child, self.network and self.network.child, self.oracle, self.proxy_child, self.pg.child, self.workload, *(c.child for c in self.collectors)]
        for child in children:
            if child is not None and not child.alive():
                raise LabError(f"{child.name} ended by itself with {child.process.returncode}\n{child.tail()}")

    def engine_pid(self):
        return machine.wait_until("the server has an engine", self.server.engine_pid, 30, self.server.child)

    def milliseconds_until(self, what, check, since_ns, child=None):
        """How long after a moment check() held; looked at every 10 ms."""
        machine.wait_until(what, check, RECOVERY_SECONDS, child, pause=0.01)
        return (time.monotonic_ns() - since_ns) / 1e6

    def server_recovered(self, since_ns):
        took = self.milliseconds_until("the server is ready again", self.server.ready, since_ns, self.server.child)
        self.acknowledged_again.append(self.pushed_again(since_ns))
        return took

    def engine_recovered(self, since_ns):
        return self.milliseconds_until("the engine answers again", lambda: self.server.engine.value("SELECT 1") == 1, since_ns, self.server.child)

    def collector_recovered(self, since_ns, collector):
        """By the oracle's clock: the first frame of this collector that was acknowledged after the moment."""
        epoch = self.epochs[collector.name]
        first = machine.wait_until(f"{collector.name} pushes again", lambda: self.progress.first_after(since_ns, epoch),
                                   RECOVERY_SECONDS, collector.child, pause=0.02)
        return (first - since_ns) / 1e6

    def pushed_again(self, since_ns):
        """The first frame of any collector that goes through the proxy."""
        epochs = [self.epochs[c.name] for c in self.collectors if c not in self.behind_cable]

        def first_after():
            firsts = [self.progress.first_after(since_ns, epoch) for epoch in epochs]
            return min((first for first in firsts if first), default=None)
        first = machine.wait_until("a collector pushes again", first_after, RECOVERY_SECONDS, self.server.child, pause=0.02)
        return (first - since_ns) / 1e6

    # The end

    def finish(self):
        """Everything heals, pushes, and ends in order; what was collected is flushed. The server stays, so that it can be asked."""
        self.proxy.set("pass")
        if self.network is not None:
            self.network.heal()
        now = time.monotonic_ns()
        for collector in self.collectors:
            self.collector_recovered(now, collector)
        self.workload.stop()
        self.workload = None
        for collector in self.collectors:   # all at once: each sends what it has; a second signal would end that
            collector.child.process.terminate()
        for collector in self.collectors:
            collector.child.process.wait(60)
            collector.stop()
        return {"spooled": sum(c.status()["spool_records"] for c in self.collectors),
                "quarantined": sum(len(list((c.state / "quarantine").glob("*"))) for c in self.collectors)}

    def give_verdict_room(self):
        """Comparing everything of a long run takes more memory than the server had in it."""
        self.server.stop()
        self.server.give_engine(VERDICT_MEMORY)
        self.server.start()
