"""A second implementation of docs/wire.md, written from its text alone: reads frames, knows nothing of our C++.

  PYTHONPATH=tests python3 -m lab.frame src/wire/testdata/example.hex           prints what the frame says
  PYTHONPATH=tests python3 -m lab.frame --bytes src/wire/testdata/example.hex   prints every field with its bytes
"""

import argparse
import json
import pathlib
import struct
import sys

import xxhash
import zstandard

KINDS = ("key", "counter", "gauge", "text", "time")
TYPES = ("int", "bool", "string", "time", "double")
OUTCOMES = ("complete", "lock", "timeout", "privilege", "absent", "limit", "error", "unreachable")
HEADER_BYTES = 40
BUILDS_ON = 0x01
U64 = (1 << 64) - 1


class Refused(Exception):
    """Bytes that are no frame."""


def check(holds, message):
    if not holds:
        raise Refused(message)


def signed(value):
    """The lowest 64 bits as a signed integer: sums and differences wrap around."""
    value &= U64
    return value - (1 << 64) if value >> 63 else value


class Reader:
    def __init__(self, data, trace=None):
        self.data, self.at, self.trace = data, 0, trace

    def note(self, start, meaning):
        if self.trace is not None:
            self.trace.append((start, self.at, meaning))

    def raw(self, count):
        check(self.at + count <= len(self.data), f"offset {self.at}: cut short")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value, start = 0, self.at
        for shift in range(0, 70, 7):
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                check(value <= U64, f"offset {start}: more than 64 bits")
                check(byte or shift == 0, f"offset {start}: not minimal")
                return value
        raise Refused(f"offset {start}: more than 10 bytes")

    def svarint(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def bitmap(self, bits):
        data = self.raw((bits + 7) // 8)
        flags = [data[i // 8] >> i % 8 & 1 for i in range(8 * len(data))]
        check(not any(flags[bits:]), "an unused bit is set")
        return flags[:bits]

    def text(self):
        return self.raw(self.varint()).decode("utf-8")


class Dictionary:
    """What the frames of a stream have named so far."""

    def __init__(self):
        self.state = 0
        self.strings, self.numbers, self.targets, self.schemas = [""], [], [], []
        self.keys = {}    # (target, schema, database) -> list of rows, each a list of cells by key column

    def copy(self):
        other = Dictionary()
        other.state = self.state
        other.strings, other.numbers = list(self.strings), list(self.numbers)
        other.targets, other.schemas = list(self.targets), list(self.schemas)
        other.keys = {name: list(rows) for name, rows in self.keys.items()}
        return other


class Frame:
    """Reads one frame; `dictionary` is of the stream and takes what the frame adds."""

    def __init__(self, data, dictionary=None, trace=None):
        check(len(data) >= HEADER_BYTES, "shorter than a header")
        magic, version, must, self.ignorable, codec, sent, decoded, self.epoch, self.sequence, value = struct.unpack_from("<4sBBBBIIQQQ", data)
        check(magic == b"PGAF", "no frame")
        check(version == 1, f"version {version}")
        check(must & ~BUILDS_ON == 0, f"must-understand flags {must}")
        check(codec <= 1, f"codec {codec}")
        at = HEADER_BYTES + (8 if must & BUILDS_ON else 0)
        check(len(data) == at + sent, "another length than the header says")
        check(xxhash.xxh3_64_intdigest(data[:32] + data[HEADER_BYTES:]) == value, "the check value is another")
        self.dictionary = Dictionary()
        if must & BUILDS_ON:
            state = struct.unpack_from("<Q", data, HEADER_BYTES)[0]
            check(dictionary is not None and dictionary.state == state, "dictionary wanted")
            self.dictionary = dictionary.copy()
        payload = data[at:]
        if codec == 1:
            payload = zstandard.ZstdDecompressor().decompress(payload, max_output_size=decoded)
        check(len(payload) == decoded, "another decoded length than the header says")
        before = self.size()
        self.read = Reader(payload, trace)
        self.payload()
        if not must & BUILDS_ON or self.size() != before:
            self.dictionary.state = value
        if dictionary is not None:
            dictionary.__dict__.update(self.dictionary.__dict__)

    def size(self):
        d = self.dictionary
        return [len(d.strings), len(d.numbers), len(d.targets), len(d.schemas), sum(map(len, d.keys.values())), len(d.keys)]

    def payload(self):
        r, d = self.read, self.dictionary
        start = r.at
        self.sent_us = r.svarint()
        r.note(start, f"sent: {self.sent_us}")
        self.listed("strings", self.add_string)
        self.listed("numbers", self.add_number)
        self.listed("targets", self.add_target)
        self.listed("schemas", self.add_schema)
        self.texts = [""]
        self.listed("texts", self.add_text)
        self.batches = self.read_batches()
        self.gaps = []
        self.listed("gaps", self.add_gap)
        check(r.at == len(r.data) or self.ignorable, "bytes follow the gaps")
        check(d.strings[0] == "", "string 0")

    def listed(self, what, read_one):
        r, start = self.read, self.read.at
        count = r.varint()
        r.note(start, f"{count} {what if count != 1 else what[:-1]}")
        for _ in range(count):
            read_one()

    def add_string(self):
        start, text = self.read.at, self.read.text()
        check(text, "an empty string")
        self.dictionary.strings.append(text)
        self.read.note(start, f'{len(self.dictionary.strings) - 1} "{text}"')

    def add_text(self):
        start, text = self.read.at, self.read.text()
        check(text, "an empty text")
        self.texts.append(text)
        self.read.note(start, f'-{len(self.texts) - 1} "{text}"')

    def add_number(self):
        start, value = self.read.at, struct.unpack("<q", self.read.raw(8))[0]
        self.dictionary.numbers.append(value)
        self.read.note(start, f"{len(self.dictionary.numbers) - 1}: {value}")

    def add_target(self):
        start = self.read.at
        target = [self.string() for _ in range(4)]
        self.dictionary.targets.append(target)
        self.read.note(start, "kind, name, system identifier, version: " + ", ".join(target))

    def add_schema(self):
        r, start = self.read, self.read.at
        source = self.string()
        r.note(start, f"source: {source}")
        start, count, columns = r.at, r.varint(), []
        r.note(start, f"{count} columns")
        for _ in range(count):
            start = r.at
            name, kind, kind_of_cell = self.string(), r.raw(1)[0], r.raw(1)[0]
            columns.append((name, KINDS[kind], TYPES[kind_of_cell]))
            r.note(start, f"{name}: {KINDS[kind]}, {TYPES[kind_of_cell]}")
        check(len({c[0] for c in columns}) == len(columns) and all(c[0] for c in columns), "names of columns")
        self.dictionary.schemas.append((source, columns))

    def add_gap(self):
        r, start = self.read, self.read.at
        first, more, since, until, size = r.varint(), r.varint(), r.svarint(), r.svarint(), r.varint()
        check(first > 0, "a gap of nothing")
        since = signed(since + self.sent_us)
        self.gaps.append({"first_sequence": first, "last_sequence": first + more, "from_us": since, "to_us": signed(since + until),
                          "bytes": size, "reason": self.reference(r.svarint())})
        r.note(start, f"gap: {self.gaps[-1]}")

    def string(self):
        return self.dictionary.strings[self.read.varint()]

    def reference(self, value):
        return self.dictionary.strings[value] if value >= 0 else self.texts[-value]

    # Columns

    def values(self, encoding, count):
        """Cells of a column that has no nulls."""
        r = self.read
        if encoding == 1:
            return [r.svarint()] * count
        if encoding == 2:
            return [r.svarint() for _ in range(count)]
        if encoding == 3:
            cells, before = [], 0
            for _ in range(count):
                before = signed(before + r.svarint())
                cells.append(before)
            return cells
        if encoding == 4:
            return [r.svarint() if flag else 0 for flag in r.bitmap(count)]
        if encoding == 6:
            planes = [r.raw(count) for _ in range(8)]
            return [int.from_bytes(bytes(plane[i] for plane in planes), "little", signed=True) for i in range(count)]
        check(encoding == 5, f"encoding {encoding}")
        return [0] * count

    def plain_column(self, count, what=""):
        start, head = self.read.at, self.read.raw(1)[0]
        check(0 < head < 7, f"head {head} of a column without nulls")
        cells = self.values(head, count)
        self.read.note(start, f"{what}: {cells}")
        return cells

    def column(self, kind_of_cell, rows, before):
        """Cells, None where null; `before` are the columns of the block so far."""
        r = self.read
        head = r.raw(1)[0]
        encoding = head & 0x1F
        if encoding == 0:
            check(head == 0, "flags of a column of nulls")
            return [None] * rows
        base = None
        if head & 0x40:
            distance = r.raw(1)[0]
            check(0 < distance <= len(before) and kind_of_cell in ("int", "time"), "reference")
            check(before[-distance][0] in ("int", "time"), "reference to what is no number")
            base = before[-distance][1]
        flags = r.bitmap(rows) if head & 0x80 else [1] * rows
        cells = self.values(encoding, sum(flags))
        if head & 0x20:
            cells = [self.dictionary.numbers[i] for i in cells]
        found = iter(cells)
        cells = [next(found) if flag else None for flag in flags]
        if base is not None:
            cells = [None if c is None else signed(c + (b or 0)) for c, b in zip(cells, base)]
        return cells

    # Batches

    def read_batches(self):
        r, start = self.read, self.read.at
        count = r.varint()
        r.note(start, f"{count} batch" + ("es" if count != 1 else ""))
        if count == 0:
            return []
        names = ("target", "schema", "outcome", "started - sent", "interval", "duration", "rows seen", "database", "sqlstate", "detail",
                 "missing columns", "rows")
        fields = {name: self.plain_column(count, name) for name in names}
        batches = []
        for i in range(count):
            start = r.at
            missing = [self.string() for _ in range(fields["missing columns"][i])]
            if missing:
                r.note(start, "missing: " + ", ".join(missing))
            batches.append({"target": fields["target"][i], "schema": fields["schema"][i], "outcome": OUTCOMES[fields["outcome"][i]],
                            "started_us": signed(fields["started - sent"][i] + self.sent_us), "interval_us": fields["interval"][i],
                            "duration_us": fields["duration"][i] & U64, "rows_seen": fields["rows seen"][i] & U64,
                            "database": self.dictionary.strings[fields["database"][i]], "sqlstate": self.dictionary.strings[fields["sqlstate"][i]],
                            "detail": self.reference(fields["detail"][i]), "missing": missing, "count": fields["rows"][i], "rows": []})
        run = []
        for i, batch in enumerate(batches):
            run.append(batch)
            name = [(fields[f][i], fields[f][i + 1] if i + 1 < count else None) for f in ("target", "schema", "database")]
            if all(a == b for a, b in name):
                continue
            if any(b["count"] for b in run):
                self.block(run, tuple(a for a, _ in name))
            run = []
        return batches

    def block(self, run, name):
        """The rows of consecutive batches of one target, schema and database."""
        r, d = self.read, self.dictionary
        columns = d.schemas[name[1]][1]
        rows = sum(batch["count"] for batch in run)
        start, mode = r.at, r.raw(1)[0]
        check(mode < 2, "mode")
        r.note(start, "block: " + ("keys first" if mode else "all columns"))
        cells = {}
        if mode == 1:
            key_at = [i for i, c in enumerate(columns) if c[1] == "key"]
            check(key_at, "keys of a source that has none")
            table = d.keys.setdefault(name, [])
            start, added = r.at, r.varint()
            r.note(start, f"{added} new keys")
            if added:
                news = []
                for i in key_at:
                    start = r.at
                    news.append(self.column(columns[i][2], added, []))
                    check(None not in news[-1], "a key is null")
                    r.note(start, f"{columns[i][0]}: {news[-1]}")
                table.extend(map(list, zip(*news)))
            slots = []
            for batch in run:
                if batch["count"]:
                    slots += self.slots(batch["count"], len(table))
            for n, i in enumerate(key_at):
                cells[i] = [table[slot][n] for slot in slots]
        before = []
        for i, (column, kind, kind_of_cell) in enumerate(columns):
            if i in cells:
                continue
            start = r.at
            cells[i] = self.column(kind_of_cell, rows, before)
            before.append((kind_of_cell, cells[i]))
            r.note(start, f"{column}: {cells[i]}")
        table = list(zip(*[[self.cell(c, *columns[i][1:]) for c in cells[i]] for i in range(len(columns))]))
        for batch in run:
            batch["rows"], table = [list(row) for row in table[:batch["count"]]], table[batch["count"]:]

    def slots(self, count, size):
        r, start = self.read, self.read.at
        form = r.raw(1)[0]
        if form == 0:
            check(count == size, "all keys")
            slots = list(range(size))
        elif form == 1:
            slots = [slot for slot, flag in enumerate(r.bitmap(size)) if flag]
            check(len(slots) == count, "another number of keys")
        else:
            check(form == 2, f"form {form}")
            slots = self.plain_column(count, "slots")
            check(all(0 <= slot < size for slot in slots), "no such key")
        r.note(start, f"keys of the rows: {slots}")
        return slots

    def cell(self, value, kind, kind_of_cell):
        if value is None:
            return None
        if kind_of_cell == "bool":
            check(value in (0, 1), "bool")
            return bool(value)
        if kind_of_cell == "string":
            return self.reference(value)
        if kind_of_cell == "time" and kind != "key":
            return signed(value + self.sent_us)
        if kind_of_cell == "double":
            return struct.unpack(">d", struct.pack("<q", value))[0]
        return value

    def content(self):
        """The frame as its JSON twin spells it; indexes are replaced by what they name, rows are sorted where they have keys."""
        batches = []
        for batch in self.batches:
            source, columns = self.dictionary.schemas[batch["schema"]]
            rows = batch["rows"]
            if any(c[1] == "key" for c in columns):
                rows = sorted(rows, key=repr)
            plain = {k: v for k, v in batch.items() if k not in ("target", "schema", "count", "rows")}
            batches.append({**plain, "target": self.dictionary.targets[batch["target"]], "source": source, "columns": columns, "rows": rows})
        return {"epoch": self.epoch, "sequence": self.sequence, "sent_us": self.sent_us, "batches": batches, "gaps": self.gaps}


def twin_content(text):
    """The JSON twin in the shape of Frame.content()."""
    twin = json.loads(text)

    def number(value):
        return int(value) if isinstance(value, str) else value

    batches = []
    for batch in twin.get("batches", []):
        schema = twin["schemas"][batch["schema"]]
        columns = [(c["name"], c["kind"], c["type"]) for c in schema["columns"]]
        rows = [[number(cell) if columns[i][2] in ("int", "time") else cell for i, cell in enumerate(row)] for row in batch.get("rows", [])]
        if any(c[1] == "key" for c in columns):
            rows = sorted(rows, key=repr)
        target = twin["targets"][batch["target"]]
        batches.append({"outcome": batch.get("outcome", "complete"), "started_us": number(batch["started_us"]), "interval_us": number(batch.get("interval_us", 0)),
                        "duration_us": number(batch.get("duration_us", 0)), "rows_seen": number(batch.get("rows_seen", len(rows))),
                        "database": batch.get("database", ""), "sqlstate": batch.get("sqlstate", ""), "detail": batch.get("detail", ""),
                        "missing": batch.get("missing", []), "source": schema["source"], "columns": columns, "rows": rows,
                        "target": [target["kind"], target["name"], target.get("system_identifier", ""), target.get("version", "")]})
    gaps = [{k: g.get(k, "") if k == "reason" else number(g.get(k, 0)) for k in ("first_sequence", "last_sequence", "from_us", "to_us", "bytes", "reason")}
            for g in twin.get("gaps", [])]
    return {"epoch": number(twin["epoch"]), "sequence": number(twin["sequence"]), "sent_us": number(twin["sent_us"]), "batches": batches, "gaps": gaps}


def from_hex(path):
    return bytes.fromhex("".join(line.split("#")[0] for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", action="store_true", help="every field of the payload with its bytes")
    parser.add_argument("frame", help="a file with a frame, or with its bytes as hex (*.hex)")
    options = parser.parse_args()
    data = from_hex(options.frame) if options.frame.endswith(".hex") else pathlib.Path(options.frame).read_bytes()
    trace = [] if options.bytes else None
    try:
        frame = Frame(data, trace=trace)
    except Refused as error:
        sys.exit(f"refused: {error}")
    for start, end, meaning in trace or []:
        digits = [f"{byte:02x}" for byte in frame.read.data[start:end]]
        for at in range(0, max(len(digits), 1), 12):
            print(f"{' '.join(digits[at:at + 12]):36} " + (f"# {meaning}" if at == 0 else ""))
    if not options.bytes:
        print(json.dumps(frame.content(), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
