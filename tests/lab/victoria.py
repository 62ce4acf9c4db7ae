"""VictoriaMetrics as Debian packages it, beside which our ingest is measured: the same samples, by the ways of import that its documentation names."""

import http.client
import pathlib
import queue
import re
import shutil
import threading
import time

from lab import machine
from lab.machine import LabError

PROGRAM = "victoria-metrics"
SENDERS = 2
CHUNK_BYTES = 1 << 20


def available():
    return shutil.which(PROGRAM) is not None


class Victoria:
    """One server with an empty directory of its own."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.data = self.directory / "data"
        self.port = machine.free_port()
        self.child = machine.Child("victoria-metrics", [PROGRAM, f"-httpListenAddr=127.0.0.1:{self.port}", f"-storageDataPath={self.data}"],
                                   self.directory / "victoria.log")
        machine.wait_until("VictoriaMetrics answers", lambda: self.get("/health"), 30, self.child)

    def open(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        if answer.status not in (200, 204):
            raise LabError(f"VictoriaMetrics answered {method} {path} with {answer.status}: {answer.read(400)!r}")
        return answer

    def get(self, path):
        return self.open("GET", path).read()

    def export_native(self, file):
        """Everything it has, in the format that it imports with the least work."""
        with open(file, "wb") as out:
            shutil.copyfileobj(self.open("GET", "/api/v1/export/native?match[]=%7B__name__!%3D%22%22%7D"), out, CHUNK_BYTES)

    def post(self, path, file):
        with open(file, "rb") as body:
            self.open("POST", path, body, {"Content-Length": str(file.stat().st_size)}).read()

    def take(self, path, files):
        """Sends the files over two connections. Returns what it took: CPU seconds until the samples are on disk, seconds, bytes on disk
        before and after its parts are merged."""
        waiting, wrong = queue.SimpleQueue(), []
        for file in files:
            waiting.put(file)

        def send():
            while not waiting.empty() and not wrong:
                try:
                    self.post(path, waiting.get_nowait())
                except queue.Empty:
                    return
                except (LabError, OSError) as error:
                    wrong.append(str(error))
        cpu, begun = machine.cpu_seconds(self.child.pid), time.monotonic()
        threads = [threading.Thread(target=send) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if wrong:
            raise LabError(wrong[0])
        self.get("/internal/force_flush")
        taken = {"cpu_seconds": machine.cpu_seconds(self.child.pid) - cpu, "seconds": time.monotonic() - begun, "samples": self.inserted(),
                 "disk_bytes": machine.tree_bytes(self.data)}
        self.get("/internal/force_merge")
        machine.wait_until("its parts are merged", lambda: b'vm_active_force_merges 0' in self.get("/metrics"), 120, self.child)
        return {**taken, "disk_bytes_merged": machine.tree_bytes(self.data), "rss_kib": machine.resident_kib(self.child.pid)}

    def inserted(self):
        return sum(int(float(n)) for n in re.findall(rb'^vm_rows_inserted_total\{[^}]*\} (\S+)$', self.get("/metrics"), re.M))

    def stop(self):
        self.child.stop()
