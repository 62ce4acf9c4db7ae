"""What the role may read: with nothing, with pg_monitor, and with the optional helper schema; --check names what is missing."""

import json
import types

import psycopg2
from support import SystemTest, machine, postgres, programs

SCRIPTS = machine.ROOT / "docs/sql"
MAJORS = (12, 15, 18)
HELPED = ("postgres.column_statistics", "postgres.table_bloat", "postgres.index_bloat")
NOWHERE = types.SimpleNamespace(address="127.0.0.1", collectors_port=1)  # --check and --once talk to no server of ours
HBA_SECRET = "hba-secret-4711"


def clusters(case, majors, settings=None):
    """Clusters of their own: roles and schemas of these tests must not meet others."""
    for major in majors:
        if not postgres.available(major):
            continue
        pg = postgres.Cluster(major, settings=settings).create()
        hba = pg.data / "pg_hba.conf"
        hba.write_text(hba.read_text() + f"host nobody nobody 127.0.0.1/32 radius radiusservers=\"127.0.0.1\" radiussecrets=\"{HBA_SECRET}\"\n")
        case.addClassCleanup(pg.close)
        yield major, pg.start()


def run_script(pg, name, database="postgres"):
    pg.sql((SCRIPTS / name).read_text(), database=database)


class Rights(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clusters = dict(clusters(cls, MAJORS, {"logging_collector": "on", "track_functions": "none"}))
        if not cls.clusters:
            cls.skipTest(cls, "no PostgreSQL is installed")
        for pg in cls.clusters.values():
            pg.sql("create extension pg_stat_statements")
            pg.sql("create role nothing login; create role watcher login; grant pg_monitor to watcher; create role pganalytics login password 'x'")
            for name in ("monitoring-role.sql", "helper-schema.sql") * 2:  # whoever runs them again loses nothing
                run_script(pg, name)
            pg.sql("create table owned (id serial primary key, who text not null, note text); insert into owned (who, note) "
                   "select 'canary-' || i % 3, repeat('x', 300) from generate_series(1, 9000) i; analyze owned")
            pg.sql("create database other")

    def config(self, major, role, **more):
        target = {**programs.target(self.clusters[major], f"pg{major}", self.directory / "secrets", password="x"), "user": role,
                  "databases": ["postgres"], **more}
        return programs.Collector(self.directory / f"{role}-{major}", NOWHERE, [target], token="unused").config

    def check(self, major, role, **more):
        done = programs.run("pganalytics-collector", "--config", self.config(major, role, **more), "--check", "--json", check=False)
        answer = json.loads(done.stdout)
        self.assertEqual(done.returncode == 0, answer["ok"], done.stderr)
        findings = answer["targets"][0]["findings"]
        self.missing = [f for f in findings if f["level"] == "missing"]
        return answer["ok"], {f["what"]: f for f in findings}

    def test_without_any_right_the_grant_and_the_sources_that_need_it_are_named(self):
        for major in self.clusters:
            ok, found = self.check(major, "nothing")
            self.assertFalse(ok)
            self.assertEqual(found["pg_monitor"]["mend"], 'GRANT pg_monitor TO "nothing";')
            for source in ("postgres.activity", "postgres.statements"):
                self.assertIn(source, found["pg_monitor"]["detail"])
                self.assertEqual(found[source]["level"], "missing")
                self.assertIn("privilege", found[source]["detail"])

    def test_with_pg_monitor_only_what_is_optional_is_left_and_named(self):
        for major in self.clusters:
            ok, found = self.check(major, "watcher")
            self.assertTrue(ok, self.missing)
            helper = found["helper schema"]
            self.assertEqual(helper["level"], "advice")
            self.assertIn("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pganalytics", helper["mend"])
            for source in HELPED:
                self.assertIn(source, helper["detail"])
                self.assertEqual(found[source]["level"], "advice", found[source])
                self.assertIn("privilege", found[source]["detail"])
            self.assertIn("postgres.functions", found["track_functions"]["detail"])
            self.assertIn("SET track_functions = pl", found["track_functions"]["mend"])
            self.assertEqual("reserved connections" in found, major >= 16)

    def test_with_both_scripts_everything_is_readable(self):
        for major in self.clusters:
            ok, found = self.check(major, "pganalytics")
            self.assertTrue(ok, self.missing)
            for what in ("helper schema", *HELPED, "postgres.sequences", "postgres.extended_statistics", "postgres.access_rules",
                         "postgres.setting_errors", "postgres.subscriptions", "postgres.replication_origins"):
                self.assertEqual(found[what]["level"], "ok", found[what])
            self.assertNotIn("pg_monitor", found)
            self.assertNotIn("GRANT", json.dumps(found))

    def test_a_function_of_the_helper_schema_that_is_refused_leaves_the_view_itself(self):
        for major, pg in self.clusters.items():
            for refused in ("revoke execute on function pganalytics.subscriptions() from pganalytics", "revoke usage on schema pganalytics from pganalytics"):
                pg.sql(refused)
                _, found = self.check(major, "pganalytics")
                run_script(pg, "helper-schema.sql")
                # The columns of pg_subscription that we read are everybody's from 14 on.
                self.assertEqual(found["postgres.subscriptions"]["level"], "ok" if major >= 14 else "advice", found["postgres.subscriptions"])
                if major < 14:
                    self.assertIn("privilege", found["postgres.subscriptions"]["detail"])

    def test_a_database_without_the_helper_schema_is_named(self):
        for major in self.clusters:
            _, found = self.check(major, "pganalytics", databases="all")
            # One finding per database under one name: the last is that of the other one.
            self.assertIn("in database other", found["helper schema"]["detail"])
            self.assertIn("-d \"other\" -f helper-schema.sql", found["helper schema"]["mend"])

    def test_a_database_that_the_role_may_not_enter_is_named(self):
        for major, pg in self.clusters.items():
            pg.sql("revoke connect on database other from public")
            ok, found = self.check(major, "pganalytics", databases="all")
            pg.sql("grant connect on database other to public")
            self.assertFalse(ok)
            self.assertIn('GRANT CONNECT ON DATABASE "other" TO "pganalytics"', found["database other"]["mend"])

    def test_an_extension_that_is_loaded_and_not_created_names_the_statement(self):
        for major, pg in self.clusters.items():
            pg.sql("drop extension pg_stat_statements")
            ok, found = self.check(major, "pganalytics")
            pg.sql("create extension pg_stat_statements")
            self.assertFalse(ok)
            self.assertEqual(found["postgres.statements"]["mend"], 'CREATE EXTENSION IF NOT EXISTS "pg_stat_statements";')
            self.assertEqual(found["postgres.table_tuples"]["level"], "advice", "pgstattuple is a matter of taste")

    def as_role(self, major, role, text, *parameters):
        connection = self.clusters[major].connect(user=role, **({"password": "x"} if role == "pganalytics" else {}))
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, parameters or None)
                return cursor.fetchall()
        finally:
            connection.close()

    def test_the_functions_give_what_they_are_for_and_nothing_more(self):
        for major in self.clusters:
            statistics = self.as_role(major, "pganalytics", "select to_jsonb(s)::text from pganalytics.column_statistics() s")
            self.assertGreater(len(statistics), 3)
            self.assertNotIn("canary", str(statistics))
            rules = str(self.as_role(major, "pganalytics", "select * from pganalytics.hba_file_rules()"))
            self.assertIn("radiussecrets=***", rules)
            self.assertNotIn(HBA_SECRET, rules)
            self.assertNotIn("conninfo", str(self.as_role(major, "pganalytics", "select p.proargnames from pg_proc p where p.pronamespace = 'pganalytics'::regnamespace")))
            name = self.as_role(major, "pganalytics", "select name from pganalytics.log_files() order by modification desc limit 1")[0][0]
            head = self.as_role(major, "pganalytics", "select pganalytics.read_log(%s, 3, 10)", name)[0][0]
            self.assertEqual(len(head), 10)
            self.assertIsNone(self.as_role(major, "pganalytics", "select pganalytics.read_log('no such file', 0, 10)")[0][0])

    def test_the_functions_refuse_other_files_and_other_roles(self):
        for major in self.clusters:
            for file, start, length in (("../PG_VERSION", 0, 10), ("/etc/passwd", 0, 10), ("..", 0, 10), ("", 0, 10), ("x", -1, 10), ("x", 0, 1 << 21)):
                with self.assertRaises(psycopg2.errors.InvalidParameterValue):
                    self.as_role(major, "pganalytics", "select pganalytics.read_log(%s, %s, %s)", file, start, length)
            for role in ("nothing", "watcher"):
                with self.assertRaises(psycopg2.errors.InsufficientPrivilege):
                    self.as_role(major, role, "select * from pganalytics.column_statistics()")

    def test_a_hostile_search_path_does_not_reach_into_the_functions(self):
        for major, pg in self.clusters.items():
            pg.sql("create schema trap; create view trap.pg_statistic as select 1 as starelid; "
                   "create function trap.current_setting(text) returns text language sql as $$ select '/etc' $$; grant usage on schema trap to public")
            text = "select count(*) from pganalytics.column_statistics()"
            # Autovacuum may analyze a catalog between the two.
            self.eventually("as many as without it", lambda major=major, text=text: self.as_role(major, "pganalytics", text) == self.as_role(
                major, "pganalytics", f"set search_path = trap, pg_catalog; {text}"))
            pg.sql("drop schema trap cascade")

    def test_the_script_refuses_a_schema_that_somebody_else_made(self):
        for pg in self.clusters.values():
            pg.sql("create role intruder; create schema pganalytics authorization intruder", database="other")
            with self.assertRaisesRegex(psycopg2.Error, "belongs to intruder"):
                run_script(pg, "helper-schema.sql", "other")
            pg.sql("drop schema pganalytics; drop role intruder", database="other")
