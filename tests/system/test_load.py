"""The load generator: collectors without a database, with everything else of the real one."""

import argparse
import json
import pathlib
import subprocess

from support import SystemTest, machine

from lab import ingest, load, load_page, overload

OPTIONS = argparse.Namespace(workload="W0", pushes=4, time_scale=60.0, start="jitter", runs=1)


class Load(SystemTest):
    def scenario(self, protocol, null=False, workload="W0"):
        options = argparse.Namespace(**{**vars(OPTIONS), "workload": workload})
        return load.Scenario(options, self.directory / f"{protocol}{null}{workload}", 8, protocol, null).run()

    def test_every_push_is_acknowledged_and_its_rows_are_stored_once(self):
        scenarios = [self.scenario(protocol) for protocol in ("binary", "json")]
        for found in scenarios:
            self.assertEqual((found["pushes"], found["success"], found["tried_again"], found["refused"]), (32, 1.0, 0, {}), found)
            self.assertEqual((found["rows_acked"], found["rows_stored"], found["doubled"]), (1600, 1600, {}))
            self.assertEqual(sum(count for _, count in found["histogram_ns"]), 32)
            self.assertGreater(found["p50_ms"], 0)
            self.assertLessEqual(found["p50_ms"], found["max_ms"])
            self.assertGreater(found["socket_bytes_per_push"], found["body_bytes_per_push"])
        binary, text = scenarios
        self.assertGreater(text["body_bytes_per_push"], 3 * binary["body_bytes_per_push"])
        result = {"workload": "W0", "scenarios": scenarios, "null": [], "sizes": load_page.sizes(scenarios), "machine": {"cpus": 2, "model": "<x>", "kernel": "6"}, "command": "a & b", "date": "today",
                  "pushes_per_collector": 4, "interval_seconds": 60, "time_scale": 60, "start": "jitter", "runs": 1}
        self.assertIn("&lt;x&gt;", load_page.html_of(result))
        self.assertIn("| 8 | binary | 32 | 100.00% |", load_page.markdown_of(result, []))
        self.assertEqual(len(load_page.csv_of(result).splitlines()), 3)

    def test_a_recording_of_postgresql_is_stored_once(self):
        found = self.scenario("binary", workload="W1")
        self.assertEqual((found["pushes"], found["success"], found["refused"], found["doubled"]), (32, 1.0, {}, {}), found)
        self.assertGreater(found["rows_acked"], 32 * 100)
        self.assertEqual(found["rows_stored"], found["rows_acked"])

    def test_as_fast_as_the_server_takes_it_beside_a_peer(self):
        directory = self.directory / "ingest"
        directory.mkdir()
        run = ingest.Run(argparse.Namespace(collectors=4, window=2, seconds=2, without_peer=False, peer_collectors=1), directory)
        try:
            found = run.run()
        finally:
            run.close()
        ours = found["ours"]
        self.assertEqual((ours["rows_stored"], ours["refused"]), (ours["rows_acked"], {}))
        self.assertGreater(ours["samples"], ours["rows_acked"])
        self.assertGreater(ours["disk_bytes_per_sample"], 0)
        self.assertIn("server collectors", ours["cpu_seconds_per_million_rows"])
        self.assertEqual([peer["import"] for peer in found["peers"]], ["lines of JSON", "native"])
        self.assertGreater(found["peers"][0]["samples"], 1000)

    def test_more_than_the_server_takes_is_taken_in_the_end(self):
        directory = self.directory / "overload"
        directory.mkdir()
        run = overload.Run(argparse.Namespace(collectors=20, cores=0, times=3, seconds=2), directory)
        try:
            found = run.run()
        finally:
            run.close()
        self.assertEqual(found["pushes"], found["pushes_planned"])
        self.assertEqual((found["rows_stored"], found["doubled"]), (found["rows_acked"], {}))
        self.assertGreater(found["peak_pushes_per_second"], 0)
        self.assertGreater(found["goodput"], 0)

    def test_a_null_server_takes_everything(self):
        found = self.scenario("binary", null=True)
        self.assertEqual((found["pushes"], found["success"], found["rows_acked"]), (32, 1.0, 1600), found)

    def test_a_server_elsewhere_is_refused_unless_it_is_meant(self):
        done = self.load_program("--url", "https://192.0.2.1:8443")
        self.assertEqual(done.returncode, 2)
        self.assertIn("is not on this machine", done.stderr)
        self.assertEqual(self.load_program("--url", "https://127.0.0.1:1", "--wait-max", 0).returncode, 2)

    def test_a_server_that_takes_no_collector_is_said(self):
        server = self.server()
        token = pathlib.Path(self.directory / "used")
        token.write_text(server.token("--uses", "1"))
        done = self.load_program("--url", f"https://127.0.0.1:{server.collectors_port}", "--token-file", token, "--collectors", 2, "--pushes", 1, "--enrol-max", 5)
        self.assertEqual(done.returncode, 3)
        self.assertIn("only 1 of 2 collectors have enrolled: enrolling: the server refused to enrol this collector, status 401", done.stderr)
        self.assertEqual(json.loads(done.stdout)["pushes"], 0)

    def load_program(self, *arguments):
        return subprocess.run([machine.binary("pganalytics-load"), "run", "--directory", self.directory / "spools", "--sources-dir", load.SOURCES, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60)
