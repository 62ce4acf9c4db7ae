"""Nobody gets more than the policy of an operation, whoever he says he is."""

import json
import re
import time

from attacked import MARK, OURS, THEIRS, Attacked
from support import programs, server_named

from lab import intruder, routes
from lab.intruder import ask

ALLOWED = {  # by policy: who passes its guard
    "public": {"nobody", "certificate", "certificate and token", "viewer", "administrator", "other tenant"},
    "session": {"viewer", "administrator", "other tenant"},
    "enrolment-token": set(),  # the token is in the body, and these have none
    "certificate": {"certificate", "certificate and token"},
    "certificate+jwt": {"certificate and token"},
}
BODIES = {  # of every operation that takes one: (type, body, the answer to who may)
    "login": ("application/json", None, 200),
    "enrol": ("application/json", b'{"token": "pga1.%s.%s", "csr": "none", "name": "x"}' % (b"A" * 43, b"A" * 43), 200),
    "renew": ("application/json", b'{"csr": "none"}', 400),
    "pushFrames": (intruder.FRAME, b"no frame", 400),
    "syncConfiguration": ("application/json", b'{"version": 0}', 200),
}
WALKED = {"login", "logout", "getSession", "listServers", "getServer", "getLoad", "listQueries", "getQuery", "listDatabases", "listTables",
          "listIndexes", "getSource", "listSources", "listCollectors", "getOpenapi", "healthy", "ready", "enrol", "renew", "token", "pushFrames",
          "syncConfiguration"}


class Routes(Attacked):
    """Every operation on both ports."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.add_tenant()
        cls.operations, cls.undeclared = routes.load()

    def credentials(self):
        """{who: (header fields, TLS context for the collectors' port)}"""
        def cookie(name):
            api = self.sign_in(name)
            return [("Cookie", api.cookie), ("X-CSRF-Token", api.csrf)]
        plain, mutual = intruder.tls_context(self.taken.ca), self.taken.context
        return {"nobody": ([], plain), "certificate": ([], mutual), "certificate and token": ([("Authorization", f"Bearer {self.taken.token()}")], mutual),
                "viewer": (cookie("viewer"), plain), "administrator": (cookie(self.watched.administrator), plain), "other tenant": (cookie("them"), plain)}

    def path_values(self, api, server):
        """Ids that belong to whom `api` is."""
        queries = self.eventually("a statement", lambda: api.get(f"/servers/{server}/queries", limit=1)["items"])
        return {"id": server, "source": "postgres.databases", "query": queries[0]["id"]}

    def call(self, operation, values, fields, context, query=()):
        kind, body, _ = BODIES.get(operation.id, (None, b"", None))
        if operation.id == "login":
            body = json.dumps({"name": "viewer", "password": self.watched.password}).encode()
        values = {**values, "id": values["query"]} if operation.id == "getQuery" else values
        headers = [*fields, *([("Content-Type", kind)] if kind else [])]
        port = self.watched.people_port if context is None else self.watched.collectors_port
        return ask(port, context, operation.method, operation.target(values, query), headers, body)

    def own(self, name, server_name):
        api = self.sign_in(name)
        entry = self.eventually(f"{server_name} in the list", lambda: server_named(api, server_name))
        return api, entry["id"]

    def test_1_every_operation_is_walked(self):
        self.assertEqual({o.id for o in self.operations}, WALKED, "an operation came or went: add it to WALKED, and its body to BODIES")
        self.assertEqual({o.policy for o in self.operations} - set(ALLOWED), set())

    def test_2_nobody_gets_beyond_the_policy_on_either_port(self):
        ours = self.path_values(*self.own("viewer", OURS["server"]))
        theirs = self.path_values(*self.own("them", f"{THEIRS}-server"))
        for who, (fields, context) in self.credentials().items():
            for operation in sorted(self.operations, key=lambda o: o.id == "logout"):  # last: it ends the session
                for port in ("people", "collectors"):
                    status, _, body = self.call(operation, theirs if who == "other tenant" else ours, fields, context if port == "collectors" else None)
                    with self.subTest(f"{operation.id} on the port for {port} by {who}"):
                        if operation.port != port:
                            self.assertIn(status, (404, 405), body)
                        elif who not in ALLOWED[operation.policy]:
                            self.assertIn(status, (401, 403), body)
                        else:
                            self.assertEqual(status, {"logout": 204}.get(operation.id, BODIES.get(operation.id, (0, 0, 200))[2]), body)

    def test_3_a_session_without_its_csrf_token_changes_nothing(self):
        api = self.sign_in("viewer")
        for fields in ([], [("X-CSRF-Token", "A" * 43)], [("X-CSRF-Token", api.csrf), ("Origin", "https://elsewhere.example")]):
            for operation in self.operations:
                if operation.policy == "session" and operation.method != "GET":
                    self.assertEqual(ask(self.watched.people_port, None, operation.method, operation.path, [("Cookie", api.cookie), *fields])[0], 403)
        self.assertEqual(api.get("/session")["user"]["name"], "viewer")

    def test_4_undeclared_methods_are_refused(self):
        fields = self.credentials()["administrator"][0]
        for path, methods in self.undeclared.items():
            for method in methods:
                target = re.sub(r"\{\w+\}", "1", path)
                for port, context in ((self.watched.people_port, None), (self.watched.collectors_port, self.taken.context)):
                    if context is None and path.startswith("/v1/") and method in ("GET", "HEAD"):
                        continue  # a page of the web UI, which routes by itself
                    self.assertIn(ask(port, context, method, target, fields)[0], (404, 405, 501), f"{method} {target}")

    def bodies(self, api, ids, query_ids):
        """Every answer that somebody gets out of the people's operations, whatever the id and the parameters."""
        fields = [("Cookie", api.cookie), ("X-CSRF-Token", api.csrf)]
        sources = [source["name"] for source in api.get("/sources")["sources"]]
        known = {row[0] for row in self.book.sql("SELECT id FROM servers")}
        for operation in self.operations:
            names = {name for name, where, _ in operation.parameters if where == "path"}
            if operation.port != "people" or operation.id in ("logout", "login"):
                continue
            for number in (ids if "id" in names and operation.id != "getQuery" else [0]):
                exists = number in known or number == 0
                for query in (operation.queries() if exists else [()]):
                    for source in (sources if "source" in names and exists else ["postgres.activity"]):
                        for query_id in (query_ids if operation.id == "getQuery" else [""]):
                            yield operation, number, self.call(operation, {"id": number, "source": source, "query": query_id}, fields, None, query)

    def test_5_a_tenant_sees_nothing_of_the_other(self):
        admin, our_id = self.own(self.watched.administrator, OURS["server"])
        them, their_id = self.own("them", f"{THEIRS}-server")
        our_queries = self.eventually("our statements", lambda: (found := admin.get(f"/servers/{our_id}/queries", limit=1000)["items"]) and any(
            OURS["text"] in (q["text"] or "") for q in found) and [q["id"] for q in found if OURS["text"] in (q["text"] or "") or q is found[0]])
        # What is not there for us either would prove nothing.
        self.eventually("our marks in our own answers", lambda: set(OURS.values()) <= {
            mark for _, _, (_, _, body) in self.bodies(admin, [our_id], our_queries) for mark in OURS.values() if mark.encode() in body}, 60)
        their_ids = {row[0] for row in self.book.sql("SELECT id FROM servers WHERE tenant_id = ?", self.tenant)}
        their_collectors = [c["name"] for c in them.get("/collectors")["items"]]
        self.assertEqual(their_collectors, [f"{THEIRS}-collector"])
        for name in ("them", "their-viewer"):
            found = list(self.bodies(self.sign_in(name), range(1, 51), our_queries))
            self.assertGreater(len(found), 300)
            for operation, number, (status, _, body) in found:
                self.assertNotIn(MARK.encode(), body, operation.id)
                if operation.id == "getQuery" or (number and number not in their_ids):
                    self.assertEqual(status, 404, f"{operation.id} of {number}: {body}")
        for operation, number, (status, _, body) in self.bodies(admin, [their_id], []):
            self.assertNotIn(THEIRS.encode(), body, operation.id)
            self.assertIn(status, (200, 404) if not number else (404,), operation.id)


class Identities(Attacked):
    """Certificates and tokens that are not what they seem."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.honest_identity = intruder.Identity(cls.honest, cls.watched)
        cls.forger = intruder.Forger(cls.taken.token(), cls.watched.state / "token.key")

    def refused(self, identity_context, path="/v1/token"):
        """0: the handshake failed; otherwise the status."""
        return ask(self.watched.collectors_port, identity_context, "POST", path, [("Content-Type", intruder.FRAME)])[0]

    def test_1_certificates_that_are_none_of_ours_are_refused(self):
        ours = self.watched.state / "ca.pem", self.watched.state / "ca.key"
        foreign = intruder.foreign_authority(self.directory)
        uri, other_tenant = self.taken.uri, self.taken.uri.replace("/tenant/1/", "/tenant/2/")

        def made(*arguments, **more):
            return intruder.tls_context(self.taken.ca, intruder.certificate(self.directory, *arguments, **more))
        contexts = {
            "none": intruder.tls_context(self.taken.ca), "of a foreign authority": made("foreign", foreign, uri), "expired": made("ended", ours, uri, ended=True),
            "of a server": made("server", ours, uri, usage="serverAuth"), "of another tenant": made("tenant", ours, other_tenant),
            "of nobody": made("nobody", ours, uri.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"),
            "of no uri": made("uri", ours, "spiffe://"), "right, but never given out": made("serial", ours, uri),
            "of two collectors": made("two", ours, f"{uri},URI:{self.honest_identity.uri}"),
        }
        for name, context in contexts.items():
            for path in ("/v1/token", "/v1/renew", "/v1/frames"):
                self.assertIn(self.refused(context, path), (0, 401, 403), f"a certificate {name} at {path}")
        self.assertEqual(self.refused(self.taken.context), 200, "the right one is not refused")
        self.assert_honest_goes_on()

    def test_2_tokens_that_are_none_of_ours_are_refused(self):
        good, forge, now = self.forger.token, self.forger, int(time.time())
        head, payload, signature = good.split(".")
        public = forge.public
        tokens = {
            "none": forge.parts({"alg": "none"}, {}) + ".", "none, signed": forge.changed({"alg": "none"}), "no alg": forge.signed({"alg": None}),
            "HS256 with an empty key": forge.hmac(b""), "HS256 with the public key": forge.hmac(public),
            "HS256 with the raw public key": forge.hmac(intruder.openssl("pkey", "-pubin", "-outform", "DER", data=public)[-32:]),
            "HS256 that says EdDSA": forge.hmac(public, {"alg": "EdDSA"}), "another kid": forge.signed({"kid": "AAAAAAAAAAAAAAAA"}),
            "kid of a file": forge.signed({"kid": "../../../dev/null"}), "no kid": forge.signed({"kid": None}), "another typ": forge.signed({"typ": "JWT"}),
            "crit": forge.signed({"crit": "b64"}), "jku": forge.signed({"jku": "https://127.0.0.1/"}), "jwk": forge.signed({"jwk": {"kty": "OKP"}}),
            "expired": forge.signed(payload={"iat": now - 2000, "nbf": now - 2000, "exp": now - 1000}),
            "of tomorrow": forge.signed(payload={"iat": now + 86400, "nbf": now + 86400, "exp": now + 87000}), "without an end": forge.signed(payload={"exp": None}),
            "another audience": forge.signed(payload={"aud": "people"}), "another issuer": forge.signed(payload={"iss": "somebody"}),
            "another tenant": forge.signed(payload={"tenant": "2"}), "another subject": forge.signed(payload={"sub": self.honest_identity.uri}),
            "unbound": forge.signed(payload={"cnf": None}),
            "changed payload": forge.changed(payload={"tenant": "2"}), "changed end": forge.changed(payload={"exp": now + 9999}),
            "another's": self.honest_identity.token(), "5 KiB": forge.signed(payload={"jti": "A" * 5 * 1024}), "four parts": good + ".AAAA", "five parts": good + "..",
            "two parts": f"{head}.{payload}", "no signature": f"{head}.{payload}.", "padded": good + "==", "an empty one": "",
            "a changed signature": f"{head}.{payload}." + signature[:20] + ("B" if signature[20] == "A" else "A") + signature[21:],
        }
        for name, token in tokens.items():
            self.assertEqual(self.taken.push(f"Bearer {token}"), 401, name)
        headers = {"none": (), "twice, the bad first": ("Bearer x", f"Bearer {good}"), "basic": (f"Basic {good}",), "doubled": (f"Bearer Bearer {good}",)}
        for name, fields in headers.items():
            self.assertIn(self.taken.push(*fields), (400, 401), name)
        self.assertEqual(self.honest_identity.push(f"Bearer {good}"), 401, "a taken token with a certificate of one's own")
        self.assertEqual(self.taken.push(f"Bearer {good}"), intruder.PASSED, "the good one")
        self.assert_honest_goes_on()

    def test_3_the_audit_names_who_tried(self):
        api = self.sign_in(self.watched.administrator)
        self.assertEqual(api.raw("POST", "/api/v1/login", json.dumps({"name": "mallory", "password": "guess"}), {"Content-Type": "application/json"})[0], 401)
        ask(self.watched.collectors_port, intruder.tls_context(), "POST", "/v1/enrol", [("Content-Type", "application/json")],
            json.dumps({"token": self.watched.token()[:-4] + "AAAA", "csr": "none", "name": "mallory"}).encode())
        forged = 'eve" from 10.0.0.1: ok\n'
        self.assertEqual(api.raw("POST", "/api/v1/login", json.dumps({"name": forged, "password": "guess"}), {"Content-Type": "application/json"})[0], 401)
        self.eventually("the log has the name as it was given, and in its quotation marks",
                        lambda: r'login of "eve\" from 10.0.0.1: ok\n" from 127.0.0.1: refused' in (self.watched.directory / "server.log").read_text())
        for action, outcome, actor in (("login", "ok", self.watched.administrator), ("login", "refused", "mallory"), ("enrol", "ok", "robbed"),
                                       ("enrol", "refused", "mallory")):
            self.assertIn((actor, "127.0.0.1"), [row[:2] for row in self.book.audit(action, outcome)], f"{action} {outcome}")
        self.assertTrue(self.book.audit("token create", "ok"))

    def test_4_a_revoked_collector_is_refused_on_open_and_on_resumed_connections(self):
        context, port = self.taken.context, self.taken.port
        call, push = (intruder.request_bytes("POST", path, [("Content-Type", intruder.FRAME), ("Authorization", f"Bearer {self.taken.token()}")], body)
                      for path, body in (("/v1/token", b""), ("/v1/frames", b"no frame")))

        def resumed(session):
            with intruder.connect(port, context, session) as sock:
                sock.sendall(call)
                return sock.session_reused, intruder.read_answer(sock)[0]
        with intruder.connect(port, context) as kept, intruder.connect(port, context) as pushing:
            for sock, request, status in ((kept, call, 200), (pushing, push, 400)):
                sock.sendall(request)
                self.assertEqual(intruder.read_answer(sock)[0], status)
            session = kept.session
            self.assertEqual(resumed(session), (True, 200))
            programs.run("pganalytics-server", "collector", "revoke", self.taken.uuid, "--config", self.watched.config)
            revoked, seen = time.monotonic(), {}
            while len(seen) < 2 and time.monotonic() < revoked + 10:
                for name, sock, request in (("token", kept, call), ("frames", pushing, push)):
                    if name not in seen:
                        sock.sendall(request)
                        if (status := intruder.read_answer(sock)[0]) not in (200, 400):
                            seen[name] = (status, time.monotonic() - revoked)
                            self.assertEqual(sock.recv(100), b"", "the connection stays open")
                time.sleep(0.1)
        self.assertEqual({name: status for name, (status, _) in seen.items()}, {"token": 403, "frames": 403})
        self.assertLess(max(after for _, after in seen.values()), 5)
        self.assertEqual(resumed(session), (True, 403))
        self.assertEqual(self.refused(context), 403)
        self.assertEqual([detail for _, _, detail in self.book.audit("revoke", "ok")], [self.taken.uuid])
        self.assert_honest_goes_on()
