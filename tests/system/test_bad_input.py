"""Everything that can be wrong: each gives a clear message and a visible state, and the rest goes on."""

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time

from support import SystemTest, cluster, machine, rows_of, server_named, shop, shop_cluster

from lab import programs, store

SECRET = "wrong-and-secret-4711"


def check(config, *options):
    done = programs.run("pganalytics-collector", "--config", config, "--check", *options, check=False)
    return done.returncode, done.stdout + done.stderr


def expired_certificate(key, directory):
    """A certificate of this key that ended in 2020. Only its dates matter: whose hand signed it is not looked at before them."""
    (directory / "ca.cnf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n")
    (directory / "index.txt").write_text("")

    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=directory)
    openssl("req", "-new", "-key", key, "-subj", "/CN=asleep", "-out", "request.pem")
    openssl("ca", "-batch", "-selfsign", "-config", "ca.cnf", "-keyfile", key, "-in", "request.pem", "-notext",
            "-startdate", "20200101000000Z", "-enddate", "20200102000000Z", "-out", "expired.pem")
    return (directory / "expired.pem").read_text()


class Configuration(SystemTest):
    """The operator's mistakes: refused at the start, naming file, line, key and the nearest valid key."""

    def refused(self, program, text, *parts, arguments=()):
        path = self.directory / "bad.yaml"
        path.write_text(text)
        done = programs.run(program, *arguments, "--config", path, check=False, seconds=20)
        said = done.stdout + done.stderr
        self.assertNotEqual(done.returncode, 0, said)
        for part in parts:
            self.assertIn(part, said)
        return said

    def test_an_unknown_key_of_the_collector_names_the_nearest(self):
        self.refused("pganalytics-collector", "server: { url: 'https://127.0.0.1:1' }\nstate_dir: /tmp/x\nship_intervall: 10s\n",
                     "bad.yaml", "3", "ship_intervall", "ship_interval")

    def test_an_unknown_key_inside_a_target_names_the_nearest(self):
        self.refused("pganalytics-collector", "server: { url: 'https://127.0.0.1:1' }\nstate_dir: /tmp/x\ntargets:\n  - name: a\n    hots: b\n",
                     "bad.yaml", "5", "hots", "host")

    def test_an_unknown_key_of_the_server_names_the_nearest(self):
        self.refused("pganalytics-server", "state_dir: /tmp/x\nlisten: { peeple: 127.0.0.1:1 }\n", "bad.yaml", "2", "peeple", "people",
                     arguments=["check"])

    def test_a_value_of_the_wrong_kind_is_named(self):
        self.refused("pganalytics-collector", "server: { url: 'https://127.0.0.1:1' }\nstate_dir: /tmp/x\nship_interval: soon\ntargets: []\n",
                     "bad.yaml", "3", "ship_interval", "soon")

    def test_a_file_that_is_not_yaml_is_refused(self):
        self.refused("pganalytics-collector", "server: [\n", "bad.yaml")

    def test_a_missing_file_is_refused(self):
        for program, arguments in (("pganalytics-collector", ()), ("pganalytics-server", ("run",))):
            done = programs.run(program, *arguments, "--config", "/no/such/file.yaml", check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("/no/such/file.yaml", done.stdout + done.stderr)

    def test_plain_text_for_people_is_refused_off_loopback(self):
        self.refused("pganalytics-server", f"state_dir: {self.directory}/s\nlisten: {{ collectors: '127.0.0.1:1', people: '0.0.0.0:2', people_tls: false }}\n",
                     "people_tls", arguments=["check"])


class Targets(SystemTest):
    """One collector with six targets, of which one is right: the others are named, counted, and hold nobody up."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = shop_cluster()
        cls.pg.sql("create role lab_poor login")
        cls.addClassCleanup(cls.pg.sql, "drop role lab_poor")
        cls.pg.sql("create database bare")
        cls.addClassCleanup(cls.pg.sql, "drop database bare with (force)")
        cls.listener = socket.create_server(("127.0.0.1", 0))  # accepts, and never says a word
        cls.addClassCleanup(cls.listener.close)
        cls.watched = cls.server()
        cls.targets = {
            "right": cls.target(cls.pg, "right"),
            "dead": {**cls.target(cls.pg, "dead"), "port": machine.free_port()},
            "mute": {**cls.target(cls.pg, "mute"), "port": cls.listener.getsockname()[1]},
            "wrong-password": cls.target(cls.pg, "wrong-password", password=SECRET),
            "poor": {**cls.target(cls.pg, "poor"), "user": "lab_poor"},
            "bare": {**cls.target(cls.pg, "bare"), "dbname": "bare", "databases": ["bare"]},
        }
        cls.probe = cls.collector("collector", cls.watched, list(cls.targets.values()))
        cls.probe.wait_pushed()
        cls.api = cls.watched.login()

    def entry(self, name, holds):
        return self.eventually(f"{name} in the list of servers", lambda: (e := server_named(self.api, name)) and holds(e) and e)

    def outcomes(self, name, source):
        """{outcome: detail} of the readings of one source of one target, as stored."""
        entry = server_named(self.api, name)
        return entry and {store.OUTCOMES[row["outcome"]]: row["detail"] for row in self.watched.engine.query(
            f"SELECT outcome, any(detail) AS detail FROM pganalytics.batches WHERE server = {entry['id']} AND source = '{source}' GROUP BY outcome")}

    def config_of(self, name):
        directory = self.directory / f"check-{name}"
        return programs.Collector(directory, self.watched, [self.targets[name]], token="unused").config

    def test_the_right_one_goes_on(self):
        self.entry("right", lambda e: e["status"] == "fresh" and e["load"] is not None)

    def test_an_unreachable_one_is_shown_as_unreachable_with_its_reason(self):
        # The newest reading says why, and that may be one of the log: where that is, nobody could ask.
        entry = self.entry("dead", lambda e: e["status"] == "unreachable" and str(self.targets["dead"]["port"]) in e["status_reason"])
        self.assertEqual(set(entry["load"]["values"] if entry["load"] else [None]), {None}, "no data is not zero")

    def test_one_that_never_answers_is_shown_as_unreachable(self):
        self.entry("mute", lambda e: e["status"] == "unreachable")

    def test_a_wrong_password_is_said_and_not_repeated(self):
        entry = self.entry("wrong-password", lambda e: e["status"] == "unreachable" and "password" in e["status_reason"])
        code, said = check(self.config_of("wrong-password"))
        self.assertNotEqual(code, 0)
        self.assertIn("password authentication failed", said)
        self.assertNotIn(SECRET, said + self.probe.log() + entry["status_reason"])

    def test_too_few_rights_name_the_grant(self):
        code, said = check(self.config_of("poor"))
        self.assertNotEqual(code, 0)
        self.assertRegex(said, re.compile(r"grant pg_monitor to \"?lab_poor\"?", re.I))

    def test_a_missing_extension_is_absent_and_names_the_create_extension(self):
        self.eventually("postgres.statements is absent", lambda: "absent" in (self.outcomes("bare", "postgres.statements") or {}))
        self.eventually("and the tables are read all the same", lambda: "complete" in (self.outcomes("bare", "postgres.tables") or {}))
        _, said = check(self.config_of("bare"))
        self.assertRegex(said, re.compile("create extension( if not exists)? \"?pg_stat_statements", re.I))

    def test_what_is_not_there_is_counted_with_its_reason_on_the_collectors_page_and_is_no_failure(self):
        def unavailable():
            items = self.api.get("/collectors")["items"]
            self.assertFalse([f for f in items[0]["failed"] if f["reason"] == "absent"] if items else [])
            return items and [f for f in items[0]["unavailable"] if f["source"] == "postgres.statements" and f["reason"] == "absent" and f["count"] > 0]
        self.assertTrue(self.eventually("the absent extension on the collectors page", unavailable)[0]["detail"])

    def test_a_table_locked_for_long_is_never_waited_for(self):
        entry = self.entry("right", lambda e: e["status"] == "fresh")
        blocker = self.pg.connect(shop.SHOP)
        blocker.autocommit = False
        self.addCleanup(blocker.close)
        with blocker.cursor() as cursor:
            cursor.execute("lock table customers in access exclusive mode")
            since = int(time.time() * 1000)
            for _ in range(30):
                waiting = self.pg.sql("select count(*) from pg_locks l join pg_stat_activity a using (pid) where a.usename = 'pganalytics' "
                                      "and not l.granted and l.relation = 'customers'::regclass and now() - a.query_start > interval '250 ms'", database=shop.SHOP)
                self.assertEqual(waiting[0][0], 0, "the collector waits for a lock")
                time.sleep(0.1)

        def read_since():
            rows = self.watched.engine.query(f"SELECT outcome, count() AS n FROM pganalytics.batches WHERE server = {entry['id']} "
                                             f"AND source = 'postgres.tables' AND toUnixTimestamp64Milli(ts) >= {since} GROUP BY outcome")
            return any(store.OUTCOMES[r["outcome"]] in ("complete", "lock") for r in rows)
        self.eventually("tables are read under the lock, which is still held", read_since)

    def test_null_statistics_hostile_names_and_tables_without_indexes_arrive(self):
        entry = self.entry("right", lambda e: e["status"] == "fresh")

        def tables():
            rows = {(r["schemaname"], r["relname"]): r for r in rows_of(self.api, entry["id"], "postgres.tables")}
            return rows if ("public", "never_indexed") in rows and all((shop.HOSTILE_SCHEMA, t) in rows for t in shop.HOSTILE_TABLES) else None
        rows = self.eventually("every hostile table", tables)
        self.assertIsNone(rows["public", "never_indexed"]["idx_scan"])
        self.eventually("the hostile database", lambda: shop.ARCHIVE in {r["datname"] for r in rows_of(self.api, entry["id"], "postgres.databases")})


class Delivery(SystemTest):
    """What goes wrong between collector and server."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = cluster(18)
        cls.watched = cls.server()

    def test_a_server_that_is_down_costs_nothing_but_time(self):
        server = self.server("late")
        probe = self.collector("patient", server, [self.target(self.pg, "patient")])
        probe.wait_pushed()
        server.stop()
        self.eventually("the spool grows", lambda: probe.status()["spool_records"] >= 3)
        self.assertTrue(probe.child.alive())
        server.start()
        self.eventually("the spool is empty again", lambda: probe.status()["spool_records"] <= 1, 60)  # it tries again after 30 s at most
        probe.stop()
        acked = probe.status()["rows_acked"]
        self.eventually(f"{acked} rows stored", lambda: store.rows_kept(server.engine) == acked)
        self.assertEqual(store.doubled(server.engine), {})
        server.stop()

    def test_a_wrong_token_is_refused_with_a_clear_message(self):
        right = self.watched.token()
        head, fingerprint, secret = right.split(".")
        wrong = {"another secret": f"{head}.{fingerprint}.{'A' * len(secret)}", "another authority": f"{head}.{'A' * len(fingerprint)}.{secret}",
                 "no token at all": "hello", "empty": ""}
        for name, token in wrong.items():
            with self.subTest(name):
                probe = self.collector(f"token-{name.replace(' ', '-')}", self.watched, [self.target(self.pg, "x")], token=token)
                self.eventually("the log says why", lambda p=probe: re.search("token|certificate|authority|enrol", p.log(), re.I), 15)
                probe.stop()
        self.assertEqual([c["name"] for c in self.watched.login().get("/collectors")["items"]], [], "nobody may have enrolled")

    def test_an_expired_certificate_keeps_everything_until_a_new_token_is_there(self):
        server = self.server("expiring")
        probe = self.collector("asleep", server, [self.target(self.pg, "asleep")])
        probe.wait_pushed()
        probe.stop()
        identity = json.loads((probe.state / "identity.json").read_text())
        key = probe.directory / "key.pem"
        key.write_text(identity["key"])
        key.chmod(0o600)
        identity["certificate"] = expired_certificate(key, probe.directory)
        (probe.state / "identity.json").write_text(json.dumps(identity))
        probe.start()
        self.eventually("the log says why", lambda: "certificate of this collector has expired" in probe.log(), 15)
        self.eventually("readings wait in the spool", lambda: probe.status()["spool_records"] >= 3)
        self.eventually("and it says what to do", lambda: "new token" in probe.status()["state"])
        (probe.directory / "token").write_text(server.token())
        self.eventually("it enrols again and sends what waited", lambda: probe.status()["spool_records"] <= 1, 60)
        probe.stop()
        self.assertEqual(store.doubled(server.engine), {})
        server.stop()

    def test_garbage_on_the_collectors_port_harms_nobody(self):
        port = self.watched.collectors_port

        def throw(data):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
                raw.sendall(data)
                raw.settimeout(2)
                try:
                    raw.recv(100)
                except OSError:
                    pass
        for data in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"\x16\x03\x01\xff\xff" + os.urandom(200), b""):
            throw(data)
        # TLS without a client certificate: no frame, whatever it says.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        answer = b""
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw, context.wrap_socket(raw) as tls:
            self.assertEqual(tls.version(), "TLSv1.3")
            tls.sendall(b"POST /v1/frames HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            try:
                answer = tls.recv(1000)
            except OSError:
                pass
        self.assertNotIn(b" 200 ", answer[:20])
        self.assertTrue(self.watched.ready())

    def test_a_frame_that_is_none_is_refused_in_words_and_counted(self):
        """With a good certificate and token, as a collector with a bug or a third party would send it."""
        server = self.server("strict")
        probe = self.collector("careless", server, [self.target(self.pg, "careless")])
        probe.wait_pushed()
        probe.stop()
        identity = json.loads((probe.state / "identity.json").read_text())
        pair = probe.directory / "pair.pem"
        pair.write_text(identity["key"] + identity["certificate"])
        pair.chmod(0o600)
        context = ssl.create_default_context(cadata=identity["ca"])
        context.load_cert_chain(pair)

        def post(path, body, content_type, token=None):
            connection = http.client.HTTPSConnection("127.0.0.1", server.collectors_port, timeout=10, context=context)
            headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if token else {})}
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        status, text = post("/v1/token", "{}", "application/json")
        self.assertEqual(status, 200, text)
        token = json.loads(text)["token"]
        frame = "application/vnd.pganalytics.frame"
        for body, kind in ((os.urandom(500), frame), (b"", frame), (b'{"version": 1}', "application/json"), (b"[", "application/json")):
            status, text = post("/v1/frames", body, kind, token)
            self.assertEqual(status, 400, text)
            self.assertGreater(len(json.loads(text)["detail"]), 10, text)
        self.assertEqual(post("/v1/frames", b"", frame, token[:-4] + "AAAA")[0], 401)

        def refused():
            return sum(c["refused"] for c in server.login().get("/collectors")["items"])
        self.eventually("the refused frames are counted", lambda: refused() >= 4)
        server.stop()

    def test_people_without_a_session_or_with_a_wrong_password_get_nothing(self):
        from lab.api import Api, ApiError
        api = Api(self.watched.people_port)
        for path in ("/servers", "/collectors", "/sources", "/session"):
            with self.assertRaises(ApiError) as caught:
                api.get(path)
            self.assertEqual(caught.exception.status, 401)
        with self.assertRaises(ApiError) as caught:
            api.login("admin", "guess")
        self.assertEqual(caught.exception.status, 401)
        status, headers, _ = api.raw("GET", "/")
        self.assertEqual(status, 200)
        self.assertIn("default-src", headers["Content-Security-Policy"])

