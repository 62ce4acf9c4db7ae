"""The wire as others see it: a reader written from its text, both spellings, and the change from one to the other while it runs."""

import json
import signal

import jsonschema

from support import SystemTest, machine, shop_cluster

from lab import frame, store
from lab.spooled import spooled_frames

TESTDATA = machine.ROOT / "src/wire/testdata"

class Vectors(SystemTest):
    """A second implementation, in another language, from the text alone."""

    def test_it_reads_every_vector_and_says_what_the_json_says(self):
        names = sorted(TESTDATA.glob("*.hex"))
        self.assertGreater(len(names), 15)
        streams = {}
        for path in names:
            with self.subTest(path.stem):
                dictionary = streams.setdefault(path.stem.rpartition("-")[0], frame.Dictionary()) if path.stem.startswith("stream-") else None
                got = frame.Frame(frame.from_hex(path), dictionary)
                self.assertEqual(got.content(), frame.twin_content(path.with_suffix(".json").read_text(encoding="utf-8")))

    def test_a_frame_of_a_stream_is_not_read_without_its_dictionary(self):
        with self.assertRaisesRegex(frame.Refused, "dictionary wanted"):
            frame.Frame(frame.from_hex(TESTDATA / "stream-2.hex"))


    def test_every_twin_is_valid_by_the_published_schema_and_nonsense_is_not(self):
        schema = json.loads((machine.ROOT / "docs/reference/frame.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for path in sorted(TESTDATA.glob("*.json")):
            with self.subTest(path.stem):
                validator.validate(json.loads(path.read_text(encoding="utf-8")))
        good = json.loads((TESTDATA / "example.json").read_text(encoding="utf-8"))
        for change in ({"version": 2}, {"epoch": -1}, {"batchs": []}, {"gaps": [{}]}):
            self.assertFalse(validator.is_valid({**good, **change}), change)


class Live(SystemTest):
    """A collector and a server under the shop's load."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pg = shop_cluster()
        workload = machine.Child("workload", ["/usr/bin/python3", "-B", "-m", "lab.shop", "--port", cls.pg.port],
                                 cls.directory / "workload.log", env={"PYTHONPATH": str(machine.ROOT / "tests")})
        cls.addClassCleanup(workload.stop)

    def pushed(self, collector, frames):
        before = collector.status()["frames_acked"]
        self.eventually(f"{frames} more frames are pushed", lambda: collector.status()["frames_acked"] >= before + frames, 30)

    def assert_every_row_is_stored(self, server, collector):
        collector.stop()
        status = collector.status()
        self.assertEqual((status["spool_records"], status["frames_quarantined"]), (0, 0))
        texts = store.text_tables(server.engine)
        self.eventually("every acknowledged row is in the store",
                        lambda: store.rows_kept(server.engine) == status["rows_acked"] > 0, 20)
        # The headers of a segment come after its rows.
        self.eventually("and is announced", lambda: store.rows_stored(server.engine, texts) == store.rows_announced(server.engine, texts), 20)
        self.assertEqual(store.doubled(server.engine), {})

    def test_frames_of_the_spool_are_read_by_the_second_implementation(self):
        server = self.server("spool-server")
        collector = self.collector("spooling", server, [self.target(self.pg, "spooling")], host=True).wait_pushed()
        server.kill()

        def missing():
            """Which of the wanted sources have no row in the spool yet; sessions may be at rest in one sample or another."""
            wanted = {"postgres.statements", "postgres.tables", "postgres.activity", "host.cpu"}
            for payload in spooled_frames(collector.state):
                wanted -= {batch["source"] for batch in frame.Frame(payload).content()["batches"] if batch["rows"]}
            return wanted

        self.eventually("rows of every source wait in the spool, as docs/wire.md says", lambda: not missing(), 60)
        collector.kill()
        self.assertEqual(missing(), set())

    def test_a_running_collector_changes_its_format_and_loses_nothing(self):
        server = self.server("changing-server")
        collector = self.collector("changing", server, [self.target(self.pg, "changing")]).wait_pushed()
        text = collector.config.read_text()
        self.pushed(collector, 3)
        for value, said in (("json", "frames are sent as JSON from now on"), ("binary", "frames are sent in binary from now on")):
            collector.config.write_text(text.replace("server:\n", f"server:\n  format: {value}\n"))
            collector.child.process.send_signal(signal.SIGHUP)
            self.eventually(said, lambda said=said: said in collector.log(), 10)
            self.pushed(collector, 3)
        collector.config.write_text(text.replace("server:\n", "server:\n  format: jsen\n"))
        collector.child.process.send_signal(signal.SIGHUP)
        self.eventually("a wrong configuration is refused as a whole", lambda: "the configuration stays as it is" in collector.log(), 10)
        self.assertIn('is "jsen"; it must be one of binary, json', collector.log())
        collector.config.write_text(text)
        self.pushed(collector, 1)
        self.assert_every_row_is_stored(server, collector)

    def test_a_server_that_takes_only_json_gets_json(self):
        server = self.server("json-server", formats="json")
        collector = self.collector("falling-back", server, [self.target(self.pg, "falling-back")]).wait_pushed()
        self.pushed(collector, 2)
        self.assertIn("the server takes no binary frames", collector.log())
        self.assert_every_row_is_stored(server, collector)

    def test_a_server_that_forgot_the_dictionary_gets_frames_that_stand_alone(self):
        server = self.server("forgetting-server")
        collector = self.collector("remembering", server, [self.target(self.pg, "remembering")]).wait_pushed()
        self.pushed(collector, 3)
        server.kill()
        server.start()
        self.pushed(collector, 3)
        self.assert_every_row_is_stored(server, collector)
