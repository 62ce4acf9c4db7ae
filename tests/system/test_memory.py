"""What the collector may use of the machine's memory, whatever the server has: 32 MiB, at every moment since it was started."""

import pathlib
import tempfile
import threading
import unittest

from support import SystemTest, every_source, machine, postgres, programs

from lab import log_trouble

RSS_KIB_MAX = 32 * 1024
MANY = """do $$ declare filler text := repeat('statement text ', {bytes} / 15); begin
  for i in 1..{rows} loop for j in 1..100 loop
    execute 'select ' || repeat('1,', i) || '2 /* ' || filler || ' */ where true' || repeat(' and true{more}', j);
  end loop; end loop; end $$"""


class Memory(SystemTest):
    def watched(self, name, **settings):
        if not postgres.available(18):
            raise unittest.SkipTest("PostgreSQL 18 is not installed: ./run setup --postgres 18")
        pg = postgres.Cluster(18, pathlib.Path(tempfile.mkdtemp(prefix=f"pga-memory-{name}-")), {
            **log_trouble.settings(18, "csvlog"), "pg_stat_statements.max": "20000", "pg_stat_statements.track": "all",
            "pg_stat_statements.save": "off", "log_min_duration_statement": "-1", "auto_explain.log_min_duration": "-1", **settings}).create().start().prepare()
        self.addCleanup(pg.close)
        return pg

    def follower(self, name, pg, interval):
        away = programs.Server(self.directory / f"away-{name}").create()  # every frame stays in the spool
        return self.collector(name, away, [self.target(pg, name)], intervals={**every_source(interval), "postgres.log_events": "200ms"}, host=True)

    def peak(self, collector, what):
        peak = machine.peak_kib(collector.child.pid)
        print(f"[system] memory: {what}: peak {peak / 1024:.1f} MiB, now {machine.resident_kib(collector.child.pid) / 1024:.1f} MiB", flush=True)
        return peak

    def test_a_gigabyte_of_query_text_and_log_events_of_ten_megabytes(self):
        pg = self.watched("texts")
        pg.sql(MANY.format(bytes=20_000, rows=10, more=""))  # the server can answer with all of it in time
        collector = self.follower("texts", pg, "2s")

        def texts():
            return sum(len(b["rows"]) for b in collector.spooled.batches("postgres.statement_texts"))

        self.eventually("texts arrive, some at a time", lambda: texts() > 200, 60)
        self.peak(collector, "1,000 statements of 20 kB")
        logs = threading.Thread(target=self.large_events, args=(pg,))
        logs.start()
        pg.sql(MANY.format(bytes=100_000, rows=100, more=" and not false"))  # 10,000 statements
        size = pg.sql("select size from pg_stat_file('pg_stat_tmp/pgss_query_texts.stat')")[0][0]
        self.assertGreater(size, 1_000_000_000)
        logs.join()
        seen = len(collector.spooled.batches("postgres.statement_texts"))
        counted = len(collector.spooled.batches("postgres.statements"))
        # What has become a strain on the server is read every 32 s at last.
        self.eventually("texts were asked for since", lambda: len(collector.spooled.batches("postgres.statement_texts")) > seen + 1, 180)
        self.eventually("statements were counted since", lambda: any(
            b["rows_seen"] > 10_000 and b["outcome"] == "complete" for b in collector.spooled.batches("postgres.statements")[counted:]), 180)
        self.eventually("the large events were read", lambda: sum(
            len(b["rows"]) for b in collector.spooled.batches("postgres.log_events") if b["outcome"] in ("complete", "limit")) >= 5, 60)
        peak = self.peak(collector, f"{size / 1e9:.2f} GB of query text, events of 10 MB")
        self.assertLess(peak, RSS_KIB_MAX)

    def large_events(self, pg):
        for _ in range(5):
            try:
                pg.sql(f"select '{'x' * 10_000_000}'::int")
            except Exception as error:  # noqa: BLE001
                self.assertIn("invalid input syntax", str(error))
