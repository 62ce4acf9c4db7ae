"""What every declaration read from every version of PostgreSQL, kept in tests/recorded. tests/system/test_catalog.py compares.

  PYTHONPATH=tests python3 -m lab.recorded           makes all files anew
  PYTHONPATH=tests python3 -m lab.recorded 17 18     these versions; 15-debian is Debian's server with extensions of third parties

Look at the difference before you commit it: a column that is missing now and was not is what the test is for.
"""

import json
import pathlib
import sys
import tempfile

import yaml

from lab import life, machine, postgres, programs

VERSIONS = ("12", "13", "14", "15", "15-debian", "16", "17", "18")
FOLDER = machine.ROOT / "tests/recorded"
ROWS = 1   # of a source and target in a file
TEXT = 80  # characters of a text in a file
TARGETS = ("monitor", "superuser", "standby")


def declarations():
    """The built-in sources that are SQL, by name."""
    parsed = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted((machine.ROOT / "catalog/postgres").glob("*.yaml")))
    return {source["name"]: source for source in parsed if source["scope"] in ("instance", "database") and "reader" not in source}


def frames(alive, directory):
    """What the collector reads, as pg_monitor, as superuser, and as pg_monitor on the standby: one frame, or several where there is much."""
    monitor = programs.target(alive.primary, "monitor", directory, databases=["life"])
    superuser = {**programs.target(alive.primary, "superuser", directory, databases=["life"]), "user": "postgres"}
    standby = programs.target(alive.replica, "standby", directory, databases=["life"])
    config = directory / "collector.yaml"
    programs.write_yaml(config, {
        "server": {"url": "https://127.0.0.1:1", "token_file": monitor["password_file"]}, "name": "recorder",
        "state_dir": str(directory / "state"), "host": False,
        "targets": [{**target, "dbname": "life"} for target in (monitor, superuser, standby)]})
    text = programs.run("pganalytics-collector", "--config", config, "--once", "--stdout").stdout.strip()
    found, decoder = [], json.JSONDecoder()
    while text:
        frame, end = decoder.raw_decode(text)
        found.append(frame)
        text = text[end:].lstrip()
    return found


class Reading:
    """A source as one target answered it: outcome, missing columns, rows as dictionaries."""

    def __init__(self, frame, batch):
        self.target = frame["targets"][batch["target"]]["name"]
        schema = frame["schemas"][batch["schema"]]
        self.source = schema["source"]
        self.columns = schema["columns"]
        self.outcome = batch["outcome"]
        self.detail = batch.get("detail", "")
        self.missing = sorted(batch.get("missing", []))
        self.rows_seen = batch["rows_seen"]
        names = [column["name"] for column in self.columns]
        self.rows = [dict(zip(names, row)) for row in batch.get("rows", [])]


def unavailable(version):
    """What is not installed for that version, or nothing."""
    if version == "15-debian":
        return None if life.has_extensions() else "Debian's postgresql-15-pg-stat-kcache, -pg-qualstats and -pg-wait-sampling"
    return None if postgres.available(int(version)) else f"PostgreSQL {version}: ./run setup --postgres {version}"


def read(version):
    """Brings a server of that version to life and reads everything once: the readings and the text that came out."""
    alive = life.Life(int(version[:2]), extensions=version == "15-debian")
    try:
        with tempfile.TemporaryDirectory(prefix="pga-recorded-") as directory:
            found = frames(alive.start(), pathlib.Path(directory))
    finally:
        alive.close()
    readings = [Reading(frame, batch) for frame in found for batch in frame["batches"]]
    declared = declarations()
    return [reading for reading in readings if reading.target in TARGETS and reading.source in declared], json.dumps(found, ensure_ascii=False)


def summary(readings):
    """What is kept of the readings: by source the outcomes, what is missing, whether rows were seen, and a few of them."""
    kept = {}
    for reading in readings:
        entry = kept.setdefault(reading.source, {"outcome": {}, "missing": [], "seen": [], "rows": []})
        # A table that is being rewritten is left out, of some sources by chance: the rest was read.
        entry["outcome"][reading.target] = "complete" if reading.outcome == "lock" else reading.outcome
        if reading.outcome in ("complete", "lock"):
            entry["missing"] = reading.missing
            if reading.rows_seen:
                entry["seen"].append(reading.target)
        known = reading.target == "superuser" and entry["rows"]  # the same as the monitor's
        for row in () if known else reading.rows[:ROWS]:
            entry["rows"].append({key: cell[:TEXT] if isinstance(cell, str) else cell for key, cell in row.items()})
    return kept


def path(version):
    return FOLDER / f"postgres-{version}.json"


def write(version, kept):
    """One line per source and row, so that a difference can be read."""
    lines = []
    for source, entry in sorted(kept.items()):
        head = json.dumps({key: entry[key] for key in ("outcome", "missing", "seen")}, ensure_ascii=False)
        rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in entry["rows"])
        lines.append(f'"{source}": {head[:-1]}, "rows": [' + (f"\n  {rows}" if rows else "") + "]}")
    FOLDER.mkdir(exist_ok=True)
    path(version).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main():
    for version in sys.argv[1:] or VERSIONS:
        if unavailable(version):
            sys.exit(f"not installed: {unavailable(version)}")
        readings, _text = read(version)
        write(version, summary(readings))
        print(f"[recorded] {path(version)}: {len(readings)} readings", flush=True)


if __name__ == "__main__":
    main()
