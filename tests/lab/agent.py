"""./run bench agent: what does it cost a server to be watched, and what does watching it cost?

A PostgreSQL 18 with 1,000 tables, 5,000 statements and pgbench running. In the same run, one after the other: nobody watches, our collector,
and the exporter that Debian packages, where it is installed. What they ask the server is counted by the server itself (pg_stat_statements, by
role); processor time and memory by the kernel. Then throughput: pgbench as fast as it can, in pairs with and without the collector."""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

from lab import machine, postgres, programs, trial
from lab.machine import LabError
from lab.postgres import Cluster

BUDGET = {"rss_kib": 15 * 1024, "cpu_ms_per_minute": 10, "sql_per_minute": 20, "server_ms_per_minute": 20, "sample_ms": 1.0, "throughput_loss": 0.01}
EXPORTER = "prometheus-postgres-exporter"
SAMPLES = "postgres.activity"             # every second; its cost is shown apart
PGBENCH = pathlib.Path("/usr/lib/postgresql/15/bin/pgbench")
WARM_UP_SECONDS = 75                       # the first pass and the first texts
EPILOG = f"""examples:
  ./run bench agent
  ./run bench agent --minutes 1 --pairs 3 --json agent.json     a quick look

A minute's cycle is measured without {SAMPLES}, which is read every second and shown apart. Exit codes: 0 within the budgets; 1 not.

environment:
  PGA_BIN   where the programs are; default: the release build, which is made first
"""


def say(text):
    print(f"[agent] {text}", flush=True)


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.pg = self.server = self.load = None
        self.running = []

    def start(self):
        say(f"PostgreSQL 18 with {self.options.tables:,} tables and {self.options.statements:,} statements")
        self.pg = Cluster(18, self.directory / "postgres", settings={
            "pg_stat_statements.max": "20000", "pg_stat_statements.track_planning": "on", "shared_buffers": "256MB", "fsync": "on",
            "synchronous_commit": "off"}).create().start().prepare()
        self.pg.sql("CREATE DATABASE bench")
        self.pg.sql("CREATE EXTENSION pg_stat_statements", database="bench")
        self.pgbench("-i", "-q", "-s", "5")
        per_table = max(1, self.options.statements // self.options.tables)
        self.pg.sql(f"""DO $$ BEGIN
            FOR i IN 1..{self.options.tables} LOOP
              EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a int, b text)', i);
              EXECUTE format('INSERT INTO t%s SELECT g, g, g FROM generate_series(1, 20) g', i);
            END LOOP; END $$""", database="bench")
        queries = [f"SELECT {', '.join(['a'] * (n + 1))} FROM t{i} WHERE id = 1" for i in range(1, self.options.tables + 1) for n in range(per_table)]
        self.pg.sql(";\n".join(queries), database="bench")
        self.pg.sql("ANALYZE", database="bench")

    def pgbench(self, *arguments, **more):
        return subprocess.run([PGBENCH, "-h", "127.0.0.1", "-p", str(self.pg.port), "-U", "postgres", *map(str, arguments), "bench"],
                              capture_output=True, text=True, check=True, **more).stdout

    def transactions_per_second(self, seconds):
        out = self.pgbench("-n", "-c", 2, "-j", 1, "-T", seconds)
        return float(next(line for line in out.splitlines() if line.startswith("tps")).split()[2])

    def begin_load(self):
        self.load = machine.Child("pgbench", [PGBENCH, "-n", "-h", "127.0.0.1", "-p", self.pg.port, "-U", "postgres", "-c", 2, "-R", 50,
                                              "-T", 100_000, "bench"], self.directory / "pgbench.log")

    def end_load(self):
        self.load.kill()
        self.load = None

    # Who watches

    def collector(self, name, intervals):
        if self.server is None:
            self.server = programs.Server(self.directory / "server").create().start()
        made = programs.Collector(self.directory / name, self.server, [programs.target(self.pg, name, self.directory / name, dbname="bench", databases=["bench"])],
                                  name=name, host=True, ship_interval="10s", intervals=intervals).start()
        self.running.append(made)
        made.wait_pushed(60)
        return made

    def stop(self, part):
        self.running.remove(part)
        part.stop()

    def counted(self, role):
        """(statements, milliseconds planning and executing, milliseconds of those that sample sessions, such statements) so far."""
        # The samples are what only asks for sessions; every other statement of ours asks for more.
        rows = self.pg.sql(f"""SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time + total_plan_time), 0),
            coalesce(sum(total_exec_time + total_plan_time) FILTER (WHERE sampled), 0), coalesce(sum(calls) FILTER (WHERE sampled), 0)
            FROM (SELECT *, query LIKE '%state_change%pg_stat_activity a%' AND query NOT LIKE '%UNION ALL%' AS sampled FROM pg_stat_statements
                  WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = '{role}') AND toplevel) s""", database="bench")
        return [float(cell) for cell in rows[0]]

    def dearest(self, role, minutes):
        """What takes the server's time, by statement: (milliseconds a minute, runs a minute, how it begins), since the last reset."""
        rows = self.pg.sql(f"""SELECT (total_exec_time + total_plan_time) / {minutes}, calls / {minutes}::float8, left(query, 20) || ' … ' ||
            substring(query FROM ' FROM [^,;]{{1,60}}') FROM pg_stat_statements WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = '{role}') AND toplevel
            ORDER BY 1 DESC LIMIT 8""", database="bench")
        return [{"server_ms_per_minute": round(ms, 2), "runs_per_minute": round(runs, 1), "statement": text} for ms, runs, text in rows]

    def watch(self, name, role, pid, values):
        """What a minute costs, measured over whole minutes after a warm-up. The role's own statistics are reset for it."""
        time.sleep(WARM_UP_SECONDS if not self.options.quick else 20)
        minutes = self.options.minutes
        say(f"{name}: {minutes} min")
        self.pg.sql("SELECT pg_stat_statements_reset((SELECT oid FROM pg_roles WHERE rolname = %s))", (role,), database="bench")
        before, cpu, value = self.counted(role), machine.cpu_seconds(pid), values()
        time.sleep(60 * minutes)
        after, cpu_after, value_after = self.counted(role), machine.cpu_seconds(pid), values()
        calls, milliseconds, sample_ms, samples = ((b - a) / minutes for a, b in zip(before, after, strict=True))
        return {"name": name, "rss_kib": machine.resident_kib(pid), "cpu_ms_per_minute": round((cpu_after - cpu) * 1000 / minutes, 1),
                "sql_per_minute": round(calls, 1), "server_ms_per_minute": round(milliseconds, 2),
                "sample_ms": round(sample_ms / samples, 3) if samples else None, "samples_per_minute": round(samples, 1),
                "values_per_minute": round((value_after[0] - value[0]) / minutes), "bytes_per_minute": round((value_after[1] - value[1]) / minutes), "dearest": self.dearest(role, minutes)}

    def values_stored(self):
        """Cells of the rows of the collector that runs: what an exporter would call samples."""
        engine = self.server.engine
        width = {row["table"]: row["n"] for row in engine.query(
            "SELECT table, count() AS n FROM system.columns WHERE database = 'pganalytics' AND name NOT IN ('tenant', 'server', 'ts', 'segment', "
            "'interval_us') GROUP BY table")}
        rows = engine.query("SELECT replaceAll(source, '.', '_') AS t, sum(rows) AS n FROM pganalytics.batches WHERE collector = "
                            "(SELECT max(collector) FROM pganalytics.batches) GROUP BY t")
        return sum(width.get(row["t"], 0) * row["n"] for row in rows)

    def watched_by_us(self, name, intervals):
        made = self.collector(name, intervals)

        def values():
            return self.values_stored(), made.status()["bytes_pushed"]
        result = self.watch(name, postgres.MONITOR, made.child.pid, values)
        self.stop(made)
        return result

    def watched_by_exporter(self):
        program = shutil.which(EXPORTER)
        if program is None:
            say(f"skipped: {EXPORTER} is not installed")
            return None
        port = machine.free_port()
        self.pg.sql("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'exporter') THEN "
                                 "CREATE ROLE exporter LOGIN; GRANT pg_monitor TO exporter; END IF; END $$")
        child = machine.Child("exporter", [program, f"--web.listen-address=127.0.0.1:{port}"], self.directory / "exporter.log",
                              env={"DATA_SOURCE_NAME": f"postgresql://exporter@127.0.0.1:{self.pg.port}/bench?sslmode=disable"})
        self.running.append(child)
        counts = [0, 0]

        def scrape():
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                body = answer.read()
            counts[0] += sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))
            counts[1] += len(body)
        machine.wait_until("the exporter answers", lambda: scrape() is None, 30, child)
        time.sleep(5)
        minutes = self.options.minutes
        say(f"{EXPORTER}: {minutes} min, scraped once a minute")
        before, cpu, counts[:] = self.counted("exporter"), machine.cpu_seconds(child.pid), [0, 0]
        for _ in range(int(max(1, minutes))):
            began = time.monotonic()
            scrape()
            time.sleep(max(0, 60 - (time.monotonic() - began)))
        minutes = int(max(1, minutes))
        after = self.counted("exporter")
        result = {"name": EXPORTER, "rss_kib": machine.resident_kib(child.pid),
                  "cpu_ms_per_minute": round((machine.cpu_seconds(child.pid) - cpu) * 1000 / minutes, 1),
                  "sql_per_minute": round((after[0] - before[0]) / minutes, 1), "server_ms_per_minute": round((after[1] - before[1]) / minutes, 2),
                  "values_per_minute": round(counts[0] / minutes), "bytes_per_minute": round(counts[1] / minutes)}
        self.running.remove(child)
        child.kill()
        return result

    def throughput(self):
        """Transactions a second with and without the collector, in pairs whose order alternates."""
        ratios = []
        for pair in range(self.options.pairs):
            found = {}
            for watched in ((False, True) if pair % 2 else (True, False)):
                part = self.collector(f"pair {pair + 1}", {}) if watched else None
                found[watched] = self.transactions_per_second(self.options.seconds)
                if part:
                    self.stop(part)
            ratios.append(found[True] / found[False])
            say(f"pair {pair + 1}: {found[False]:.0f} transactions/s, watched {found[True]:.0f}, ratio {ratios[-1]:.4f}")
        return ratios

    def run(self):
        self.start()
        self.begin_load()
        agent = self.watched_by_us("without samples", {SAMPLES: "1h"})
        sampled = self.watched_by_us("with samples", {})
        peers = [peer for peer in [self.watched_by_exporter()] if peer]
        self.end_load()
        ratios = self.throughput()
        return {"agent": {**agent, "sample_ms": sampled["sample_ms"], "samples_per_minute": sampled["samples_per_minute"]}, "agent_with_samples": sampled,
                "peers": peers, "throughput_ratios": [round(r, 4) for r in ratios],
                "throughput_loss": round(1 - statistics.median(ratios), 4) if ratios else None,
                "tables": self.options.tables, "statements": self.options.statements, "minutes": self.options.minutes}

    def close(self):
        for part in (*self.running, self.load, self.server, self.pg):
            try:
                if part is not None:
                    part.kill() if isinstance(part, machine.Child) else part.stop()
            except LabError as error:
                print(f"[agent] {error}", file=sys.stderr, flush=True)


def failures(result):
    agent = result["agent"]
    found = [f"{what}: {agent[what]}, at most {most} are allowed" for what, most in BUDGET.items() if what in agent and agent[what] is not None and agent[what] > most]
    loss = result["throughput_loss"]
    if loss is not None and loss > BUDGET["throughput_loss"]:
        found.append(f"pgbench loses {loss:.2%} of its throughput, at most {BUDGET['throughput_loss']:.0%} are allowed")
    return found


def show(result):
    columns = ("rss_kib", "cpu_ms_per_minute", "sql_per_minute", "server_ms_per_minute", "values_per_minute", "bytes_per_minute")
    say(f"{'':32}" + "".join(f"{c:>22}" for c in columns))
    for row in (result["agent"], result["agent_with_samples"], *result["peers"]):
        say(f"{row['name']:32}" + "".join(f"{row[c]:>22,}" for c in columns))
    for cost in result["agent"]["dearest"]:
        say(f"{cost['server_ms_per_minute']:10.2f} ms a minute in {cost['runs_per_minute']:5.1f} runs: {cost['statement']}")
    say(f"a sample of the sessions: {result['agent']['sample_ms']} ms, {result['agent']['samples_per_minute']} a minute")
    if result["throughput_loss"] is not None:
        say(f"pgbench: median ratio of {len(result['throughput_ratios'])} pairs {1 - result['throughput_loss']:.4f}")


def main():
    parser = argparse.ArgumentParser(prog="./run bench agent", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=5, help="measured of each; default 5: the kernel tells processor time in 10 ms")
    parser.add_argument("--pairs", type=int, default=9, help="of pgbench with and without the collector; default 9")
    parser.add_argument("--seconds", type=int, default=20, help="each half of a pair takes; default 20")
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--statements", type=int, default=5_000)
    parser.add_argument("--quick", action="store_true", help="a shorter warm-up: first readings are then counted, too")
    trial.add_json(parser)
    options = parser.parse_args()
    trial.measure("agent", options.json, lambda directory: Run(options, directory), failures, show)


if __name__ == "__main__":
    main()
