"""Statements with a secret in every place run on real servers; nothing of the secrets is in the frames that a collector makes of them."""

import types

import psycopg2
from support import FAST, SystemTest, postgres

from lab import canaries, frame
from lab.spooled import spooled_frames

SETUP = """
create table people (id int, name text, note text, balance numeric, kind text);
create table documents (data jsonb);
create sequence numbers;
create table t (a int);
insert into people values (1, 'a', 'b', 0);
"""
REACHED_MIN = {12: 50, 18: 20}   # statements with a canary that the server itself remembers: else the test shows nothing


class Canaries(SystemTest):
    def test_no_canary_is_in_what_a_collector_sends(self):
        for major, reached_min in REACHED_MIN.items():
            if not postgres.available(major):
                self.skipTest(f"PostgreSQL {major} is not installed: ./run setup --postgres {major}")
            pg = postgres.Cluster(major).create().start().prepare()
            self.addCleanup(pg.close)
            pg.sql(SETUP)
            for entry in canaries.corpus():
                if entry["kind"] != "log":
                    run(pg, entry["text"])
            idle = pg.connect()
            self.addCleanup(idle.close)
            with idle.cursor() as cursor:
                cursor.execute("select 'canary', 70717273, pg_sleep(0.1)")
            remembered = [row[0] for row in pg.sql("select query from pg_stat_statements")]
            self.assertGreater(sum(canaries.leaked(text) is not None for text in remembered), reached_min)

            nowhere = types.SimpleNamespace(address="127.0.0.1", collectors_port=1)   # so that everything waits in the spool
            collector = self.collector(f"collector-{major}", nowhere, [self.target(pg, f"pg{major}", explain=True)], token="none",
                                       intervals={**FAST, "postgres.plans": "1s"})

            def read(collector=collector):
                texts = list(texts_of([frame.Frame(payload).content() for payload in spooled_frames(collector.state)]))
                return len({text for text in texts if "people" in text}) > 20 and texts
            self.eventually(f"the texts of the statements on {major}", read)
            collector.stop()   # which writes what it has
            for text in (*read(), collector.log()):
                self.assertIsNone(canaries.leaked(text), text)


def run(pg, text):
    """Runs a statement in a session of its own; most of the corpus fails somewhere, as it does in life."""
    session = pg.connect()
    try:
        with session.cursor() as cursor:
            cursor.execute(text)
    except psycopg2.Error:
        pass
    finally:
        session.close()


def texts_of(value):
    """Every string in the content of frames."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from texts_of(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from texts_of(part)
