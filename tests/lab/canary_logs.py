"""Log events of every class that src/logs/classes.cc knows, with a canary in every place where a value can stand, as a server would write them.

What the server words is taken from the table itself, so that a new class is in the corpus by itself; what the table calls a name is filled with
a name, except where an application raises the message. `places()` are written by hand: values in the place of names.
"""

import itertools
import json
import re

from lab import canaries, machine

TABLE = machine.ROOT / "src/logs/classes.cc"
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
HOLE = re.compile(r"\{([a-z*]+)(?::([a-z_]+))?\}")
VALUES = ("canary", "x\" 'canary' 70717273", "it's\nThere are 70717273 other sessions using the database.\nparallel worker\ncanary")
FILLED = {"int": "7", "kb": "12", "num": "1.5", "ms": "1.5", "s": "1.50", "pct": "5.0", "lsn": "0/16B3748", "hms": "0:00:01.500"}
PREFIXES = ("%m [%p] %q%u@%d/%a %h %e ", "%m [%p] ", "%t:%r:%u@%d:[%p]: ", "<%m|%c|%l|%x|%e|%u|%d|%i> ", "%n %p ")
STATES = {"": "XX000", "08": "08006", "23": "23503", "40": "40001", "58": "58P01"}
RAISED = "PL/pgSQL function pay(text) line 3 at RAISE\nSQL statement \"SELECT pay('canary')\""


def rows_of(name):
    """The strings of each row of one table in classes.cc."""
    text = TABLE.read_text(encoding="utf-8")
    body = text[text.index(f" {name}[] = {{"):]
    body = "\n".join(line for line in body[:body.index("\n};")].split("\n")[1:] if not line.strip().startswith("//"))
    joined = re.sub(r'"\s*\n\s*"', "", body)
    for line in joined.split("},\n") if "{\"" in joined else joined.split(",\n"):
        found = [literal.replace('\\"', '"').replace("\\\\", "\\") for literal in LITERAL.findall(line)]
        if found:
            yield found


def classes(has_sqlstate=True):
    """Some are told by the SQLSTATE alone."""
    return {row[0] for row in rows_of("kSayings")} | ({row[1] for row in rows_of("kStateClasses")} if has_sqlstate else set())


def fill(pattern, value, statement, name="people"):
    def one(hole):
        kind = hole.group(1)
        if kind == "*":
            return value
        return statement if kind == "sql" else name if kind == "id" else FILLED[kind]

    return HOLE.sub(one, pattern)


class Event:
    """What stands in a log of one message. Whatever is not said is empty."""

    def __init__(self, message, sqlstate="00000", severity=None, user="app", database="shop", application="till", command="SELECT", **parts):
        self.message, self.sqlstate = message, sqlstate
        self.severity = severity or ("LOG" if sqlstate == "00000" else "ERROR")
        self.user, self.database, self.application, self.command = user, database, application, command
        self.detail, self.hint, self.query, self.context, self.statement, self.location = (
            parts.pop(part, "") for part in ("detail", "hint", "query", "context", "statement", "location"))
        assert not parts, parts


def corpus():
    """Always the same events in the same order."""
    statements = itertools.cycle([entry["text"] for entry in canaries.corpus() if entry["kind"] in ("string", "number", "word")])
    details = itertools.cycle([row[0] for row in rows_of("kDetailLines")])
    contexts = itertools.cycle([row[0] for row in rows_of("kContextLines")])
    for _class, state, pattern in rows_of("kSayings"):
        sqlstate = STATES.get(state, state)
        for value in VALUES:
            yield Event(fill(pattern, value, next(statements)), sqlstate, statement=next(statements), query=next(statements), location="canary, canary.c:70717273",
                        hint=f"Perhaps {value} was meant.", context="\n".join(fill(next(contexts), value, next(statements)) for _ in range(3)),
                        detail="\n".join(fill(next(details), value, next(statements)) for _ in range(2)))
        # The same in an application's mouth: then a name is a value as well.
        yield Event(fill(pattern, "canary", "canary", "canary").replace(" 7 ", " 70717273 "), sqlstate, context=RAISED, statement="select pay($1)",
                    detail=fill(next(details), "canary", "canary", "canary"))
    for state, _class in rows_of("kStateClasses"):
        yield Event("canary 70717273 in words that nobody knows: \"canary\"", (state + "000")[:5], detail="canary: 70717273", context="canary",
                    statement=next(statements), query="canary", hint="canary")
    for entry in canaries.corpus():
        if entry["kind"] == "log":
            yield from told(entry["text"])
    yield from places()


def told(text):
    """A line of stderr as an event; its SQLSTATE is mostly one that says nothing."""
    parts = re.split(r"\n(?=DETAIL|CONTEXT|STATEMENT)", text)
    severity, message = parts[0].split(":  ", 1)
    more = {label.lower(): words for label, words in (part.split(":  ", 1) for part in parts[1:])}
    state = "42601" if message.startswith("syntax error") else "00000" if severity in ("LOG", "NOTICE") else "XX000"
    yield Event(message, state, severity, **more)


def places():
    """Values where a name is expected, and what a client says before anybody has checked it."""
    for name, statement in (("canary", "select 'canary'::regclass"), ("canary", "select nextval('canary')"), ("shop.canary", "select 'shop.canary'::regclass")):
        yield Event(f'relation "{name}" does not exist', "42P01", statement=statement)
        yield Event(f'relation "{name}" does not exist', "42P01")
    for file in ("canary", "/srv/canary/70717273.so"):
        yield Event(f'could not access file "{file}": No such file or directory', "58P01", statement=f"load '{file}'")
        yield Event(f'could not load library "{file}": {file}: invalid ELF header', "XX000", statement=f"load '{file}'")
        yield Event(f'could not open file "{file}" for reading: No such file or directory', "58P01", statement=f"copy people from '{file}'",
                    hint="COPY FROM instructs the PostgreSQL server process to read a file.")
    yield Event('tablespace "canary" does not exist', "42704", statement="select pg_tablespace_size('canary')")
    yield Event('prepared statement "canary" does not exist', "26000", statement="execute canary")
    yield Event('replication slot "canary" does not exist', "42704", statement="select pg_drop_replication_slot('canary')")
    yield Event('timestamp out of range: "canary"', "22008", statement="select 'canary'::timestamp")
    yield Event("canary 70717273 out of range", "22003")
    yield Event('duration: 3.2 ms  execute canary/canary: select 1', detail="Parameters: $1 = 'canary\nThere are 70717273 other sessions using the database.'")
    for line in ('COPY people, line 3, column name: "canary"', 'COPY people, line 3: "canary\nparallel worker\nwhile scanning block 70717273 of relation "canary""',
                 'COPY people, line 70717273x: "canary', "JSON data, line 1: {\"card\": canary...\nCOPY people, line 1, column data: \"{\"card\": canary\"",
                 "unnamed portal with parameters: $1 = 'canary', $2 = '70717273'", "PL/pgSQL assignment \"a := 'canary' || 70717273\"",
                 "SQL function \"pay\" statement 1\nunnamed portal parameter $1 = 'canary\n…'"):
        yield Event('invalid input syntax for type integer: "canary"', "22P02", context=line, statement="copy people from stdin")
    yield Event("Syntaxfehler bei »canary«", "42601", statement="SELECT * FORM canary")
    yield Event("neuer Wert »canary« verletzt eine Bedingung", "23514", detail="Fehlgeschlagene Zeile enthält (canary, 70717273).",
                context="PL/pgSQL-Funktion pay(text) Zeile 3 bei RAISE")
    for user in ("canary", "my canary 70717273", "p@ss/canary", "p:canary@70717273"):
        yield from typed(user)


def typed(user):
    """A password in the place of a user: nothing of it, in whatever the server says of the attempt."""
    def login(message, sqlstate, detail="", severity="FATAL", database="shop"):
        return Event(message, sqlstate, severity, user=user, database=database, application="[unknown]", command="authentication", detail=detail)

    yield login(f'password authentication failed for user "{user}"', "28P01", f'Role "{user}" does not exist.\nConnection matched file "/etc/pg_hba.conf" line 3: "host all all canary md5"')
    yield login(f'password authentication failed for user "{user}"', "28P01")
    yield login(f'role "{user}" does not exist', "28000")
    yield login(f'LDAP authentication failed for user "{user}"', "28000")
    yield login(f'no pg_hba.conf entry for host "10.0.0.1", user "{user}", database "canary", no encryption', "28000", database="canary")
    yield login(f'pg_hba.conf rejects connection for host "10.0.0.1", user "{user}", database "canary", no encryption', "28000", database="canary")
    yield login("canceling authentication due to timeout", "57014")
    yield login("sorry, too many clients already", "53300")
    yield login("the database system is starting up", "57P03")
    yield login("could not receive data from client: Connection reset by peer", "08006", severity="LOG")
    yield login(f"provided user name ({user}) and authenticated user name (x) do not match", "00000", severity="LOG")
    yield login(f"could not search LDAP for filter \"uid={user}\"", "00000", severity="LOG")
    yield login(f'connection authorized: user={user} database=shop application_name=till SSL enabled (protocol=TLSv1.3, cipher=x, bits=256)', "00000", severity="LOG")
    yield login(f'connection authenticated: identity="{user}" method=md5 (/etc/pg_hba.conf:3)', "00000", severity="LOG")


TIME, ZONE = "2026-11-28 10:00:00", "UTC"


def csvlog(event, number):
    """As PostgreSQL 14 and later write it."""
    cells = [f"{TIME}.123 {ZONE}", event.user, event.database, str(1000 + number), "10.0.0.1:5000", "6748a.3e8", "1", event.command, f"{TIME} {ZONE}", "3/7", "0",
             event.severity, event.sqlstate, event.message, event.detail, event.hint, event.query, "", event.context, event.statement, "1", event.location,
             event.application, "client backend", "", "0"]
    quoted = ['"' + cell.replace('"', '""') + '"' if cell and not cell.isdigit() else cell for cell in cells]
    return ",".join(quoted) + "\n"


def jsonlog(event, number):
    entry = {"timestamp": f"{TIME}.123 {ZONE}", "user": event.user, "dbname": event.database, "pid": 1000 + number, "remote_host": "10.0.0.1", "remote_port": 5000,
             "session_id": "6748a.3e8", "line_num": 1, "ps": event.command, "session_start": f"{TIME} {ZONE}", "vxid": "3/7", "txid": 0,
             "error_severity": event.severity, "state_code": event.sqlstate, "message": event.message, "detail": event.detail, "hint": event.hint,
             "internal_query": event.query, "context": event.context, "statement": event.statement, "func_name": event.location,
             "application_name": event.application, "backend_type": "client backend", "query_id": 0}
    return json.dumps({key: value for key, value in entry.items() if value != ""}, ensure_ascii=False, separators=(",", ":")) + "\n"


def stderr(event, number, prefix):
    said = {"m": f"{TIME}.123 {ZONE}", "t": f"{TIME} {ZONE}", "n": "1795860000.123", "p": str(1000 + number), "u": event.user, "d": event.database,
            "a": event.application, "h": "10.0.0.1", "r": "10.0.0.1(5000)", "e": event.sqlstate, "c": "6748a.3e8", "l": "1", "x": "0", "i": event.command, "q": ""}
    head = re.sub("%([a-z])", lambda escape: said[escape.group(1)], prefix)
    parts = ((event.severity, event.message), ("DETAIL", event.detail), ("HINT", event.hint), ("QUERY", event.query), ("CONTEXT", event.context),
             ("LOCATION", event.location), ("STATEMENT", event.statement))
    return "".join(f"{head}{label}:  {text}\n".replace("\n", "\n\t")[:-1] for label, text in parts if text)


def formats():
    """name: (settings of `logs`, function of event and number)"""
    found = {"csv": ({"format": "csvlog"}, csvlog), "json": ({"format": "jsonlog"}, jsonlog)}
    for at, prefix in enumerate(PREFIXES):
        found[f"stderr{at}"] = ({"format": "stderr", "prefix": prefix}, lambda event, number, prefix=prefix: stderr(event, number, prefix))
    return found


if __name__ == "__main__":
    for count, each in enumerate(corpus()):
        print(stderr(each, count, PREFIXES[0]), end="")
