"""Every built-in declaration is read by the real collector from real servers of all versions: as pg_monitor, as superuser and on a standby.
Its names, types and nulls are those of the declaration; what a version lacks is what tests/recorded says, and is made anew with

  PYTHONPATH=tests python3 -m lab.recorded [VERSION ...]
"""

import json
import unittest

from lab import life, recorded

# Rows that are there or not by chance: reads under way, statements whose text is not known yet,
# which of twelve slices of the tables is looked at.
BY_CHANCE = {"postgres.aio", "postgres.statement_texts", "postgres.statement_jit", "postgres.relation_sizes"}
ESTIMATED, CHANGE = ("estimated", "gauge", "bool"), ("change", "gauge", "string")  # the columns that counters and objects bring with them


def wire_type(column):
    """What a declared column is on the wire."""
    kind = column.get("type", {"text": "text", "time": "time"}.get(column["kind"], "int"))
    if kind == "float":
        return "double" if column.get("source_unit", column.get("unit")) == column.get("unit") else "int"
    return {"interval": "int", "lsn": "int", "text": "string"}.get(kind, kind)


def is_cell(type_, cell):
    """Whether a cell of the JSON twin is of that type; whole numbers beyond 2^53 are spelled as texts."""
    if type_ in ("int", "time"):
        return (isinstance(cell, int) and not isinstance(cell, bool)) or (isinstance(cell, str) and cell.lstrip("-").isdigit())
    return isinstance(cell, {"bool": bool, "string": str, "double": (int, float)}[type_])


def wrong_columns(reading, declared):
    """How the schema that travels differs from the declaration, if it does."""
    wanted = [(name, column["kind"], wire_type(column)) for name, column in declared["columns"].items()]
    if any(column["kind"] == "counter" for column in declared["columns"].values()):
        wanted.append(ESTIMATED)
    if declared.get("shape") == "objects":
        wanted.append(CHANGE)
    found = [(column["name"], column["kind"], column["type"]) for column in reading.columns]
    return [f"columns are {sorted(set(found) - set(wanted))} instead of {sorted(set(wanted) - set(found))}"] if found != wanted else []


def wrong_cell(name, type_, cell, missing, column):
    """What is wrong with a cell: its type, a null that may not be, a counter that went down. Nothing if it is good."""
    if cell is None:
        # A counter has no increment before its second reading.
        fine = missing or column.get("nullable", column["kind"] != "key")
        return None if fine else f"{name} is null"
    if missing:
        return f"{name} is called missing and is {cell!r}"
    if not is_cell(type_, cell):
        return f"{name} is {cell!r}, which is no {type_}"
    return f"{name} went down by {cell}" if column["kind"] == "counter" and int(cell) < 0 else None


def wrong_reading(reading, declared):
    """Everything that is wrong with a reading, without repeating itself."""
    wrong = wrong_columns(reading, declared)
    expected = ("complete", "absent", "privilege", *(["lock"] if "locked" in declared else []))  # a table is being rewritten
    if reading.outcome not in expected or (reading.outcome == "complete" and reading.detail):
        wrong.append(f"is {reading.outcome}: {reading.detail}")
    types = {column["name"]: column["type"] for column in reading.columns}
    for row in reading.rows:
        for name, cell in row.items():
            wrong.append(wrong_cell(name, types[name], cell, name in reading.missing, declared["columns"].get(name, {"kind": "gauge"})))
    return sorted({f"{reading.source} ({reading.target}): {what}" for what in wrong if what})


def differs_from_recorded(source, now, before, names):
    """How a source differs from what was recorded of it."""
    if before is None:
        return [f"{source} is not in tests/recorded: make it anew"]
    parts = ["outcome", "missing"] + ([] if source in BY_CHANCE else ["seen"])
    wrong = [f"{source}: {part} is {now[part]} and was recorded as {before[part]}" for part in parts if now[part] != before[part]]
    if any(list(row) != names for row in before["rows"]):
        wrong.append(f"{source} has other columns than in tests/recorded: make it anew")
    return wrong


class Catalog(unittest.TestCase):
    def check_version(self, version):
        if recorded.unavailable(version):
            self.skipTest(f"not installed: {recorded.unavailable(version)}")
        declarations = recorded.declarations()
        with open(recorded.path(version), encoding="utf-8") as file:
            before = json.load(file)
        readings, text = recorded.read(version)
        now = recorded.summary(readings)
        names = {reading.source: [column["name"] for column in reading.columns] for reading in readings}

        self.assertEqual(sorted(now), sorted(declarations), "every declaration is read, and nothing else")
        wrong = [f"{source} is in tests/recorded and declared no more: make it anew" for source in before if source not in declarations]
        for reading in readings:
            wrong += wrong_reading(reading, declarations[reading.source])
        for source, entry in now.items():
            wrong += differs_from_recorded(source, entry, before.get(source), names[source])
        self.assertFalse(wrong, "\n" + "\n".join(wrong))
        for secret in (life.CANARY, str(life.PIN)):
            self.assertNotIn(secret, text)


def add(version):
    """A test of its own for each version, so that its line says which one failed."""
    def test(self):
        self.check_version(version)
    setattr(Catalog, f"test_every_declaration_reads_postgresql_{version.replace('-', '_')}_as_recorded", test)


for each in recorded.VERSIONS:
    add(each)
