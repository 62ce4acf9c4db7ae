"""Peers that are slow on purpose, requests that mean two things, and what a scanner says about both ports."""

import json
import shutil
import socket
import subprocess
import threading
import time
import unittest

from attacked import Attacked
from support import machine, programs

from lab import drips, intruder

DRIPPING = 50  # of each kind
DRIPPING_HANDSHAKES = 300  # more than the server takes at once
SMUGGLED = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
AMBIGUOUS = {  # every one is followed by a second request, which must not be answered
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
    "the same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551618\r\n\r\n{}",
    "an empty length": POST + b"Content-Length: \r\n\r\n",
    "a blank before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a folded header": POST + b"X-A: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "a folded length": POST + b"Content-Length:\r\n 2\r\n\r\n{}",
    "a first header that begins with a blank": b"POST /api/v1/login HTTP/1.1\r\n Host: x\r\nContent-Length: 2\r\n\r\n{}",
    "a bare line feed": POST + b"X-A: a\nContent-Length: 2\r\n\r\n{}",
    "bare line feeds only": b"POST /api/v1/login HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}",
    "a bare line feed at the end": POST + b"Content-Length: 2\r\n\n{}",
    "a bare carriage return": POST + b"X-A: a\rContent-Length: 2\r\n\r\n",
    "a NUL in a value": POST + b"X-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "an unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two encodings": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an encoding behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"\r\n0\r\n\r\n",
    "a chunk with a sign": CHUNKED + b"\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a hexadecimal prefix of a chunk": CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": CHUNKED + b"\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk that ends with a line feed": CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"\r\n2\r\n{}xx\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n",
    "no host": b"POST /api/v1/login HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "two hosts": POST + b"Host: y\r\nContent-Length: 2\r\n\r\n{}",
    "an empty line first": b"\r\n" + POST + b"Content-Length: 2\r\n\r\n{}",
    "the target of a proxy": b"GET http://x/-/healthy HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target with a blank": b"GET /-/healthy x HTTP/1.1\r\nHost: x\r\n\r\n",
    "version 2": b"GET /-/healthy HTTP/2.0\r\nHost: x\r\n\r\n",
}
SCANS = ("--protocols", "--std", "--server-defaults", "--vulnerable")
# The scanner closes its first connection at the end of the handshake, where the ticket of TLS 1.3 may still be on its way; then it has nothing to
# resume, and says that it could not connect. It tries again, so often, until the check was made.
SCANS_MORE = 5
PRIVATE = {  # what the scanner says of every private authority, and why it is right here
    "engine_problem": "about the scanner's own OpenSSL, not about us",
    "cert_chain_of_trust": "the authority is the installation's own; collectors pin it, and people's browsers are given it",
    "cert_revocation": "the server's certificate is replaced with its state directory; collectors are revoked in the directory, within 5 s",
}


class Pressure(Attacked):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.scanned, cls.scans = None, {}
        cls.scanner = shutil.which("testssl") or shutil.which("testssl.sh")
        if cls.scanner is None:
            return
        cls.scanned = programs.Server(cls.directory / "scanned", people_tls=True).create()
        cls.addClassCleanup(cls.scanned.stop)
        cls.scanned.launch()
        for name, port in (("people", cls.scanned.people_port), ("collectors", cls.scanned.collectors_port)):
            machine.wait_until("the port is open", lambda p=port: socket.create_connection(("127.0.0.1", p), timeout=1).close() is None)
            cls.scans[name] = (port, *cls.scan(name, port))

    @classmethod
    def scan(cls, name, port):
        """(process, file with what it will have found) of a scan that has begun."""
        out = cls.directory / f"{name}-{time.monotonic_ns()}.json"   # the scanner overwrites none
        child = subprocess.Popen(["nice", "-n", "10", cls.scanner, "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--jsonfile", out, *SCANS,
                                  f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(child.wait)
        cls.addClassCleanup(child.kill)
        return child, out

    @staticmethod
    def found(child, out):
        child.wait(240)
        return json.loads(out.read_text())

    def assert_drips_hold_nobody_up(self, limits, many=DRIPPING):
        """`limits`: seconds within which every kind is cut. Meanwhile a collector begins anew again and again, and another pushes."""
        waits, failed, over = [], [], threading.Event()

        def honest():
            """A collector's first call again and again, each on a new connection: it needs a place for its handshake, too."""
            while not over.wait(0.2):
                begun = time.monotonic()
                try:
                    self.taken.token()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                    failed.append(repr(error))
                waits.append(time.monotonic() - begun)
        frames = self.honest.status()["frames_acked"]
        caller = threading.Thread(target=honest)
        caller.start()
        try:
            dripped = drips.drip(many, limits, self.watched.collectors_port, self.watched.people_port, self.taken, max(limits.values()) + 5)
        finally:
            over.set()
            caller.join(30)
        for kind, limit in limits.items():
            ends = [d.ended for d in dripped if d.kind == kind]
            self.assertNotIn(None, ends, f"a dripping {kind} is never cut")
            self.assertLess(max(ends), limit, kind)
        self.assertEqual(failed, [])
        waits.sort()
        self.assertGreater(len(waits), max(limits.values()))
        self.assertLess(waits[len(waits) * 99 // 100], 2, f"of {len(waits)} calls")
        status = self.honest.status()
        self.assertGreater(status["frames_acked"], frames + max(limits.values()) / 4)
        self.assertLess(status["push_ms_p99"], 2000)
        self.assert_honest_goes_on()

    def test_1_who_drips_headers_or_bodies_is_cut_and_holds_nobody_up(self):
        self.assert_drips_hold_nobody_up({"header": 40, "body": 40, "people's header": 40})

    def test_1_who_drips_handshakes_is_cut_and_holds_nobody_up(self):
        self.assert_drips_hold_nobody_up({"handshake": 15}, DRIPPING_HANDSHAKES)

    def test_2_a_request_that_means_two_things_is_refused_and_ends_the_connection(self):
        for port, context in ((self.watched.people_port, None), (self.watched.collectors_port, self.taken.context)):
            for name, request in AMBIGUOUS.items():
                with self.subTest(f"{name} at {port}"), intruder.connect(port, context) as sock:
                    sock.settimeout(5)
                    sock.sendall(request + SMUGGLED)
                    said = b""
                    try:
                        while more := sock.recv(65536):
                            said += more
                    except TimeoutError:
                        self.fail(f"the connection stays open after {said[:200]}")
                    except OSError:
                        pass
                    self.assertIn(said.split(b" ")[1:2], ([b"400"], [b"501"]), said[:300])
                    self.assertEqual(said.count(b"HTTP/1.1 "), 1, said[:600])
        self.assert_honest_goes_on()

    def test_3_garbage_behind_a_whole_request_is_not_taken_for_a_part_of_it(self):
        for body in (b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"Content-Length: 2\r\n\r\n{}"):
            with intruder.connect(self.watched.people_port) as sock:
                sock.settimeout(5)
                sock.sendall(POST + b"Content-Type: application/json\r\n" + body + b"garbage\r\n\r\n" + SMUGGLED)
                said = b""
                while more := sock.recv(65536):
                    said += more
            self.assertEqual([part[:3] for part in said.split(b"HTTP/1.1 ")[1:]], [b"400", b"400"], said)

    def test_4_a_scanner_finds_nothing_on_either_port(self):
        if self.scanned is None:
            raise unittest.SkipTest("testssl.sh is not installed")
        for name, (port, child, out) in self.scans.items():
            findings = self.found(child, out)
            for _ in range(SCANS_MORE):
                if any("connect problem" in f["finding"] for f in findings):   # a check that was not made
                    findings = self.found(*self.scan(name, port))
            self.assertGreater(len(findings), 60, name)
            self.assertEqual({f["id"]: f["finding"] for f in findings if f["severity"] not in ("OK", "INFO") and f["id"] not in PRIVATE}, {}, name)
            offered = {f["id"]: f["finding"] for f in findings if f["id"] in ("SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3")}
            self.assertEqual([k for k, v in offered.items() if v.startswith("offered")], ["TLS1_3"], name)
