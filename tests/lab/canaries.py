"""Statements and log lines with a secret in every place where a person or a program puts one.

Nothing of what is called a canary here may leave a host: the word, in any case, and the number, in any base that shows its digits.
`python3 -m lab.canaries` prints the corpus that src/sql/testdata/canaries.jsonl is; tests/system/test_canaries.py runs it on real servers.
"""

import json

WORD = "canary"
NUMBER = "70717273"
HEX = WORD.encode().hex()
FORMS = ("canary", NUMBER, HEX)   # what is looked for; underscores are taken out before

STRINGS = (
    "'canary'", "'it''s canary'", r"E'it\'s canary\n'", "$$canary$$", "$a1$canary $$ $a1$", r"U&'canary\0041'", "N'canary'",
    "'first'\n'canary'", "'{\"card\": \"canary\"}'", "'canary' /* 'canary' card=70717273 */", r"'C:\canary\'", "'canary'::varchar(20)",
    "E'\\\\' || 'canary'", "'ünï canary ✓'",
)
NUMBERS = ("70717273", "-70717273", "70717273.5", ".70717273", "70717273e-3", "7_0717_273", "0x70717273", "+70717273")

# {s} a string constant, {n} a number, {w} a bare word that is a value.
WITH_STRING = (
    "SELECT * FROM people WHERE name = {s}",
    "select id from people where name in ({s}, 'other', $1)",
    "SELECT * FROM people WHERE name = ANY (ARRAY[{s}, 'x'])",
    "INSERT INTO people (name, note) VALUES ({s}, NULL), ('b', {s})",
    "UPDATE people SET name = {s}, note = upper({s}) WHERE id = $1",
    "DELETE FROM people WHERE name LIKE {s} ESCAPE '!'",
    "WITH q AS (SELECT {s} AS name) SELECT * FROM q JOIN people USING (name)",
    "MERGE INTO people p USING (SELECT {s} AS name) s ON p.name = s.name WHEN MATCHED THEN UPDATE SET note = {s} WHEN NOT MATCHED THEN DO NOTHING",
    "SELECT data -> {s} ->> 'x', data #>> '{{a,canary}}' FROM documents WHERE data @> '{{\"iban\": \"canary\"}}'",
    "SELECT data['canary'], jsonb_path_query(data, '$.a ? (@.b == \"canary\")') FROM documents WHERE data ? {s}",
    "SELECT * FROM dblink('host=h password=canary', {s}) AS t(a int)",
    "SELECT set_config('app.token', {s}, false)",
    "ALTER ROLE worker PASSWORD {s}",
    "CREATE ROLE worker LOGIN ENCRYPTED PASSWORD {s} VALID UNTIL '2030-01-01'",
    "CREATE USER worker WITH PASSWORD {s}; SELECT {s}",
    "ALTER USER MAPPING FOR worker SERVER remote OPTIONS (SET user {s}, SET password 'canary')",
    "CREATE USER MAPPING FOR CURRENT_USER SERVER remote OPTIONS (user 'u', password {s})",
    "CREATE SERVER remote FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host {s}, port '70717273')",
    "CREATE SUBSCRIPTION sub CONNECTION {s} PUBLICATION pub WITH (connect = false)",
    "ALTER SUBSCRIPTION sub CONNECTION {s}",
    "COPY people FROM PROGRAM {s} WITH (FORMAT csv, DELIMITER ';', NULL 'canary')",
    "COPY (SELECT * FROM people WHERE name = {s}) TO '/nowhere/canary.csv'",
    "ALTER SYSTEM SET primary_conninfo = {s}",
    "ALTER SYSTEM SET archive_command TO {s}",
    "SET app.current_user TO {s}",
    "SET LOCAL app.tenant = {s}",
    "ALTER DATABASE shop SET app.secret = {s}",
    "ALTER ROLE worker IN DATABASE shop SET app.secret TO {s}",
    "SET TIME ZONE {s}",
    "DO LANGUAGE plpgsql {s}",
    "CREATE OR REPLACE FUNCTION f(a text DEFAULT {s}) RETURNS text LANGUAGE sql AS $f$ SELECT 'canary' $f$",
    "CREATE FUNCTION g() RETURNS text LANGUAGE sql SET app.secret = {s} AS 'SELECT 1'",
    "CREATE FUNCTION h() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT {s}; END",
    "COMMENT ON TABLE people IS {s}",
    "SECURITY LABEL FOR selinux ON TABLE people IS {s}",
    "NOTIFY jobs, {s}",
    "PREPARE find (text) AS SELECT * FROM people WHERE name = {s} AND note = $1",
    "EXECUTE find({s}, 70717273)",
    "DECLARE c CURSOR FOR SELECT * FROM people WHERE name = {s}",
    "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM people WHERE name = {s}",
    "SELECT DATE '2020-01-01', INTERVAL {s}, timestamptz {s}",
    "ALTER TABLE people ADD COLUMN kind text DEFAULT {s} CHECK (kind <> {s})",
    "CREATE INDEX people_vip ON people (lower(name)) WHERE name <> {s}",
    "CREATE VIEW vip AS SELECT * FROM people WHERE name = {s}",
    "CREATE PUBLICATION pub FOR TABLE people WHERE (name = {s})",
    "CREATE POLICY own ON people USING (name = {s})",
    "CALL pay({s}, card => '70717273')",
    "PREPARE TRANSACTION {s}",
    "COMMIT PREPARED {s}",
    "LOAD {s}",
    "CREATE TYPE colour AS ENUM ('red', {s})",
    "SELECT * FROM people TABLESAMPLE system (1) WHERE name ~* {s} ORDER BY CASE WHEN name = {s} THEN 0 END",
    "SELECT $1, {s} -- canary 70717273",
    "SELECT {s} /* outer /* canary */ canary */ FROM people",
    "SELECT {s} /*route='/pay%3Fcard%3D70717273',traceparent='00-canary-70717273-01'*/",
    "SELECT {s} /* controller:pay,user:canary,line:/srv/canary.rb:70717273 */",
)
WITH_NUMBER = (
    "SELECT * FROM people WHERE id = {n}",
    "SELECT * FROM people WHERE id IN (1, {n}, 3) LIMIT {n} OFFSET {n}",
    "UPDATE people SET balance = balance + {n} WHERE id BETWEEN {n} AND 5",
    "INSERT INTO people (id) VALUES ({n}), (2), ({n})",
    "ALTER SYSTEM SET app.pin = {n}",
    "SET app.pin TO {n}",
    "FETCH {n} FROM c",
    "SELECT ARRAY[{n}, 1], {n}::text, '{{70717273}}'::int[]",
    "CREATE SEQUENCE s START {n}",
    "SELECT a[{n}:{n}] FROM people",
)
WITH_WORD = (
    "SET app.tenant = canary", "SET LOCAL app.tenant TO canary, \"canary two\"", "ALTER SYSTEM SET app.token = canary",
    "ALTER ROLE worker SET app.token = canary", "ALTER ROLE worker PASSWORD canary", "CREATE USER worker PASSWORD \"canary\"",
    "SAVEPOINT canary", "ROLLBACK TO SAVEPOINT canary", "RELEASE canary", "LISTEN canary", "NOTIFY canary", "UNLISTEN canary",
    "DEALLOCATE canary", "CLOSE canary", "FETCH NEXT FROM canary", "MOVE FORWARD 3 IN canary", "PREPARE canary AS SELECT 1",
    "EXECUTE canary", "DECLARE canary CURSOR FOR SELECT 1", "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET app.a TO canary, canary AS 'SELECT 1'",
    "SET TIME ZONE canary", "SET SESSION app.a TO canary", r"\connect host=h password=canary", r"SELECT 1 \gset canary_",
    "CREATE SERVER r FOREIGN DATA WRAPPER f OPTIONS (password canary)", "ALTER DATABASE shop SET app.secret TO canary; SELECT 1",
)
BROKEN = (
    "SELECT 'canary", "SELECT * FROM people WHERE name = 'x' AND note = 'canary and more", "SELECT $q$canary", "SELECT $$canary $",
    "SELECT E'\\'canary", "SELECT U&'canary", "SELECT 1 /* canary", "SELECT 1 /* a /* b */ canary", "SELECT \"canary",
    "ALTER ROLE worker PASSWORD 'x\\'canary'", "SELECT 'a''canary", "DO $x$ BEGIN PERFORM 'canary'; END", "SELECT 1$a$canary b$a$",
    "SELECT $1$$canary$$", "SELECT $ 'canary'", "SELECT 70717273abc, 0b70717273, 0o70717273", "INSERT INTO t VALUES ('\ufffdcanary",
    "SELECT 'a' 'canary'", "SELECT b'0' x'63616e617279'", "SELECT '\\\\\\'canary'", "COPY t FROM stdin; \\N canary",
)

# What a server writes to its log; {s} is raw text here.
LOGS = (
    "ERROR:  duplicate key value violates unique constraint \"people_pkey\"\nDETAIL:  Key (name)=(canary) already exists.",
    "ERROR:  invalid input syntax for type integer: \"canary\"",
    "ERROR:  null value in column \"note\" of relation \"people\" violates not-null constraint\nDETAIL:  Failing row contains (70717273, canary, null).",
    "ERROR:  insert or update on table \"orders\" violates foreign key constraint \"orders_customer_fkey\"\n"
    "DETAIL:  Key (customer)=(70717273) is not present in table \"customers\".",
    "LOG:  duration: 1234.567 ms  statement: SELECT * FROM people WHERE name = 'canary'",
    "LOG:  duration: 12.1 ms  execute find: SELECT * FROM people WHERE name = $1\nDETAIL:  parameters: $1 = 'canary', $2 = '70717273'",
    "LOG:  statement: ALTER ROLE worker PASSWORD 'canary'",
    "ERROR:  syntax error at or near \"canary\" at character 15\nSTATEMENT:  SELECT * FORM canary",
    "FATAL:  password authentication failed for user \"worker\"\nDETAIL:  Connection matched pg_hba.conf line 3: \"host all all canary md5\"",
    "ERROR:  canary\nCONTEXT:  PL/pgSQL function pay(text) line 3 at RAISE",
    "NOTICE:  card 70717273 declined",
    "LOG:  process 1 still waiting for ShareLock on transaction 9 after 1000.1 ms\nDETAIL:  Process holding the lock: 2. Wait queue: 1.\n"
    "STATEMENT:  UPDATE people SET note = 'canary' WHERE id = 70717273",
    "ERROR:  deadlock detected\nDETAIL:  Process 1 waits for ShareLock on transaction 9; blocked by process 2.\n"
    "Process 1: UPDATE people SET note = 'canary'\nProcess 2: DELETE FROM people WHERE name = 'canary'",
    "LOG:  could not connect to the primary: connection to server at \"h\" failed: password=canary",
    "ERROR:  invalid byte sequence for encoding \"UTF8\": 0x63616e617279",
    "ERROR:  value \"70717273\" is out of range for type integer",
    "ERROR:  date/time field value out of range: \"canary\"",
    "ERROR:  COPY people, line 3, column name: \"canary\"",
    "ERROR:  new row for relation \"people\" violates check constraint \"c\"\nDETAIL:  Failing row contains (1, canary).",
    "LOG:  temporary file: path \"base/pgsql_tmp/pgsql_tmp1.0\", size 1048576\nSTATEMENT:  SELECT * FROM people ORDER BY name || 'canary'",
)


def corpus():
    """Entries {kind, text}, always the same ones in the same order."""
    found = []
    for at, template in enumerate(WITH_STRING):
        for step in range(6):
            found.append(("string", template.format(s=STRINGS[(at + step * 5) % len(STRINGS)])))
    for at, template in enumerate(WITH_NUMBER):
        for step in range(8):
            found.append(("number", template.format(n=NUMBERS[(at + step) % len(NUMBERS)])))
    found += [("word", text) for text in WITH_WORD]
    found += [("broken", text) for text in BROKEN]
    found += [("log", text) for text in LOGS]
    found += [("cut", text[:text.find(WORD) + 4]) for kind, text in found[::8] if kind == "string"]  # cut inside of the secret: "cana"
    return [{"kind": kind, "text": text} for kind, text in found]


def leaked(text):
    """The canary that is in a text, or None."""
    flat = text.lower().replace("_", "")
    return next((form for form in (*FORMS, "cana") if form in flat), None)


if __name__ == "__main__":
    for entry in corpus():
        print(json.dumps(entry, ensure_ascii=False))
