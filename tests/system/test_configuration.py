"""What the server tells its collectors: configuration without a restart, approval before anything, and one authority after another."""

import json

from support import SystemTest, programs, shop_cluster

ONLY_HERE = """
name: test.only_here
doc: Declared on the server only.
scope: instance
interval: 1s
limits: { rows: 10, timeout: 1s }
from: "(SELECT 'life' AS question, 42::bigint AS answer) s"
columns:
  question: { kind: key, type: text, doc: What was asked. }
  answer:   { kind: gauge, unit: points, doc: What came back. }
"""


class Told(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = shop_cluster()
        sources = cls.directory / "sources"
        sources.mkdir()
        (sources / "only_here.yaml").write_text(ONLY_HERE, encoding="utf-8")
        cls.watched = cls.server(sources_dir=sources)

    def verb(self, *arguments, check=True):
        return programs.run("pganalytics-server", *arguments, "--config", self.watched.config, check=check)

    def configure(self, text, *whom):
        file = self.directory / "settings.yaml"
        file.write_text(text, encoding="utf-8")
        return json.loads(self.verb("collector", "configure", *whom, "--file", file, "--json").stdout)["version"]

    def listed(self, name):
        return next(c for c in json.loads(self.verb("collector", "list", "--json").stdout) if c["name"] == name)

    def readings(self, collector, source):
        """How many readings of the source the server has of this spool, and how many microseconds lay between the last two."""
        rows = self.watched.engine.query(f"SELECT toUnixTimestamp64Micro(ts) AS at FROM pganalytics.batches WHERE source = '{source}' "
                                         f"AND toString(epoch) = '{collector.status()['epoch']}' ORDER BY at")
        return [int(row["at"]) for row in rows]

    def test_a_collector_takes_what_the_server_says_without_a_restart_and_keeps_it(self):
        collector = self.collector("told", self.watched, [self.target(self.pg, "told")], intervals={"postgres.databases": "30s"}).wait_pushed()
        uuid = self.listed("told")["uuid"]
        version = self.configure("intervals:\n  postgres.wal: 1s\n  postgres.databases: 1s\nserver: {format: json}\nlog: {level: debug}\n", uuid)
        self.eventually("it is in force", lambda: collector.status()["configuration"] == version, 30)
        self.assertIn("frames are sent as JSON from now on", collector.log())
        self.eventually("the server knows", lambda: self.listed("told")["configuration_seen"] == version, 20)
        begun = len(self.readings(collector, "postgres.wal"))
        self.eventually("WAL is read every second", lambda: len(self.readings(collector, "postgres.wal")) >= begun + 5, 30)
        own = self.readings(collector, "postgres.databases")
        self.assertTrue(all(later - earlier > 20_000_000 for earlier, later in zip(own, own[1:])), own)  # its own file comes first

        pid = collector.child.pid
        self.verb("collector", "configure", uuid, "--withdraw")
        self.eventually("its own file holds again", lambda: collector.status()["configuration"] != version, 30)
        self.assertEqual(collector.child.pid, pid)
        again = self.configure("ship_interval: 2s\n", uuid)
        self.eventually("the next is in force", lambda: collector.status()["configuration"] == again, 30)
        collector.kill()
        self.watched.kill()
        (collector.state / "status.json").unlink()   # what the one before said
        collector.start()
        self.eventually("it is in force again, without a server", lambda: collector.status()["configuration"] == again, 20)
        self.watched.start()
        self.assertEqual(collector.status()["configuration_refused"], "")

    def test_what_one_collector_cannot_do_it_refuses_as_a_whole_and_goes_on(self):
        collector = self.collector("other", self.watched, [self.target(self.pg, "other")]).wait_pushed()
        uuid = self.listed("other")["uuid"]
        good = self.configure("log: {level: debug}\n", uuid)
        self.eventually("the good one is in force", lambda: collector.status()["configuration"] == good, 30)
        # The server has a declaration that this collector has not.
        bad = self.configure("ship_interval: 9m\nintervals: {test.only_here: 5s}\n", uuid)
        self.eventually("the server knows why", lambda: self.listed("other")["configuration_refused"], 30)
        self.assertIn('source "test.only_here" is not declared', self.listed("other")["configuration_refused"])
        self.assertEqual((self.listed("other")["configuration"], self.listed("other")["configuration_seen"]), (bad, bad))
        self.assertEqual(collector.status()["configuration"], good)
        acked = collector.status()["frames_acked"]
        self.eventually("it goes on as before", lambda: collector.status()["frames_acked"] >= acked + 3, 30)
        shown = next(c for c in self.watched.login().get("/collectors")["items"] if c["name"] == "other")
        self.assertIn("test.only_here", shown["configuration"]["refused"])

    def test_what_no_collector_could_do_is_not_handed_out(self):
        for text, said in (("targets: []\n", 'key "targets"'), ("server: {url: 'https://elsewhere:1'}\n", 'key "url"'), ("ship_interval: 1h\n", "1s to 10m"),
                           ("intervals: {postgres.wall: 1s}\n", 'did you mean "postgres.wal"?'), ("{", "wrong.yaml:")):
            file = self.directory / "wrong.yaml"
            file.write_text(text, encoding="utf-8")
            done = self.verb("collector", "configure", "--all", "--file", file, check=False)
            self.assertEqual(done.returncode, 2, text)
            self.assertIn(said, done.stderr)
        self.assertEqual(self.verb("collector", "configure", "--all", check=False).returncode, 2)

    def test_a_collector_waits_for_approval(self):
        collector = self.collector("waiting", self.watched, [self.target(self.pg, "waiting")], token=self.watched.token("--approval"))
        self.eventually("it says what it waits for", lambda: "collector approve" in collector.log(), 30)
        self.eventually("its frames wait in the spool", lambda: collector.status()["spool_records"] >= 2, 30)
        self.assertTrue(self.listed("waiting")["to_be_approved"])
        shown = next(c for c in self.watched.login().get("/collectors")["items"] if c["name"] == "waiting")
        self.assertEqual(shown["status"], "to_be_approved")
        self.verb("collector", "approve", self.listed("waiting")["uuid"])
        collector.wait_pushed(60)   # it was refused for a while: it tries again after 30 s at most
        self.eventually("all that waited was sent", lambda: collector.status()["spool_records"] <= 1, 60)


class Authority(SystemTest):
    """Certificates of six minutes are renewed every half minute, so that a day takes a minute."""

    def test_one_authority_follows_another_and_no_collector_enrols_again(self):
        pg = shop_cluster()
        server = self.server(certificate_life="6m")
        collector = self.collector("rotating", server, [self.target(pg, "rotating")]).wait_pushed()

        def rotate(*options):
            return programs.run("pganalytics-server", "ca", "rotate", "--config", server.config, *options, check=False)

        def restart():
            server.stop()
            server.start()

        first = (server.state / "ca.pem").read_text(encoding="ascii")
        self.assertIn("still signs", rotate().stdout)
        refused = rotate()
        self.assertEqual(refused.returncode, 3)
        self.assertIn("1 of 1 collectors are not ready (rotating)", refused.stderr)
        restart()
        self.eventually("it renewed and knows the next authority", lambda: rotate().returncode == 0, 120)
        second = (server.state / "ca.pem").read_text(encoding="ascii")
        self.assertNotEqual(first, second)
        restart()
        acked = collector.status()["frames_acked"]
        self.eventually("it talks to the server of the new authority", lambda: collector.status()["frames_acked"] >= acked + 3, 60)
        self.eventually("it was signed by the new authority", lambda: rotate().returncode == 0, 120)
        restart()
        self.assertFalse((server.state / "ca.previous.pem").exists())
        acked = collector.status()["frames_acked"]
        self.eventually("it talks to the server that forgot the old one", lambda: collector.status()["frames_acked"] >= acked + 3, 60)
        self.assertEqual(len(json.loads(programs.run("pganalytics-server", "collector", "list", "--config", server.config, "--json").stdout)), 1)
        self.assertEqual(collector.log().count("enrolled at"), 1)
