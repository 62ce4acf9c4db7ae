"""Adding a statistic is one YAML file: it appears in the store, the API and the reference page without a rebuild."""

from support import SystemTest, cluster, rows_of, server_named

from lab import programs

DECLARATION = """
name: lab.answers
doc: The answer to everything, asked of PostgreSQL.
scope: instance
interval: 1s
limits: { rows: 10, timeout: 1s }
from: "(SELECT 'life' AS question, 42::bigint AS answer, 1.5::float8 AS doubt) s"
columns:
  question: { kind: key, type: text, doc: What was asked. }
  answer:   { kind: gauge, unit: points, doc: What came back. }
  doubt:    { kind: gauge, type: float, source_unit: milliseconds, unit: nanoseconds, doc: How long it hesitated. }
"""
BROKEN = DECLARATION.replace("lab.answers", "lab.broken").replace("kind: gauge, unit: points", "kind: gaugee, unit: points")


class OwnSource(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.own = cls.directory / "sources"
        cls.own.mkdir()
        (cls.own / "answers.yaml").write_text(DECLARATION)
        cls.watched = cls.server(sources_dir=cls.own)
        cls.probe = cls.collector("collector", cls.watched, [cls.target(cluster(18), "own")], sources_dir=cls.own)
        cls.api = cls.watched.login()

    def test_it_is_among_the_sources_of_the_api(self):
        declared = {s["name"]: s for s in self.api.get("/sources")["sources"]}
        self.assertIn("lab.answers", declared)
        self.assertEqual([c["name"] for c in declared["lab.answers"]["columns"]][:3], ["question", "answer", "doubt"])

    def test_its_rows_are_stored_and_answered(self):
        def found():
            entry = server_named(self.api, "own")
            return entry and rows_of(self.api, entry["id"], "lab.answers")
        row = self.eventually("a row of lab.answers", found)[0]
        self.assertEqual((row["question"], row["answer"], row["doubt"]), ("life", 42, 1_500_000))
        stored = self.watched.engine.query("SELECT DISTINCT question, answer FROM pganalytics.lab_answers")
        self.assertEqual(stored, [{"question": "life", "answer": 42}])

    def test_it_is_in_the_generated_reference(self):
        page = programs.run("pganalytics-server", "sources", "--markdown", "--config", self.watched.config).stdout
        self.assertIn("lab.answers", page)
        self.assertIn("The answer to everything", page)

    def test_a_broken_declaration_is_refused_with_file_line_and_key(self):
        broken = self.directory / "broken"
        broken.mkdir()
        (broken / "broken.yaml").write_text(BROKEN)
        other = programs.Collector(self.directory / "other", self.watched, [self.target(cluster(18), "own")], sources_dir=broken, token="x")
        done = programs.run("pganalytics-collector", "--config", other.config, "--check", check=False)
        self.assertNotEqual(done.returncode, 0)
        for part in ("broken.yaml:10", "kind", "gauge"):
            self.assertIn(part, done.stdout + done.stderr)
