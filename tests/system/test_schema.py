"""What exists in a database arrives, changes are named, and nothing that was written into a definition leaves the host."""

import json
import time

import yaml
from support import SystemTest, machine, postgres, rows_of, server_named

from lab import store

MAJORS = (12, 18)
CANARIES = ("default-canary", "check-canary", "7104711", "index-canary", "view-canary", "body-canary", "argument-canary", "when-canary",
            "policy-canary", "bound-canary", "value-canary", "fdw-canary")
ZOO = """
create extension pgstattuple;
create table plain (id bigint generated always as identity primary key, name text not null default 'default-canary',
  price numeric(10,2) check (price > 7104711 or price is null), made timestamptz default now()) with (autovacuum_vacuum_scale_factor = 0.01);
insert into plain (name) select 'value-canary ' || i % 20 from generate_series(1, 20000) i;
create index plain_expression on plain (lower(name || 'index-canary')) where name <> 'index-canary';
create statistics plain_both (ndistinct) on name, made from plain;
create table child (id serial primary key, plain_id bigint references plain, kind text check (kind in ('check-canary', 'b')));
create table parted (id int not null, v text) partition by list (v);
create table parted_a partition of parted for values in ('bound-canary');
create index on parted (id);
create view watch as select id from plain where name <> 'view-canary';
create materialized view kept as select count(*) as n from plain where name <> 'view-canary';
create function add_one(i int default 7104711) returns int language plpgsql security definer set search_path = pg_catalog
  as $$ begin perform 'body-canary'; return i + 1; end $$;
create function touched() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger plain_touched before update on plain for each row when (new.name <> 'when-canary') execute function touched('argument-canary');
create policy only_mine on child for select using (kind = 'policy-canary');
create extension postgres_fdw;
create server elsewhere foreign data wrapper postgres_fdw options (host 'fdw-canary');
create foreign table far (id int) server elsewhere options (table_name 'fdw-canary');
create sequence narrow as smallint start 30000;
select nextval('narrow');
create publication pub for table plain;
create table busy as select i as id, md5(i::text) as body from generate_series(1, 50000) i;
create unique index busy_id on busy (id);
delete from busy where id % 3 = 0;
analyze;
"""
# What a database would put in front of the catalogue: each of these would be called by an unqualified name.
TRAP = """
create schema trap;
create view trap.pg_class as select 1 as oid;
create view trap.pg_index as select 1 as indexrelid;
create function trap.current_database() returns name language plpgsql as $$ begin raise 'trapped'; end $$;
create function trap.pg_get_indexdef(oid) returns text language plpgsql as $$ begin raise 'trapped'; end $$;
create function trap.md5(text) returns text language plpgsql as $$ begin raise 'trapped'; end $$;
create function trap.same(oid, oid) returns bool language plpgsql as $$ begin raise 'trapped'; end $$;
create operator trap.= (leftarg = oid, rightarg = oid, function = trap.same);
grant usage on schema trap to public;
"""
STRANGE = ('say "hello"', "it's; drop table x --", "line\nbreak", "é" * 31 + "x", "😀 emoji", "$1 {schema} {new_keys} %s", "back\\slash")
OBJECTS = ("schema_tables", "schema_columns", "schema_indexes", "schema_constraints", "schema_views", "schema_functions", "schema_triggers",
           "schema_policies", "extended_statistics", "extensions", "publications")
FAST = {f"postgres.{name}": "1s" for name in (*OBJECTS, "tables", "indexes", "sequences", "progress_vacuum")}


class Schema(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clusters = {}
        for major in filter(postgres.available, MAJORS):
            pg = cls.clusters[major] = postgres.Cluster(major).create()
            cls.addClassCleanup(pg.close)
            pg.start().prepare(["zoo"])
            for statement in (ZOO + TRAP).split(";\n"):
                if statement.strip():
                    pg.sql(statement, database="zoo")
            for name in STRANGE:
                pg.sql(f"create table {postgres.quote(name)} ({postgres.quote(name[:20])} int primary key)", database="zoo")
            pg.sql((machine.ROOT / "docs/sql/helper-schema.sql").read_text(), database="zoo")
            pg.sql("create database raw encoding 'SQL_ASCII' locale 'C' template template0" if major >= 13 else
                   "create database raw encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0")
            pg.sql(r"""do $$ begin execute 'create table ' || quote_ident(convert_from('caf'::bytea || '\xe9ff', 'SQL_ASCII')) || ' (a int)'; end $$""", database="raw")
            pg.sql(r"""do $$ declare name text := convert_from('caf'::bytea || '\xe9ff', 'SQL_ASCII');
                   begin execute 'create index on ' || quote_ident(name) || ' ((a + 1)) where a > 7104711'; end $$""", database="raw")
            pg.sql("create sequence counted; select nextval('counted')", database="raw")
            pg.sql("alter database zoo set search_path = trap, pg_catalog, public")
            pg.sql(f"alter role {postgres.MONITOR} set search_path = trap, pg_catalog, public")
        cls.watched = cls.server()
        cls.probe = cls.collector("collector", cls.watched, [cls.target(pg, f"pg{major}") for major, pg in cls.clusters.items()], intervals=FAST)
        cls.probe.wait_pushed()
        cls.api = cls.watched.login()

    def each(self):
        for major, pg in self.clusters.items():
            yield major, pg, self.eventually(f"pg{major} in the list of servers", lambda m=major: server_named(self.api, f"pg{m}"))["id"]

    def stored(self, server_id, source, where="true"):
        return self.watched.engine.query(f"SELECT * FROM pganalytics.postgres_{source} WHERE server = {server_id} AND {where} ORDER BY ts")

    def latest(self, server_id, source, where):
        rows = self.eventually(f"{source} where {where}", lambda: self.stored(server_id, source, where))
        return rows[-1]

    def test_1_every_source_of_every_database_is_read(self):
        for major, _, server_id in self.each():
            def seen(server_id=server_id):
                rows = self.watched.engine.query(f"SELECT source, database, outcome, any(detail) AS why FROM pganalytics.batches WHERE server = {server_id} "
                                                 "GROUP BY source, database, outcome")
                return rows if {r["database"] for r in rows if r["source"] == "postgres.schema_triggers"} >= {"zoo", "raw"} else None
            for row in self.eventually(f"readings of pg{major}", seen):
                if not row["source"].startswith("postgres.") or row["database"] not in ("zoo", "raw"):
                    continue
                outcome = store.OUTCOMES[row["outcome"]]
                # Of raw the helper schema and the extension are missing, which degrades what needs them alone.
                optional = row["database"] == "raw" and outcome in ("privilege", "absent") and row["source"].split(".")[1] in (
                    "column_statistics", "table_bloat", "index_bloat", "table_tuples")
                # No target here has explain set.
                optional = optional or (row["source"] == "postgres.plans" and outcome == "absent" and "explain: true" in row["why"])
                self.assertTrue(outcome == "complete" or optional, f"{major} {row}")

    def test_2_what_exists_arrives(self):
        for major, _, server_id in self.each():
            for source, where, wanted in (
                    ("schema_tables", "relname = 'plain'", {"kind": "table", "options": "autovacuum_vacuum_scale_factor=0.01"}),
                    ("schema_tables", "relname = 'parted'", {"kind": "partitioned table", "partition_key": "LIST (v)"}),
                    ("schema_columns", "relname = 'plain' AND attname = 'price'", {"data_type": "numeric(10,2)", "not_null": False}),
                    ("schema_columns", "relname = 'plain' AND attname = 'id'", {"identity": "always"}),
                    ("schema_constraints", "relname = 'child' AND kind = 'foreign key'", {"referenced_relname": "plain", "validated": True}),
                    ("schema_indexes", "indexrelname = 'plain_expression'", {"is_partial": True, "has_expressions": True, "method": "btree"}),
                    ("schema_views", "relname = 'watch'", {"is_materialized": False}),
                    ("schema_functions", "funcname = 'add_one'", {"security_definer": True, "pinned_settings": "search_path", "arguments": "i integer"}),
                    ("schema_triggers", "tgname = 'plain_touched'", {"timing": "before", "events": "update", "is_conditional": True}),
                    ("schema_policies", "polname = 'only_mine'", {"roles": "public", "limits_reading": True, "limits_writing": False}),
                    ("extended_statistics", "stxname = 'plain_both'", {"kinds": "ndistinct", "relname": "plain"}),
                    ("extensions", "extname = 'pgstattuple'", {"is_outdated": False}),
                    ("publications", "pubname = 'pub'", {"tables": 1, "all_tables": False}),
                    ("column_statistics", "relname = 'plain' AND attname = 'name'", {"n_distinct": 20}),
                    ("table_tuples", "relname = 'plain'", {"dead_rows": 0}),
                    ("sequences", "sequencename = 'narrow'", {"readable": True, "last_value": 30000})):
                row = self.latest(server_id, source, f"datname = 'zoo' AND {where}")
                self.assertEqual({k: row[k] for k in wanted}, wanted, f"{major} {source}")
            self.assertIn("$?", self.latest(server_id, "schema_indexes", "indexrelname = 'plain_expression'")["definition"])

    def test_3_a_third_of_the_rows_deleted_is_estimated_as_a_third_of_the_size(self):
        for major, _, server_id in self.each():
            for source, where in (("table_bloat", "relname = 'busy'"), ("index_bloat", "indexrelname = 'busy_id'")):
                row = self.latest(server_id, source, where)
                self.assertAlmostEqual(row["bloat_bytes"] / row["relpages_bytes"], 1 / 3, delta=0.08, msg=f"{major} {row}")
                self.assertEqual(row["needed_bytes"] + row["bloat_bytes"], row["relpages_bytes"])

    def test_3_without_the_helper_schema_a_sequence_of_others_is_there_but_not_read(self):
        for _, _, server_id in self.each():
            row = self.latest(server_id, "sequences", "datname = 'raw'")
            self.assertEqual((row["sequencename"], row["readable"], row["last_value"]), ("counted", False, None))

    def test_3_strange_names_arrive_as_they_are_and_invalid_ones_as_text(self):
        for _, _, server_id in self.each():
            def names(server_id=server_id):
                found = {r["relname"] for r in rows_of(self.api, server_id, "postgres.tables", search="") if r["datname"] == "zoo"}
                return found if found >= set(STRANGE) else None
            self.eventually("tables with strange names", names)
            self.eventually("and what they are", lambda server_id=server_id: set(STRANGE) <= {
                r["relname"] for r in self.stored(server_id, "schema_tables", "datname = 'zoo'")})
            raw = self.latest(server_id, "schema_tables", "datname = 'raw' AND kind = 'table'")["relname"]
            self.assertTrue(raw.startswith("caf") and "\ufffd" in raw, raw)
            self.assertIn("\ufffd", self.latest(server_id, "schema_indexes", "datname = 'raw'")["definition"])

    def test_4_changes_are_named(self):
        for _, pg, server_id in self.each():
            self.latest(server_id, "schema_indexes", "indexrelname = 'plain_expression'")
            self.latest(server_id, "schema_columns", "relname = 'child'")
            pg.sql("create table public.news (a int default 1)", database="zoo")
            pg.sql("create index news_a on public.news (a)", database="zoo")
            self.latest(server_id, "schema_indexes", "indexrelname = 'news_a' AND change = 'added'")
            self.latest(server_id, "schema_tables", "relname = 'news' AND change = 'added'")
            self.latest(server_id, "schema_columns", "relname = 'news' AND change = 'added'")
            pg.sql("alter table public.news alter a type bigint", database="zoo")
            changed = self.latest(server_id, "schema_columns", "relname = 'news' AND change = 'changed'")
            self.assertEqual(changed["data_type"], "bigint")
            pg.sql("drop table public.news", database="zoo")
            self.latest(server_id, "schema_indexes", "indexrelname = 'news_a' AND change = 'removed'")
            self.latest(server_id, "schema_tables", "relname = 'news' AND change = 'removed'")

    def test_5_a_locked_table_hides_itself_alone_and_is_not_taken_for_dropped(self):
        for major, pg, server_id in self.each():
            self.latest(server_id, "schema_indexes", "relname = 'child'")
            blocker = pg.connect("zoo")
            blocker.autocommit = False
            self.addCleanup(blocker.close)
            blocker.cursor().execute("lock table public.plain in access exclusive mode")
            since = int(time.time() * 1000)

            def outcomes(server_id=server_id, since=since):
                rows = self.watched.engine.query(f"SELECT source, outcome, any(detail) AS why FROM pganalytics.batches WHERE server = {server_id} AND database = 'zoo' "
                                                 f"AND toUnixTimestamp64Milli(ts) >= {since} GROUP BY source, outcome")
                found = {(r["source"], store.OUTCOMES[r["outcome"]]): r["why"] for r in rows}
                return found if {("postgres.schema_indexes", "lock"), ("postgres.tables", "complete"), ("postgres.schema_columns", "lock")} <= found.keys() else None
            found = self.eventually(f"readings of pg{major} under the lock", outcomes)
            blocker.rollback()
            self.assertIn("rows were left out", found["postgres.schema_indexes", "lock"])
            self.assertNotIn(("postgres.tables", "lock"), found)
            self.assertEqual(self.stored(server_id, "schema_indexes", "relname = 'plain' AND change = 'removed'"), [])
            self.assertEqual(self.stored(server_id, "schema_columns", "relname = 'plain' AND change = 'removed'"), [])

    def test_6_the_twelve_slices_of_sizes_have_every_relation_once(self):
        declared = yaml.safe_load((machine.ROOT / "catalog/postgres/relation_sizes.yaml").read_text())["from"]
        now = "floor(extract(epoch FROM now()) / 300)::bigint % 12"
        self.assertIn(now, declared)
        for _, pg, _ in self.each():
            found = [row[0] for n in range(12) for row in pg.sql(f"set search_path = pg_catalog; select r.oid from {declared.replace(now, str(n))}", database="zoo")]
            wanted = [row[0] for row in pg.sql(
                "set search_path = pg_catalog; select c.oid from pg_class c where relkind in ('r', 'm', 't', 'i') and relpersistence <> 't' and c.oid >= 16384 "
                "and not exists (select from pg_namespace n where n.oid = c.relnamespace and nspname = 'information_schema')", database="zoo")]
            self.assertGreater(len(wanted), 20)
            self.assertEqual(sorted(found), sorted(wanted))

    def test_6_partitions_are_one_table_unless_each_is_asked_for(self):
        def named(server_id, **more):
            return {r["relname"]: r for r in rows_of(self.api, server_id, "postgres.tables", **more) if r["relname"].startswith("parted")}
        for _, pg, server_id in self.each():
            each = self.eventually("both with a reading", lambda i=server_id: len(found := named(i, parts="each")) == 2 and found)
            self.assertEqual(each["parted_a"]["parent_relid"], each["parted"]["relid"])
            self.assertNotIn("parts", each["parted"])
            pg.sql("insert into parted select i, 'bound-canary' from generate_series(1, 100) i", database="zoo")
            pg.sql("select count(*) from parted", database="zoo")
            pg.sql("select pg_stat_clear_snapshot()", database="zoo")
            whole = self.eventually("its insertions are the table's", lambda i=server_id: (found := named(i)).get("parted", {}).get("n_tup_ins", 0) >= 100 and found)
            self.assertEqual(list(whole), ["parted"])
            self.assertEqual((whole["parted"]["parts"], whole["parted"]["n_live_tup"]), (1, 100))
            self.assertEqual(list(named(server_id, search="parted_a")), ["parted"])

    def test_6_a_vacuum_says_how_long_it_will_take(self):
        for _, pg, server_id in self.each():
            connection = pg.connect("zoo")
            with connection.cursor() as cursor:
                cursor.execute("create table slow as select i, repeat('x', 500) as pad from generate_series(1, 20000) i")
                cursor.execute("set vacuum_cost_delay = 20")
                cursor.execute("set vacuum_cost_limit = 20")
                began = time.monotonic()
                cursor.execute("vacuum (disable_page_skipping) slow")
                took = time.monotonic() - began
            connection.close()
            rows = self.eventually("the vacuum with a time left", lambda i=server_id: self.stored(i, "progress_vacuum", "time_left_us > 0"))
            self.assertLess(max(r["time_left_us"] for r in rows) / 1e6, 4 * took)
            self.assertGreater(max(r["time_left_us"] for r in rows) / 1e6, took / 20)

    def test_7_nothing_that_was_written_into_a_definition_left_the_host(self):
        tables = [r["name"] for r in self.watched.engine.query("SELECT name FROM system.tables WHERE database = 'pganalytics' AND engine LIKE '%MergeTree'")]
        self.assertGreater(len(tables), 20)
        for table in tables:
            text = json.dumps(self.watched.engine.query(f"SELECT * FROM pganalytics.`{table}`"), ensure_ascii=False)
            for canary in CANARIES:
                self.assertNotIn(canary, text, f"in table {table}")
