"""Our own programs with generated configurations: server (with its engine) and collectors."""

import json
import os
import pathlib
import signal
import subprocess

import yaml

from lab import machine, postgres
from lab.api import Api, Engine
from lab.machine import LabError
from lab.spooled import Spooled


def run(program, *args, env=None, check=True, seconds=60):
    """Runs one of our programs to its end and returns the completed process."""
    done = subprocess.run([machine.binary(program), *map(str, args)], capture_output=True, text=True, timeout=seconds,
                          stdin=subprocess.DEVNULL, env=None if env is None else {**os.environ, **env}, cwd="/")
    if check and done.returncode != 0:
        raise LabError(f"{program} {' '.join(map(str, args))} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def write_yaml(path, value):
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")


class Server:
    """pganalytics-server on free loopback ports. start() after create(); kill() and start() again is what a crash looks like."""

    def __init__(self, directory, sources_dir=None, people_tls=False, address="127.0.0.1", env=None, **more):
        self.env = env
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.address = address    # where collectors reach it
        self.collectors_port = machine.free_port()
        self.people_port = machine.free_port()
        self.config = self.directory / "server.yaml"
        self.state = self.directory / "state"
        self.settings = {
            "state_dir": str(self.state),
            "listen": {"collectors": f"{address}:{self.collectors_port}", "people": f"127.0.0.1:{self.people_port}",
                       "people_tls": people_tls},
            "names": sorted({"localhost", "127.0.0.1", address}),
            "storage": "embedded",
            "engine": {"library": machine.engine_library(), "memory": "1GiB"},
            **({"sources_dir": str(sources_dir)} if sources_dir else {}),
            **more,
        }
        write_yaml(self.config, self.settings)
        self.child = None
        self.administrator = self.password = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.people_port}"

    @property
    def engine(self):
        return Engine(self.state / "engine/engine.sock")

    def create(self):
        """init: the certificate authority, keys and the administrator with a one-time password."""
        answer = json.loads(run("pganalytics-server", "init", "--config", self.config, "--json").stdout)
        self.administrator, self.password = answer["administrator"], answer["password"]
        return self

    def give_engine(self, memory):
        """As much memory as that, from the next start on."""
        self.settings["engine"]["memory"] = memory
        write_yaml(self.config, self.settings)

    def start(self):
        self.launch()
        machine.wait_until("the server is ready", self.ready, 60, self.child)
        return self

    def launch(self):
        """Starts it and does not wait for it."""
        self.child = machine.Child("server", [machine.binary("pganalytics-server"), "run", "--config", self.config],
                                   self.directory / "server.log", env=self.env)

    def ready(self):
        return Api(self.people_port).raw("GET", "/-/ready")[0] == 200

    def login(self):
        api = Api(self.people_port)
        api.login(self.administrator, self.password)
        return api

    def token(self, *options):
        """A new enrolment token."""
        return json.loads(run("pganalytics-server", "token", "create", "--config", self.config, "--json", *options).stdout)["token"]

    def engine_pid(self):
        """The process id of the engine, a child of the server."""
        for pid, name in machine.children_of(self.child.pid):
            if name.startswith("pganalytics-eng"):
                return pid
        raise LabError(f"the server has no engine child\n{self.child.tail()}")

    def stop(self):
        if self.child is not None:
            child, self.child = self.child, None
            return child.stop(seconds=30)
        return None

    def kill(self):
        """kill -9 of the server alone; its engine has to notice by itself."""
        child, self.child = self.child, None
        child.kill()


class Collector:
    """pganalytics-collector with targets; each target is a dictionary as in its configuration."""

    def __init__(self, directory, server, targets, *, name="collector", host=False, ship_interval="2s", token=None,
                 sources_dir=None, arguments=(), env=None, inside=(), **more):
        self.name = name
        self.env = env
        self.arguments = arguments
        self.inside = inside     # in front of its command: lab.network
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = self.directory / "collector.yaml"
        self.state = self.directory / "state"
        token_file = self.directory / "token"
        token_file.write_text(token if token is not None else server.token())
        token_file.chmod(0o600)
        settings = {
            "server": {"url": f"https://{server.address}:{server.collectors_port}", "token_file": str(token_file), **more.pop("server_more", {})},
            "name": name,
            "state_dir": str(self.state),
            "ship_interval": ship_interval,
            "host": host,
            "targets": targets,
            **({"sources_dir": str(sources_dir)} if sources_dir else {}),
            **more,
        }
        write_yaml(self.config, settings)
        self.spooled = Spooled(self.state)
        self.child = None

    def start(self):
        self.child = machine.Child(self.name, [*self.inside, machine.binary("pganalytics-collector"), "--config", self.config, *self.arguments],
                                   self.directory / "collector.log", env=self.env)
        return self

    def status(self):
        """What the collector says about itself: frames and rows acknowledged, push latencies, records in the spool."""
        return json.loads((self.state / "status.json").read_text())

    def wait_pushed(self, seconds=30):
        machine.wait_until(f"{self.name} has pushed", lambda: self.status()["frames_acked"] > 0, seconds, self.child)
        return self

    def log(self):
        return (self.directory / "collector.log").read_text(errors="replace")

    def stop(self):
        """SIGTERM, which flushes."""
        if self.child is not None:
            child, self.child = self.child, None
            return child.stop(signal.SIGTERM, 30)
        return None

    def kill(self):
        child, self.child = self.child, None
        child.kill()


def target(cluster, name, directory, password=None, **more):
    """A target of a collector's configuration: the monitoring role with its password in a file."""
    file = pathlib.Path(directory) / f"{name}.password"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(password if password is not None else postgres.MONITOR_PASSWORD)
    file.chmod(0o600)
    return {"name": name, "host": "127.0.0.1", "port": cluster.port, "user": postgres.MONITOR, "dbname": "postgres",
            "password_file": str(file), "databases": "all", **more}
