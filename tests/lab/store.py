"""What is in the store, asked of the engine itself: per source, per collector, and whether anything is there twice."""

OUTCOMES = ("complete", "lock", "timeout", "privilege", "absent", "limit", "error", "unreachable")  # numbers in column batches.outcome
NO_SOURCE = ("batches", "gaps")
SPILL = "SETTINGS max_bytes_before_external_group_by = 100000000"  # bytes; millions of groups in an engine with 1 GiB
# Names one batch header; a reading that was refused for its time has that in its detail only.
READING = ("collector", "epoch", "sequence", "server", "source", "database", "ts", "detail")


def tables(engine):
    """{table: [columns]} of the rows as they were pushed, without roll-ups."""
    rows = engine.query("SELECT table, groupArray(name) AS columns FROM system.columns WHERE database = 'pganalytics' GROUP BY table")
    return {row["table"]: row["columns"] for row in rows if not row["table"].endswith(("_5m", "_1h"))}


def text_tables(engine):
    """Tables that keep one row per key: what was sent again replaces what was there."""
    return {row["name"] for row in engine.query("SELECT name FROM system.tables WHERE database = 'pganalytics' AND engine LIKE '%Replacing%'")}


def rows_stored(engine, without=()):
    """Rows of all sources together; the batch headers are not rows of a source."""
    names = [name for name in tables(engine) if name not in NO_SOURCE and name not in without]
    if not names:
        return 0
    return engine.value("SELECT sum(n) AS n FROM (" + " UNION ALL ".join(f"SELECT count() AS n FROM pganalytics.{name}" for name in names) + ")")


def rows_announced(engine, without=()):
    """Rows that the stored batch headers announce."""
    sources = ", ".join(f"'{name}'" for name in without) or "''"
    return engine.value(f"SELECT sum(rows) AS n FROM pganalytics.batches WHERE replaceAll(source, '.', '_') NOT IN ({sources})")


def rows_kept(engine):
    """Rows in the store, where a text that replaced the same text counts as often as it was sent."""
    texts = text_tables(engine)
    return rows_stored(engine, texts) + rows_announced(engine) - rows_announced(engine, texts)


def rows_refused(engine):
    """Rows that were acknowledged but that the store could not take: there must be none."""
    return engine.value("SELECT sum(rows_refused) AS n FROM pganalytics.batches")


def batches(engine):
    """Per collector and source: how many readings, how many complete, rows, and every outcome with its detail."""
    rows = engine.query("SELECT collector, source, count() AS batches, countIf(outcome = 0) AS complete, sum(rows) AS rows, "
                        "groupUniqArray(10)((outcome, detail)) AS outcomes FROM pganalytics.batches GROUP BY collector, source ORDER BY collector, source")
    for row in rows:
        row["outcomes"] = [(OUTCOMES[number], detail) for number, detail in row["outcomes"]]
    return rows


def doubled(engine):
    """{table: rows that are there once too often}. The segment that brought a row, and when, is left aside. Empty is right.

    A table of texts is counted as merged: after a crash its rows are inserted again without comparing (docs/delivery.md), and
    the engine keeps the last row per key.
    """
    found = {}
    texts = text_tables(engine)
    for name, columns in tables(engine).items():
        key = READING if name == "batches" else [c for c in columns if c != "segment"]
        same = ", ".join(f"`{column}`" for column in key)
        rows = f"pganalytics.{name}" + (" FINAL" if name in texts else "")
        count = engine.value(f"SELECT sum(lab_n - 1) AS lab_n FROM (SELECT count() AS lab_n FROM {rows} GROUP BY {same} HAVING lab_n > 1) {SPILL}")
        if count:
            found[name] = count
    return found
