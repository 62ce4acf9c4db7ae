"""A secret is where the operator put it and nowhere else, whatever goes wrong."""

import json
import os
import pathlib

import zstandard
from support import SystemTest, cluster, postgres, programs, server_named

from lab import intruder, machine, routes

CANARY = "Kanarien4711"  # every secret of the test has it inside, with a mark of its own
ZSTD = bytes.fromhex("28b52ffd")
FRAME_BYTES_MAX = 1 << 20  # of the frames of this test


def readable(data):
    """The bytes, and those of every zstd frame inside of them."""
    found, at = [data], data.find(ZSTD)
    while at >= 0:
        try:
            found.append(zstandard.ZstdDecompressor().decompressobj().decompress(data[at:at + FRAME_BYTES_MAX]))
        except zstandard.ZstdError:
            pass
        at = data.find(ZSTD, at + 4)
    return b"\n".join(found)


class Secrets(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = cluster(18)
        cls.watched = cls.server()
        cls.keep = cls.directory / "secrets"
        cls.keep.mkdir(exist_ok=True)
        escaped = postgres.MONITOR_PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
        cls.passfile = cls.secret("pgpass", f"*:*:*:right:{escaped}\n*:*:*:*:{CANARY}-passfile\n")
        cls.service = cls.secret("service.conf", "".join(
            f"[{name}]\nhost=127.0.0.1\nport={port}\nuser={postgres.MONITOR}\ndbname=postgres\npassword={CANARY}-service\n"
            for name, port in (("wrong-password", cls.pg.port), ("wrong-port", machine.free_port()))))

    @classmethod
    def secret(cls, name, text, mode=0o600):
        path = cls.keep / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def environment(self, how):
        return {"PGSERVICEFILE": str(self.service), **({"PGPASSWORD": f"{CANARY}-variable"} if how == "PGPASSWORD" else {"PGPASSFILE": str(self.passfile)})}

    def wrong_targets(self):
        """Every way of giving a password, and every way of not getting in."""
        base = {"host": "127.0.0.1", "port": self.pg.port, "user": postgres.MONITOR, "dbname": "postgres", "databases": "all"}
        ways = {"file": {**base, "password_file": str(self.secret("target", f"{CANARY}-file\n"))}, "environment": base}
        failures = {"host": {"host": "nowhere.invalid"}, "port": {"port": machine.free_port()}, "password": {}, "sslmode": {"sslmode": "verify-full"},
                    "no-such-sslmode": {"sslmode": "perhaps"}, "certificate": {"sslmode": "require", "sslrootcert": "/no/such/file"},
                    "socket": {"host": "/no/such/directory"}, "user": {"user": "nobody-of-that-name"},
                    "misplaced": {"host": f"u:{CANARY}-misplaced@db"}}
        targets = [{"name": f"{way}-{failure}", **how, **change} for way, how in ways.items() for failure, change in failures.items()]
        return targets + [{"name": f"service-{name}", "service": name, "databases": "all"} for name in ("wrong-password", "wrong-port")]

    def assert_no_canary(self, what, text, *others):
        data = text.encode() if isinstance(text, str) else text
        for secret in (CANARY, *others):
            self.assertNotIn(secret.encode(), data, f"{what} shows a secret")

    def assert_nowhere(self, directory, *others, but=()):
        """In no file below, compressed or not, but those that are there to hold it."""
        seen = b""
        for path in sorted(directory.rglob("*")):
            if path.is_file() and path not in but and "engine/data" not in str(path):
                data = readable(path.read_bytes())
                self.assert_no_canary(path, data, *others)
                seen += data
        return seen

    def answers(self, api):
        """The body of every GET of the people's API, for every id that there is."""
        operations, _ = routes.load()
        servers = [row[0] for row in intruder.Directory(self.watched).sql("SELECT id FROM servers ORDER BY id")][:4]  # the collector, the right one, and wrong ones
        sources = [source["name"] for source in api.get("/sources")["sources"]]
        queries = [q["id"] for server in servers for q in api.get(f"/servers/{server}/queries", limit=5)["items"]]
        for operation in operations:
            if operation.port == "people" and operation.method == "GET":
                for number in (queries if operation.id == "getQuery" else servers if "{id}" in operation.path else [0]):
                    for source in (sources if "{source}" in operation.path else [""]):
                        yield operation.id, api.raw("GET", operation.target({"id": number, "source": source}))[2]

    def test_1_a_wrong_configuration_is_refused_without_its_secrets(self):
        good = f"server: {{ url: 'https://127.0.0.1:{self.watched.collectors_port}' }}\nstate_dir: {self.directory}/refused\nhost: false\n"
        target = good + "targets:\n  - name: a\n    host: 127.0.0.1\n"
        loose = self.secret("loose", f"{CANARY}-loose\n", 0o644)
        wrong = {
            "an unknown key with the password": target + f"    password: {CANARY}-inline\n",
            "a key in the wrong place": good + f"password: {CANARY}-inline\n",
            "no YAML behind the password": target + f"    password: \"{CANARY}-inline\n",
            "no YAML at all": f"targets: [ {{ password: {CANARY}-inline\n",
            "a tab": target + f"\tpassword: {CANARY}-inline\n",
            "a file that others may read": target + f"    password_file: {loose}\n",
            "a URI as the host": good + f"targets:\n  - name: a\n    host: 'postgres://u:{CANARY}-inline@db/x'\n",
            "a connection string as the database": target + f"    dbname: 'host=db password={CANARY}-inline'\n",
            "a URI for a file": target + f"    password_file: '/u:{CANARY}-inline@db'\n",
            "a URL with a password": target.replace("https://", f"https://u:{CANARY}-inline@"),
            "a password for a file": target + f"    password_file: {{ password: {CANARY}-inline }}\n",
        }
        for name, text in wrong.items():
            config = self.secret("wrong.yaml", text)
            for options in (("--check",), (), ("--once", "--stdout")):
                done = programs.run("pganalytics-collector", "--config", config, *options, check=False, seconds=20)
                self.assertNotEqual(done.returncode, 0, name)
                self.assertIn("wrong.yaml", done.stdout + done.stderr, name)
                self.assert_no_canary(name, done.stdout + done.stderr)

    def test_2_what_cannot_connect_never_says_its_password(self):
        right = {"name": "right", **self.target(self.pg, "right")}
        for how in ("PGPASSWORD", "PGPASSFILE"):
            env = self.environment(how)
            token = self.watched.token()
            probe = self.collector(f"probe-{how.lower()}", self.watched, [right, *self.wrong_targets()], env=env, token=token)
            for options in (("--check",), ("--once", "--stdout")):
                done = programs.run("pganalytics-collector", "--config", probe.config, *options, check=False, env=env)
                self.assertIn("u:***@db", done.stdout + done.stderr, "what was misplaced is named without its password")
                self.assertIn("password authentication failed", done.stdout + done.stderr)
                self.assert_no_canary(options, done.stdout + done.stderr, token.rpartition(".")[2], postgres.MONITOR_PASSWORD)
            api = self.watched.login()
            self.eventually("the wrong ones are shown as unreachable", lambda a=api: all(
                (entry := server_named(a, t["name"])) and entry["status"] == "unreachable" for t in self.wrong_targets()), 60)
            for operation, body in self.answers(api):
                self.assert_no_canary(operation, body, token.rpartition(".")[2], postgres.MONITOR_PASSWORD)
            details = self.watched.engine.query("SELECT DISTINCT detail FROM pganalytics.batches")
            self.assertTrue(any("password authentication failed" in row["detail"] for row in details), details)
            self.assert_no_canary("the store", json.dumps(details))
            self.watched.stop()  # what is read from now on waits in the spool
            # What cannot be reached is told of every 10 s.
            self.eventually("readings wait, with a reason of one that may not enter", lambda p=probe: p.status()["spool_records"] >= 3 and any(
                b["target"][1] == "file-password" and "password authentication failed" in b["detail"] for b in p.spooled.batches()), 60)
            probe.kill()
            said = probe.spooled.text()
            self.assertIn("file-password", said)
            self.assert_no_canary("the spool", said, postgres.MONITOR_PASSWORD)
            seen = self.assert_nowhere(probe.directory, token.rpartition(".")[2], postgres.MONITOR_PASSWORD, but=(probe.directory / "token", probe.config))
            self.assertIn(b"password authentication failed", seen)
            seen = self.assert_nowhere(self.watched.directory, token.rpartition(".")[2], postgres.MONITOR_PASSWORD)
            self.assertIn(b"file-password", seen, "the journal is not read")
            self.watched.start()

    def test_3_passwords_of_people_sessions_and_tokens_are_kept_as_hashes_only(self):
        api = self.watched.login()
        for name in (self.watched.administrator, "nobody"):
            for password in (f"{CANARY}-login", f"{CANARY}-login" * 30, [f"{CANARY}-login"]):
                status, _, body = api.raw("POST", "/api/v1/login", json.dumps({"name": name, "password": password}), {"Content-Type": "application/json"})
                self.assertIn(status, (400, 401), body)
                self.assert_no_canary("the answer", body)
        self.assertEqual(api.raw("POST", "/api/v1/login", f'{{"password": "{CANARY}-login"', {"Content-Type": "application/json"})[0], 400)
        tokens = {"of another authority": f"pga1.{'A' * 43}.{CANARY.ljust(43, 'x')}", "unknown": self.watched.token()[:49] + CANARY.ljust(43, "x"), "none": CANARY}
        for name, token in tokens.items():
            probe = self.collector(f"token-{name.replace(' ', '-')}", self.watched, [self.target(self.pg, "x")], token=token)
            self.eventually("the log says why", lambda p=probe: "token" in p.log() or "authority" in p.log(), 15)
            probe.stop()
            self.assert_nowhere(probe.directory, but=(probe.directory / "token",))
        unused = self.watched.token().rpartition(".")[2]
        self.watched.stop()
        signed = api.cookie.partition("=")[2]
        seen = self.assert_nowhere(self.watched.directory, self.watched.password, signed, unused)
        self.assertIn(b"$argon2id$", seen)
        self.watched.start()

    def test_4_what_holds_a_secret_is_for_its_owner_only(self):
        probe = self.collector("modes", self.watched, [self.target(self.pg, "modes")]).wait_pushed()
        seen = set()
        for top in (self.watched.state, probe.state):
            for folder, _, names in os.walk(top):   # which minds no directory that goes while it looks, as rglob does
                for path in (pathlib.Path(folder, name) for name in names):
                    if path.match("*/engine/data/*") or path.suffix not in (".key", ".json", ".sqlite", ".sqlite-wal", ".seg"):
                        continue
                    try:
                        mode = path.stat().st_mode
                    except FileNotFoundError:   # a segment that has been sent or stored, a part of a table that has been merged
                        continue
                    self.assertEqual(mode & 0o077, 0, path)
                    seen.add(path.suffix)
        self.assertLessEqual({".key", ".json", ".sqlite"}, seen)
