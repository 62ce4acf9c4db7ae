"""What a stranger, or one collector, could once do to all the others."""

import contextlib
import json
import threading
import time

from attacked import Attacked
from support import machine, programs

from lab import intruder


class Floods(Attacked):
    def test_a_revoked_collector_that_renews_without_pause_is_refused_within_5_s(self):
        csr = intruder.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.directory / "new.key",
                               "-subj", "/CN=x").decode()
        renew = intruder.request_bytes("POST", "/v1/renew", [("Content-Type", "application/json")], json.dumps({"csr": csr}).encode())
        over, granted = threading.Event(), []

        def flood():
            while not over.is_set():
                with contextlib.suppress(OSError), intruder.connect(self.taken.port, self.taken.context) as sock:
                    status = 200
                    while status == 200 and not over.is_set():
                        sock.sendall(renew)
                        if (status := intruder.read_answer(sock)[0]) == 200:
                            granted.append(time.monotonic())
        threads = [threading.Thread(target=flood, daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        self.eventually("certificates are renewed", lambda: len(granted) > 20)
        programs.run("pganalytics-server", "collector", "revoke", self.taken.uuid, "--config", self.watched.config)
        revoked = time.monotonic()
        time.sleep(10)
        over.set()
        for thread in threads:
            thread.join()
        self.assertLess(max(granted) - revoked, 5, f"{sum(t > revoked for t in granted)} certificates were issued after the revocation")

    def test_a_body_is_not_read_before_its_sender_is_known(self):
        before, socks = machine.resident_kib(self.watched.child.pid), []
        for _ in range(100):
            sock = intruder.connect(self.watched.collectors_port, intruder.tls_context())
            self.addCleanup(sock.close)
            sock.sendall(b"POST /v1/frames HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4194000\r\n\r\n")
            try:
                for _ in range(60):
                    sock.sendall(b"x" * 65536)
            except OSError:
                pass
            socks.append(sock)
        self.assertLess(machine.resident_kib(self.watched.child.pid) - before, 64 * 1024, "KiB for 100 peers without a certificate")


class Refusals(Attacked):
    def test_refused_certificates_and_tokens_leave_an_audit_row_each(self):
        forged = intruder.certificate(self.directory, "nobody", (self.watched.state / "ca.pem", self.watched.state / "ca.key"), self.taken.uri)
        intruder.ask(self.taken.port, intruder.tls_context(self.taken.ca, forged), "POST", "/v1/token")
        self.taken.push("Bearer forged")
        rows = self.book.sql("SELECT actor, detail FROM audit WHERE action = 'authenticate' AND outcome = 'refused' ORDER BY id")
        self.assertEqual([actor for actor, _ in rows], [self.taken.uri, self.taken.uuid])
        self.assertIn("was replaced", rows[0][1])
        self.assertIn("access token", rows[1][1])

    def test_two_authorization_headers_are_refused_whichever_is_good(self):
        self.assertIn(self.taken.push(f"Bearer {self.taken.token()}", "Bearer x"), (400, 401))
