"""Compares the store with what the oracle was told: every acknowledged row is there once, with the cells that were sent.

Both sides are brought to the same plain types, and the engine finds the rows whose number differs; judging those few is Python's, in pure
functions. Rows that the oracle was not told of are no errors as long as their frame's header announces them: the server acknowledged a
frame, and its collector died before it could say so.
"""

import contextlib
import dataclasses
import sqlite3

from lab import acknowledged, machine, oracle, store
from lab.acknowledged import GAPS, HEADERS

EXPECTED = "expected"      # database of our tables in the engine
STORE = "pganalytics"
REFUSED = "startsWith(detail, 'the reading''s time, ')"   # src/ingest/record.cc
SAMPLES = 5                # differences shown of each table


@dataclasses.dataclass
class Found:
    lost: int = 0
    duplicated: int = 0
    altered: int = 0
    samples: list = dataclasses.field(default_factory=list)

    def add(self, what, count, difference):
        if count > 0:
            setattr(self, what, getattr(self, what) + count)
            if len(self.samples) < SAMPLES:
                self.samples.append((what, count, difference))

    def clean(self):
        return self.lost == self.duplicated == self.altered == 0


def judge(differences, untold):
    """differences: (place, key, row, expected, stored), where the numbers differ; place and row are anything that compares equal.
    untold: {place: rows announced by headers of frames that the oracle was not told of}."""
    found, missing, strange, room = Found(), {}, {}, dict(untold)
    for difference in differences:
        place, key, _, expected, stored = difference
        if stored < expected:
            missing.setdefault(key, []).append(difference)
        elif expected:
            found.add("duplicated", stored - expected, difference)
        else:
            excused = min(stored, room.get(place, 0))
            room[place] = room.get(place, 0) - excused
            if stored > excused:
                strange.setdefault(key, []).append((*difference[:4], stored - excused))
    for key, rows in missing.items():
        others = sum(d[4] for d in strange.get(key, []))
        for difference in rows:
            count = difference[3] - difference[4]
            altered = min(count, others)
            others -= altered
            found.add("altered", altered, difference)
            found.add("lost", count - altered, difference)
        for difference in strange.pop(key, []):   # beyond those that stand for a missing one
            count = min(difference[4], others)
            others -= count
            found.add("altered", count, difference)
    for rows in strange.values():                 # what nobody sent
        for difference in rows:
            found.add("altered", difference[4], difference)
    return found


def judge_texts(rows, untold):
    """Of a table that keeps the newest row of a key: as sets. rows: (place, key, row, expected, stored); place is (server, ts)."""
    found, newest = Found(), {}
    known = {(place, key) for place, key, _, expected, _ in rows if expected}
    for row in rows:
        place, key, _, expected, stored = row
        if expected and place > newest.get(key, (None, (0, 0)))[1]:
            newest[key] = (row, place)
        elif not expected and stored and (place, key) in known:
            found.add("altered", 1, row)
        elif not expected and stored and place not in untold:
            found.add("altered", 1, row)
    kept = {}
    for place, key, _, _, stored in rows:
        if stored:
            kept[key] = max(place, kept.get(key, (0, 0)))
    for key, (row, place) in newest.items():
        if kept.get(key, (0, 0)) < place:
            found.add("lost", 1, row)
    return found


class Verdict:
    """load() brings what must be there into the engine, compare() what is wrong with it."""

    def __init__(self, engine, oracle_directory, directory_file):
        self.engine = engine
        self.frames = oracle.remembered(oracle_directory)
        self.directory_file = directory_file
        self.acked_rows = self.refused_rows = 0
        self.keys = {}
        names = store.tables(engine)
        rows = engine.query(f"SELECT table, name, type FROM system.columns WHERE database = '{STORE}' ORDER BY table, position")
        self.tables = {}
        for row in rows:
            if row["table"] in names and row["name"] not in acknowledged.NOT_SENT.get(row["table"], acknowledged.NOT_SENT_IN_ROWS):
                self.tables.setdefault(row["table"], []).append((row["name"], row["type"]))
        self.texts = store.text_tables(engine)

    def load(self):
        engine = self.engine
        engine.execute(f"DROP DATABASE IF EXISTS {EXPECTED}")
        engine.execute(f"CREATE DATABASE {EXPECTED}")
        for table, columns in self.tables.items():
            spelled = ", ".join(f"`{c.name}` {c.type}" for c in (acknowledged.Column(*c) for c in columns))
            engine.execute(f"CREATE TABLE {EXPECTED}.{table} ({spelled}) ENGINE = MergeTree ORDER BY tuple()")
        refused = {(r["epoch"], r["sequence"], r["server"], r["source"], r["database"]) for r in engine.query(
            f"SELECT epoch, sequence, server, source, database FROM {STORE}.batches WHERE {REFUSED} OR rows_refused > 0")}
        frames = [sorted(contents)[0] for _, contents in sorted(self.frames.items())]
        for rows, refused_rows, keys, data in acknowledged.made(frames, self.tables, acknowledged.Directory(self.directory_file), refused):
            self.acked_rows += rows
            self.refused_rows += refused_rows
            self.keys.update(keys)
            for table, packed in data.items():
                engine.insert(f"{EXPECTED}.{table}", packed)
        return self

    def repetitions(self):
        """Frames that the server recognised as sent before, as far as it noted that before it was killed: the faults did what they should."""
        with contextlib.closing(sqlite3.connect(f"file:{self.directory_file}?mode=ro", uri=True)) as database:
            return database.execute("SELECT sum(duplicates) FROM collectors").fetchone()[0]

    def wait_stored(self, seconds=60):
        """Until the server has flushed every acknowledged frame; what is missing after that is for compare() to say."""
        missing = (f"SELECT uniqExact(epoch, sequence) AS n FROM {EXPECTED}.batches "
                   f"WHERE (epoch, sequence) NOT IN (SELECT epoch, sequence FROM {STORE}.batches)")
        try:
            machine.wait_until("the store has every acknowledged frame", lambda: self.engine.value(missing) == 0, seconds, pause=0.5)
        except machine.LabError:
            return False
        return True

    def compare(self, database=STORE):
        """{table: Found} of every table. `database`: where the rows are."""
        found = {table: self.compare_table(table, database) for table in self.tables}
        conflicts = sum(len(contents) - 1 for contents in self.frames.values())   # one name, two contents
        if conflicts:
            found[HEADERS].add("altered", conflicts, ("frames told twice with different bytes", conflicts))
        return found

    def compare_table(self, table, database=STORE):
        columns = [acknowledged.Column(*c) for c in self.tables[table]]
        place_names = acknowledged.PLACES.get(table, acknowledged.PLACE_OF_ROWS)
        key_names = acknowledged.KEYS.get(table) or self.keys.get(table, [])

        def side(source, plain, expected):
            spelled = {c.name: f"`{c.name}`" if plain else c.expression for c in columns}
            place = ", ".join(spelled[name] for name in place_names)
            key = ", ".join(spelled[name] for name in (*place_names, *key_names)) if table not in self.texts else \
                ", ".join(spelled[name] for name in ("server", *key_names))
            row = ", ".join(spelled[c.name] for c in columns)
            where = f" WHERE NOT {REFUSED}" if table == HEADERS and not plain else ""
            return (f"SELECT ({place}) AS place, hex(sipHash128(toString(tuple({key})))) AS k, hex(sipHash128(toString(tuple({row})))) AS r, "
                    f"{int(expected)} AS e, {int(not expected)} AS s FROM {source}.{table}{where}")

        having = "" if table in self.texts else " HAVING expected != stored"
        rows = self.engine.query(
            f"SELECT place, k, r, sum(e) AS expected, sum(s) AS stored FROM ({side(EXPECTED, True, True)} UNION ALL {side(database, False, False)}) "
            f"GROUP BY place, k, r{having} {store.SPILL}")
        differences = [(tuple(row["place"].values() if isinstance(row["place"], dict) else row["place"]), row["k"], row["r"],
                        row["expected"], row["stored"]) for row in rows]
        return (judge_texts if table in self.texts else judge)(differences, self.untold(table))

    def untold(self, table):
        """{place: rows} of stored frames that the oracle was not told of."""
        not_told = f"(epoch, sequence) NOT IN (SELECT epoch, sequence FROM {EXPECTED}.batches)"
        if table == HEADERS:
            rows = self.engine.query(f"SELECT epoch AS a, sequence AS b, count() AS n FROM {STORE}.batches WHERE {not_told} GROUP BY a, b")
            return {(row["a"], row["b"]): row["n"] for row in rows}
        if table == GAPS:   # a gap has no header; a stream's frame that nobody was told of may have brought it
            rows = self.engine.query(f"SELECT DISTINCT epoch AS a FROM {STORE}.batches WHERE {not_told}")
            epochs = ", ".join(str(row["a"]) for row in rows)
            if not epochs:
                return {}
            rows = self.engine.query(f"SELECT epoch AS a, last_sequence AS b, count() AS n FROM {STORE}.gaps WHERE epoch IN ({epochs}) GROUP BY a, b")
            return {(row["a"], row["b"]): row["n"] for row in rows}
        rows = self.engine.query(f"SELECT server AS a, toUnixTimestamp64Milli(ts) AS b, sum(rows) AS n FROM {STORE}.batches "
                                 f"WHERE replaceAll(source, '.', '_') = '{table}' AND rows > 0 AND {not_told} GROUP BY a, b")
        return {(row["a"], row["b"]): row["n"] for row in rows}

    def show(self, table, difference, database=STORE):
        """The row of a difference as text, from whichever side has it."""
        if len(difference) < 5:
            return str(difference)
        columns = [acknowledged.Column(*c) for c in self.tables[table]]
        for source, plain in ((EXPECTED, True), (database, False)):
            row = f"toString(tuple({', '.join(f'`{c.name}`' if plain else c.expression for c in columns)}))"
            text = self.engine.value(f"SELECT {row} AS t FROM {source}.{table} WHERE hex(sipHash128({row})) = '{difference[2]}' LIMIT 1")
            if text:
                return f"{table} {text} expected {difference[3]} times, stored {difference[4]} times"
        return f"{table} {difference}"


PLANTED = "planted"        # database of copies with errors in them
# (table, number or text that is altered): what must be found as (lost, duplicated, altered) when a row is lost, doubled, altered.
CLEAN, PROVED = (0, 0, 0), {"nothing": (0, 0, 0), "lost": (1, 0, 0), "duplicated": (0, 1, 0), "altered": (0, 0, 1)}
PROOFS = {("postgres_tables", "n_live_tup"): PROVED, ("batches", "rows_seen"): PROVED,
          ("postgres_statement_texts", "fingerprint"): {**PROVED, "duplicated": CLEAN}}   # a text twice is a text


def prove(verdict):
    """Plants an error of each kind into copies of tables. Returns what is not found as it should be; nothing is right."""
    engine, wrong = verdict.engine, []
    for (table, column), expected in PROOFS.items():
        final = " FINAL" if table in verdict.texts else ""
        told = f"(server, toUnixTimestamp64Milli(ts)) IN (SELECT server, ts FROM {EXPECTED}.{table})"
        rows = f"SELECT *, rowNumberInAllBlocks() AS n FROM {STORE}.{table}{final} WHERE {told}"
        for what, should in expected.items():
            engine.execute(f"DROP DATABASE IF EXISTS {PLANTED}")
            engine.execute(f"CREATE DATABASE {PLANTED}")
            engine.execute(f"CREATE TABLE {PLANTED}.{table} AS {STORE}.{table} ENGINE = Memory")
            change = f" REPLACE STRICT (if(n = 2, ifNull(`{column}`, 0) + 1, `{column}`) AS `{column}`)" if what == "altered" else ""
            where = " WHERE n != 2" if what == "lost" else ""
            engine.execute(f"INSERT INTO {PLANTED}.{table} SELECT * EXCEPT (n){change} FROM ({rows}){where} SETTINGS max_threads = 1")
            if what == "duplicated":
                engine.execute(f"INSERT INTO {PLANTED}.{table} SELECT * FROM {PLANTED}.{table} LIMIT 1")
            found = verdict.compare_table(table, PLANTED)
            got = (found.lost, found.duplicated, found.altered)
            if got != should:
                wrong.append(f"{table}, {what}: found {got}, planted {should}")
    engine.execute(f"DROP DATABASE {PLANTED}")
    return wrong
