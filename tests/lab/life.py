"""A little of everything that a declaration can see: a server with tables, waiters, slots, a subscription, a prepared transaction,
work in progress, a standby, and secrets where careless servers have them."""

import pathlib
import signal
import socket
import struct
import threading

from lab import machine, postgres

CANARY = "canary-5ecret"  # must never leave the host
PIN = 271828182           # neither may what looks like a literal
SETTINGS = {
    "max_prepared_transactions": "4",
    "archive_mode": "on",
    "archive_command": f"true {CANARY}",  # one that fails would make each stop three seconds longer
    "primary_conninfo": f"host=nowhere password={CANARY}",
    "own_application.token": CANARY,
    "shared_preload_libraries": "pg_stat_statements",
    "track_functions": "all",
    "track_commit_timestamp": "on",
}
DEBIAN = pathlib.Path("/usr/lib/postgresql/15/bin")  # the one with extensions of third parties
EXTENSIONS = ("pg_stat_kcache", "pg_qualstats", "pg_wait_sampling")


def has_extensions():
    """Whether Debian's server has them; they are Debian's packages postgresql-15-pg-…"""
    return all(pathlib.Path(f"/usr/share/postgresql/15/extension/{name}.control").exists() for name in EXTENSIONS)


class Life:
    """A cluster of one major version that has something in every view, and its standby. close() ends both."""

    def __init__(self, major, extensions=False):
        self.major = major
        self.extensions = EXTENSIONS if extensions else ()
        self.primary = postgres.Cluster(major, settings=SETTINGS)
        if extensions:
            self.primary.bin = DEBIAN
            self.primary.settings.update({
                "shared_preload_libraries": ",".join(("pg_stat_statements", *EXTENSIONS)), "pg_qualstats.sample_rate": "1"})
        self.replica = None
        self.sessions = []
        self.copies = []
        self.sockets = []

    def start(self):
        self.primary.create()
        with open(self.primary.data / "pg_hba.conf", "a", encoding="utf-8") as hba:
            hba.write(f"host nobody nobody 192.0.2.0/24 radius radiusservers=192.0.2.1 radiussecrets={CANARY}\n")
        self.primary.start().prepare(["life", "copy"])
        self.primary.sql("alter system set work_mem = '5MB'")
        self.primary.sql((machine.ROOT / "docs/sql/helper-schema.sql").read_text(encoding="utf-8"), database="life")
        self.fill()
        self.replica = self.primary.standby()
        self.subscribe()
        self.hold()
        with open(self.primary.data / "postgresql.conf", "a", encoding="utf-8") as conf:  # never read but by pg_file_settings
            conf.write(f"port = 'many {CANARY}'\n")
        with open(self.primary.data / "pg_ident.conf", "a", encoding="utf-8") as ident:
            ident.write("people somebody clerk\n")
        return self

    def fill(self):
        run = lambda text: self.primary.sql(text, database="life")  # noqa: E731
        for name in ("pg_buffercache", "pgstattuple", *self.extensions):
            run(f"create extension {name}")
        run("create table orders (id bigint primary key, state text not null default 'new', placed timestamptz default now())")
        run("insert into orders select i, 'paid', now() from generate_series(1, 2000) i")
        run("create index orders_state on orders (state) where state <> 'paid'")
        run("create table events (at date not null, what text) partition by range (at)")
        run("create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01')")
        run("create view open_orders as select * from orders where state <> 'paid'")
        run("create sequence tickets")
        run(f"create table stock (product int, place text default '{CANARY}', amount int default {PIN} check (amount < {PIN}))")
        run("insert into stock select i, 'shelf ' || i % 50, i from generate_series(1, 20000) i")
        run(f"create index stock_amount on stock (amount, (place || '{CANARY}')) where amount <> {PIN}")
        run("create statistics stock_both on product, place from stock")
        run("create function checked() returns trigger language plpgsql as 'begin return new; end'")
        run(f"create trigger stock_checked before update on stock for each row when (new.amount <> {PIN}) execute function checked('{CANARY}')")
        run(f"create policy stock_seen on stock using (amount <> {PIN} and place <> '{CANARY}')")
        run(f"create view shelves as select place from stock where amount <> {PIN}")
        run("alter table stock set (autovacuum_enabled = off)")
        run("vacuum analyze stock")
        run("create function slow(i int) returns int language plpgsql immutable as "
            "$$ begin perform pg_sleep(coalesce(current_setting('own.pause', true), '0')::float); return i; end $$")
        run("create function twice(i int) returns int language plpgsql as 'begin return 2 * i; end'")
        run("select twice(21)")
        run("set jit = on; set jit_above_cost = 0; select sum(id) from orders")  # compiled where the server has a compiler
        run("vacuum analyze orders")
        run("create publication all_orders for table orders")
        run(f"create role clerk login connection limit 5 valid until 'infinity' in role pg_monitor password '{CANARY}'")
        run("alter role clerk in database life set statement_timeout = '5s'")
        run(f"alter database life set own_application.key = '{CANARY}'")
        run("alter role clerk set search_path = public")

    def subscribe(self):
        """A subscription within one cluster: its slot must exist before, or it would wait for itself."""
        run = lambda text, database: self.primary.sql(text, database=database)  # noqa: E731
        run("select pg_create_logical_replication_slot('life_copy', 'pgoutput')", "life")
        run("create table orders (id bigint primary key, state text, placed timestamptz)", "copy")
        run(f"create subscription life_copy connection 'host=127.0.0.1 port={self.primary.port} dbname=life user=postgres' "
            "publication all_orders with (create_slot = false, slot_name = 'life_copy')", "copy")
        run("select pg_create_physical_replication_slot('unused', true)", "life")
        machine.wait_until("the subscription has its rows",
                           lambda: run("select 1 from pg_subscription_rel where srsubstate = 'r'", "copy"))

    def session(self, *statements, wait=True):
        """A session that stays: the last statement may wait for a lock, then it runs in a thread until the others are closed."""
        connection = self.primary.connect("life", application="life")
        self.sessions.append(connection)
        cursor = connection.cursor()
        for text in statements if wait else statements[:-1]:
            cursor.execute(text)
        if not wait:
            threading.Thread(target=self.quietly, args=(lambda: cursor.execute(statements[-1]),), daemon=True).start()
        return connection

    def quietly(self, run):
        """What is under way when the server stops ends with an error, which is how it should."""
        try:
            run()
        except Exception:  # noqa: BLE001, S110 - the server goes before the session does
            pass

    def hold(self):
        """Sessions that hold and wait, and commands that stay in progress."""
        run = lambda text: self.primary.sql(text, database="life")  # noqa: E731
        self.session("begin", "update orders set state = 'held' where id = 2", f"prepare transaction 'payment {PIN}'")
        self.session("begin", "update orders set state = 'held' where id = 1")
        self.session("begin", "update orders set state = 'wanted' where id = 1", wait=False)
        self.session("update orders set state = 'wanted' where id = 2", wait=False)
        slowly = ("set vacuum_cost_delay = 100", "set vacuum_cost_limit = 1")
        for table in ("emptied", "counted"):
            run(f"create table {table} as select i, repeat('x', 500) as pad from generate_series(1, 20000) i")
        run("delete from emptied where i % 2 = 0")
        run("create table rewritten as select i from generate_series(1, 5000) i")
        run("create index rewritten_slowly on rewritten (slow(i))")
        self.session(*slowly, "vacuum emptied", wait=False)
        self.session(*slowly, "analyze counted", wait=False)
        self.session("set own.pause = 0.05", "vacuum full rewritten", wait=False)
        self.session("create index concurrently orders_placed on orders (placed)", wait=False)
        self.session("set work_mem = '64kB'", "begin", "declare sorted cursor for select i, repeat('x', 100) from generate_series(1, 50000) i"
                     " order by 2, 1", "fetch 1 from sorted")
        self.copy()
        self.back_up()
        busy = {"vacuum", "create_index", "cluster"} | ({"analyze", "basebackup"} if self.major >= 13 else set()) | (
            {"copy"} if self.major >= 14 else set())
        for what in sorted(busy):
            machine.wait_until(f"{what} is in progress", lambda what=what: run(f"select 1 from pg_stat_progress_{what}"))
        machine.wait_until("three sessions wait for locks", lambda: run("select count(*) from pg_locks where not granted")[0][0] >= 3)

    def copy(self):
        """COPY FROM a client that sent half."""
        connection = self.primary.connect("life", application="life")
        self.sessions.append(connection)
        half = Half()
        self.copies.append(half)
        threading.Thread(target=self.quietly, args=(lambda: connection.cursor().copy_expert("copy counted from stdin", half),),
                         daemon=True).start()

    def back_up(self):
        """A base backup that nobody reads: the protocol's own words, since no client speaks to all versions."""
        text = "BASE_BACKUP (LABEL 'life', PROGRESS, CHECKPOINT 'fast', WAIT false)" if self.major >= 15 else (
            "BASE_BACKUP LABEL 'life' PROGRESS FAST NOWAIT")
        wire = socket.create_connection(("127.0.0.1", self.primary.port), timeout=30)
        self.sockets.append(wire)
        start = struct.pack("!i", 196608) + b"user\0postgres\0replication\0true\0application_name\0backup\0\0"
        wire.sendall(struct.pack("!i", len(start) + 4) + start)
        answers = wire.makefile("rb")
        kind = b""
        while kind != b"Z":
            kind, length = struct.unpack("!ci", answers.read(5))
            answers.read(length - 4)
        query = text.encode() + b"\0"
        wire.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)

    def close(self):
        for half in self.copies:
            half.more.set()
        for wire in self.sockets:
            wire.close()
        for cluster in (self.replica, self.primary):
            if cluster is not None and cluster.child is not None:
                child, cluster.child = cluster.child, None
                child.stop(signal.SIGQUIT, 30)  # at once: what goes on would take seconds to be cancelled, and nobody wants the data
            if cluster is not None:
                cluster.close()


class Half:
    """A file whose second half comes when `more` is set."""

    def __init__(self):
        self.more = threading.Event()
        self.sent = False

    def read(self, _size=-1):
        if not self.sent:
            self.sent = True
            return "1\tx\n" * 1000
        self.more.wait()
        return ""
