"""What the store must hold, made from the frames that the oracle was told of: decoded by lab.frame, mapped to tables as docs/wire.md and
the table's columns say, and packed as the engine's RowBinary."""

import contextlib
import multiprocessing
import re
import signal
import sqlite3
import struct

from lab import frame

HEADERS, GAPS = "batches", "gaps"
# Columns that the server makes itself; the rest must be what was sent.
NOT_SENT = {HEADERS: ("segment", "received", "rows_refused"), GAPS: ("segment", "ts")}
NOT_SENT_IN_ROWS = ("segment",)
KEYS = {HEADERS: ["server", "source", "database", "ts"], GAPS: ["first_sequence", "last_sequence"]}   # what a row is found by in its place,
PLACES = {HEADERS: ("epoch", "sequence"), GAPS: ("epoch", "last_sequence")}                           # which names what it came with:
PLACE_OF_ROWS = ("server", "ts")                                                                      # a frame, or one reading
PACK = {"Int64": "<q", "UInt64": "<Q", "UInt32": "<I", "UInt8": "<B", "Float64": "<d"}
# Wire type of a cell: the types of a column that it fits. The server leaves a column of another type aside.
FITS = {"int": ("Int64",), "bool": ("UInt8",), "string": ("String",), "time": ("Int64",), "double": ("Float64",)}


class Column:
    """A column of the store: its plain type in our tables, and how the store's is made that."""

    def __init__(self, name, type_):
        self.name = name
        inner = re.sub(r"^LowCardinality\((.*)\)$", r"\1", type_)
        self.nullable = inner.startswith("Nullable(")
        inner = re.sub(r"^Nullable\((.*)\)$", r"\1", inner)
        quoted = f"`{name}`"
        self.expression = quoted
        if inner.startswith("DateTime64(3"):
            inner, self.expression = "Int64", f"toUnixTimestamp64Milli({quoted})"
        elif inner.startswith("DateTime64(6"):
            inner, self.expression = "Int64", f"toUnixTimestamp64Micro({quoted})"
        elif inner == "Bool":
            inner, self.expression = "UInt8", f"toUInt8({quoted})"
        self.plain = inner
        self.type = f"Nullable({inner})" if self.nullable else inner
        if inner == "String":
            self.expression = f"CAST({quoted}, '{self.type}')"
        self.pack = struct.Struct(PACK[inner]).pack if inner in PACK else pack_text

    def cell(self, value):
        if value is None:
            return b"\x01" if self.nullable else self.pack("" if self.plain == "String" else 0)
        return b"\x00" + self.pack(value) if self.nullable else self.pack(value)


def pack_text(text):
    data, size, head = text.encode(), 0, bytearray()
    size = len(data)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + data


class Directory:
    """Which numbers the server gave to collectors and to what they watch, from its own database."""

    def __init__(self, path):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            self.tenants = dict(database.execute("SELECT id, tenant_id FROM collectors"))
            servers = list(database.execute("SELECT id, kind, system_identifier, name, collector_id FROM servers"))
        # A collector's own target has its stream as identifier; everything else belongs to one collector, by its name.
        self.collectors = {int(identifier, 16): collector for _, kind, identifier, _, collector in servers if kind == "collector"}
        self.selves = {int(identifier, 16): id_ for id_, kind, identifier, _, _ in servers if kind == "collector"}
        self.servers = {(kind, collector, name): id_ for id_, kind, _, name, collector in servers if kind != "collector"}
        for id_, kind, _, _, collector in servers:
            self.servers.setdefault((kind, collector, None), id_)   # a machine's name may have been made unique

    def collector(self, epoch):
        return self.collectors.get(epoch, 0)

    def server(self, epoch, target):
        if target[0] == "collector":
            return self.selves.get(int(target[2], 16), 0)
        collector = self.collector(epoch)
        return self.servers.get((target[0], collector, target[1])) or self.servers.get((target[0], collector, None), 0)


class Maker:
    """Rows of tables from frames. `refused`: readings whose rows the server announced not to take."""

    def __init__(self, tables, directory, refused):
        self.tables, self.directory, self.refused = tables, directory, refused
        self.rows = self.refused_rows = 0
        self.data = {}      # table: bytearray
        self.keys = {}      # table: names of its key columns

    def add(self, data):
        read = frame.Frame(data)
        collector = self.directory.collector(read.epoch)
        tenant = self.directory.tenants.get(collector, 0)
        for batch in read.batches:
            source, columns = read.dictionary.schemas[batch["schema"]]
            server = self.directory.server(read.epoch, read.dictionary.targets[batch["target"]])
            ts = batch["started_us"] // 1000
            self.rows += batch["count"]
            if (read.epoch, read.sequence, server, source, batch["database"]) in self.refused or source.replace(".", "_") not in self.tables:
                self.refused_rows += batch["count"]
                continue
            own = {"tenant": tenant, "server": server, "ts": ts, "interval_us": batch["interval_us"]}
            self.put(HEADERS, {**own, "source": source, "database": batch["database"], "collector": collector, "epoch": read.epoch,
                               "sequence": read.sequence, "outcome": frame.OUTCOMES.index(batch["outcome"]), "duration_us": batch["duration_us"],
                               "rows_seen": batch["rows_seen"], "rows": batch["count"], "sqlstate": batch["sqlstate"],
                               "detail": batch["detail"], "missing": "\n".join(batch["missing"])})
            if batch["count"]:
                self.put_rows(source.replace(".", "_"), own, columns, batch["rows"])
        for gap in read.gaps:
            self.put(GAPS, {"tenant": tenant, "collector": collector, "epoch": read.epoch, "first_sequence": gap["first_sequence"],
                            "last_sequence": gap["last_sequence"], "from_ts": gap["from_us"], "to_ts": gap["to_us"], "bytes": gap["bytes"],
                            "reason": gap["reason"]})

    def put(self, table, values):
        self.data.setdefault(table, bytearray()).extend(b"".join(c.cell(values[c.name]) for c in self.tables[table]))

    def put_rows(self, table, own, columns, rows):
        self.keys.setdefault(table, [name for name, kind, _ in columns if kind == "key"])
        at = {name: i for i, (name, _, type_) in enumerate(columns) for c in self.tables[table] if c.name == name and c.plain in FITS[type_]}
        head = b"".join(c.cell(own[c.name]) for c in self.tables[table][:4])
        rest = [(c.cell, at.get(c.name)) for c in self.tables[table][4:]]
        out = self.data.setdefault(table, bytearray())
        for row in rows:
            out += head
            for pack, place in rest:
                out += pack(None if place is None else row[place])


def make(arguments):
    frames, tables, directory, refused = arguments
    maker = Maker({name: [Column(*c) for c in columns] for name, columns in tables.items()}, directory, refused)
    for data in frames:
        maker.add(data)
    return maker.rows, maker.refused_rows, maker.keys, {name: bytes(data) for name, data in maker.data.items()}


def made(frames, tables, directory, refused, chunk=200):
    """Calls of make() over all frames on every core, as they are done."""
    work = [(frames[at:at + chunk], tables, directory, refused) for at in range(0, len(frames), chunk)]
    with multiprocessing.Pool(initializer=signal.signal, initargs=(signal.SIGTERM, signal.SIG_DFL)) as pool:  # ours raises
        yield from pool.imap_unordered(make, work)
