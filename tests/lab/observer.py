"""Looks at a server from the outside, every few milliseconds: what does one role wait for, and how many connections does it have?"""

import dataclasses
import threading
import time

from lab.postgres import MONITOR

# From 14 on the server says since when a lock is waited for. Before, a wait is as old as the first sample in a row that has it.
SQL = """
SELECT a.datname, a.pid, w.what, w.waiting_us, extract(epoch FROM clock_timestamp())::float8, (SELECT count(*) FROM pg_locks o WHERE NOT o.granted AND o.pid <> a.pid)
  FROM pg_stat_activity a
  LEFT JOIN LATERAL (SELECT row(l.locktype, l.database, l.relation, l.objid, l.mode, l.virtualtransaction)::text AS what, {since} AS waiting_us
                       FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted LIMIT 1) w ON true
 WHERE a.usename = %s AND a.backend_type = 'client backend'"""
SINCE = {True: "(extract(epoch FROM clock_timestamp() - l.waitstart) * 1000000)::bigint", False: "NULL::bigint"}


@dataclasses.dataclass
class Seen:
    samples: int = 0
    step_ms_max: float = 0             # the longest pause between two samples
    waiting_ms_max: float = 0          # the longest wait for a lock, as of a sample
    waits: int = 0                     # samples with a wait
    connections_max: int = 0           # all databases together
    connections_by_database: dict = dataclasses.field(default_factory=dict)
    others_waiting_max: int = 0


class Observer:
    """with Observer(cluster) as seen: …"""

    def __init__(self, cluster, role=MONITOR):
        self.cluster, self.role = cluster, role
        self.seen = Seen()
        self.over = threading.Event()
        self.failed = None
        self.begun = {}                # of waits of the last sample, by backend and lock
        self.thread = threading.Thread(target=self.watch)

    def __enter__(self):
        self.thread.start()
        return self.seen

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.failed:
            raise self.failed

    def watch(self):
        try:
            connection = self.cluster.connect(application="observer")
            with connection.cursor() as cursor:
                before = None
                sql = SQL.format(since=SINCE[self.cluster.major >= 14])
                while not self.over.is_set():
                    cursor.execute(sql, (self.role,))
                    now = time.monotonic()
                    self.note(cursor.fetchall(), 0 if before is None else (now - before) * 1000)
                    before = now
                    self.over.wait(0.002)
            connection.close()
        except Exception as error:  # noqa: BLE001 - told where the observer is waited for
            self.failed = error

    def note(self, rows, step_ms):
        seen = self.seen
        seen.samples += 1
        seen.step_ms_max = max(seen.step_ms_max, step_ms)
        seen.connections_max = max(seen.connections_max, len(rows))
        for database in {row[0] for row in rows}:
            count = sum(row[0] == database for row in rows)
            seen.connections_by_database[database] = max(seen.connections_by_database.get(database, 0), count)
        # By the server's clock: ours would count the time until we come to look, too.
        begun = {(pid, what): self.begun.get((pid, what), at) for _, pid, what, _, at, _ in rows if what is not None}
        self.begun = begun
        for _, pid, what, waiting_us, at, others in rows:
            seen.others_waiting_max = max(seen.others_waiting_max, others)
            if what is not None:
                seen.waits += 1
                waited_ms = waiting_us / 1000 if waiting_us is not None else (at - begun[pid, what]) * 1000
                seen.waiting_ms_max = max(seen.waiting_ms_max, waited_ms)
