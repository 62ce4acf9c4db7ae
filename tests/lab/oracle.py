"""The oracle of ./run faults: a process that outlives every fault and remembers each frame that a collector saw acknowledged.

  PYTHONPATH=tests python3 -m lab.oracle SOCKET DIRECTORY

A collector that runs with --oracle SOCKET sends, per frame, its length (u32, little-endian) and its bytes, and goes on only after one byte
of answer. That byte is sent when the frame is on stable storage, in a file of its own connection: *.frames holds what was received, as it
was received. `acknowledged` has one line per frame, "monotonic ns, epoch, sequence", by which the driver sees progress; it proves nothing.
"""

import bisect
import os
import pathlib
import socketserver
import struct
import sys
import threading
import time

FRAME_BYTES_MAX = 8 << 20     # docs/wire.md allows half of it
STREAM = struct.Struct("<QQ")  # epoch and sequence in a frame's header,
STREAM_AT = 16                 # from here on


def receive(connection, count):
    """Exactly so many bytes, or None where the stream ends before."""
    data = bytearray()
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            return None
        data += more
    return bytes(data)


class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path, directory):
        super().__init__(str(path), Connection)
        self.directory = directory
        self.lock = threading.Lock()
        self.progress = open(directory / "acknowledged", "a", encoding="ascii")  # noqa: SIM115 - as long as the process

    def note(self, frame):
        epoch, sequence = STREAM.unpack_from(frame, STREAM_AT)
        with self.lock:
            self.progress.write(f"{time.monotonic_ns()} {epoch} {sequence}\n")
            self.progress.flush()


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        with open(self.server.directory / f"{time.time_ns()}-{threading.get_ident()}.frames", "xb") as file:
            while True:
                head = receive(self.request, 4)
                frame = receive(self.request, min(struct.unpack("<I", head)[0], FRAME_BYTES_MAX)) if head else None
                if frame is None:
                    return  # a collector that died while it told us has not had its answer: it tells us again
                file.write(head + frame)
                file.flush()
                os.fsync(file.fileno())
                self.server.note(frame)
                try:
                    self.request.sendall(b"\x01")
                except OSError:
                    return  # killed while we wrote; what we know is true all the same


def remembered(directory):
    """{(epoch, sequence): {bytes of the frame}} of everything the oracle was told; one content each, if all is well."""
    frames = {}
    for path in sorted(pathlib.Path(directory).glob("*.frames")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            size = struct.unpack_from("<I", data, at)[0]
            frame = data[at + 4:at + 4 + size]
            frames.setdefault(STREAM.unpack_from(frame, STREAM_AT), set()).add(frame)
            at += 4 + size
    return frames


class Progress:
    """Follows the oracle's list of acknowledgements."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "acknowledged"
        self.at = 0
        self.times = {}   # epoch: monotonic ns, ascending
        self.frames = 0

    def read(self):
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        data = data[:data.rfind(b"\n") + 1]
        self.at += len(data)
        for line in data.splitlines():
            at, epoch, _ = map(int, line.split())
            self.times.setdefault(epoch, []).append(at)
            self.frames += 1

    def first_after(self, since_ns, epoch=None):
        """When a frame of the stream, or of any stream, was acknowledged first after a moment; None: not yet."""
        self.read()
        firsts = []
        for times in (self.times.values() if epoch is None else [self.times.get(epoch, [])]):
            place = bisect.bisect_right(times, since_ns)
            if place < len(times):
                firsts.append(times[place])
        return min(firsts, default=None)


def main():
    path, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    with Listener(path, directory) as listener:
        listener.serve_forever()


if __name__ == "__main__":
    main()
