"""Peers that send a byte a second and never come to an end: of a handshake, of a header, of a body."""

import itertools
import ssl
import time

from lab import intruder

ENDLESS_HEADER = b"POST /v1/frames HTTP/1.1\r\nHost: localhost\r\nX-Drip: "
ENDLESS_BODY = b"POST /v1/frames HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


def client_hello():
    """The first bytes of a real handshake."""
    out = ssl.MemoryBIO()
    try:
        intruder.tls_context().wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class Drip:
    """One connection; `first` goes out at once, then `rest` byte by byte. ended: seconds after which it was cut, or None."""

    def __init__(self, kind, port, context, first, rest):
        self.kind = kind
        self.sock = intruder.connect(port, context)
        if first:
            self.sock.sendall(first)
        self.sock.setblocking(False)
        self.rest = itertools.chain(rest, itertools.repeat(ord("x")))
        self.begun, self.ended, self.heard = time.monotonic(), None, b""

    def step(self):
        try:
            self.sock.send(bytes([next(self.rest)]))
            self.heard = self.sock.recv(1000)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:
            pass
        self.ended = time.monotonic() - self.begun  # an answer, an end, or an error
        self.sock.close()


def drip(many, kinds, collectors_port, people_port, identity, seconds):
    """Opens `many` of each kind and drips until all are cut or the time is over. Returns them."""
    hello, none = client_hello(), intruder.tls_context()
    all_kinds = {"handshake": (collectors_port, None, b"", hello), "header": (collectors_port, none, b"", ENDLESS_HEADER),
                 "body": (collectors_port, identity.context, ENDLESS_BODY, b""), "people's header": (people_port, None, b"", ENDLESS_HEADER)}
    drips = [Drip(kind, *all_kinds[kind]) for kind in kinds for _ in range(many)]
    end = time.monotonic() + seconds
    while (alive := [d for d in drips if d.ended is None]) and time.monotonic() < end:
        begun = time.monotonic()
        for one in alive:
            one.step()
        time.sleep(max(0, begun + 1 - time.monotonic()))
    for one in drips:
        one.sock.close()
    return drips
