#include "catalog/catalog.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

namespace pga::catalog {
namespace {

constexpr const char* kGood = R"(name: my.source
doc: A source.
scope: instance
interval: 60s
from: [new_view, old_view]
columns:
  name: { kind: key, type: text, doc: A key. }
  hits: { kind: counter, unit: calls, names: [hits, old_hits], doc: Hits. }
  took: { kind: counter, type: float, source_unit: milliseconds, unit: nanoseconds, doc: Time. }
)";

std::string with(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

constexpr const char* kMoved = R"(name: my.moved
doc: d
scope: instance
ship: changed
interval: 60s
from: "{moved} m"
moved:
  rows: ["{schema}.f", g]
  by: [id, r.place, name, hits, took]
order: id
limits: { rows: 3000 }
columns:
  id:   { kind: key, doc: d }
  name: { kind: key, type: text, doc: d }
  hits: { kind: counter, unit: calls, doc: d }
  took: { kind: counter, type: float, source_unit: milliseconds, unit: nanoseconds, names: [took, old_took], doc: d }
)";

TEST_CASE("every built-in declaration is valid and its names are unique") {
  const auto catalog = Catalog::load();
  REQUIRE_MESSAGE(catalog, (catalog ? "" : catalog.error().message));
  CHECK(catalog->sources().size() >= 15);
  for (const char* name : {"postgres.statements", "postgres.statement_texts", "postgres.activity", "postgres.databases", "postgres.tables",
                           "postgres.indexes", "postgres.bgwriter", "postgres.checkpointer", "postgres.wal", "postgres.io",
                           "postgres.replication", "host.cpu", "host.memory", "host.disks", "host.filesystems"}) {
    CHECK_MESSAGE(catalog->find(name) != nullptr, name);
  }
}

TEST_CASE("a declaration with a mistake is refused with file, line and key") {
  struct Case {
    const char* what;
    std::string yaml;
    const char* error;
  };
  const Case cases[] = {
      {"misspelled key", with(kGood, "interval:", "intervall:"),
       "f.yaml:4: key \"intervall\" of the declaration is not known; did you mean \"interval\"?"},
      {"misspelled column key", with(kGood, "unit: calls", "units: calls"),
       "f.yaml:8: key \"units\" of column \"hits\" is not known; did you mean \"unit\"?"},
      {"no doc", with(kGood, "doc: A source.\n", ""), "f.yaml:1: the declaration needs the key \"doc\""},
      {"interval without a unit", with(kGood, "60s", "60"), "f.yaml:4: key \"interval\": \"60\" is not a duration such as 10s, 5m or 7d"},
      {"unknown kind", with(kGood, "kind: counter, unit", "kind: count, unit"),
       "f.yaml:8: key \"kind\" of column \"hits\" is \"count\"; it must be one of key, counter, gauge, text, time"},
      {"counter of floats", with(kGood, "source_unit: milliseconds, unit: nanoseconds", "unit: x"),
       "f.yaml:9: column \"took\": a counter must be a whole number; give a float a unit and a source_unit that make it one"},
      {"unknown conversion", with(kGood, "source_unit: milliseconds", "source_unit: fortnights"),
       "f.yaml:9: column \"took\": no conversion from \"fortnights\" to \"nanoseconds\" is known"},
      {"reserved column", with(kGood, "  hits:", "  segment:"), "f.yaml:8: column name \"segment\" is taken by the store"},
      {"reserved column of a roll-up", with(kGood, "  hits:", "  samples:"), "f.yaml:8: column name \"samples\" is taken by the store"},
      {"column twice", with(kGood, "  took:", "  hits:"), "f.yaml:7: column \"hits\" stands twice"},
      {"name without a dot", with(kGood, "my.source", "mysource"),
       "f.yaml:1: name \"mysource\" must be like \"postgres.archiver\": lower case, with a dot"},
      {"resets_with nothing", with(kGood, "interval: 60s", "interval: 60s\nresets_with: nothing"),
       "f.yaml:5: resets_with names \"nothing\", which is not a column"},
      {"a counter that travels when it changed", with(kGood, "unit: calls, names", "unit: calls, ship: changed, names"),
       "f.yaml:8: column \"hits\": ship: changed is for gauges and times that are no text and nullable"},
      {"a deviation of nothing", with(kGood, "took: { kind: counter", "took: { deviation_of: x, over: hits, kind: gauge"),
       "f.yaml:9: column \"took\": \"x\" is not a counter of this source"},
      {"a deviation over nothing", with(kGood, "took: { kind: counter", "took: { deviation_of: hits, kind: gauge"),
       "f.yaml:9: column \"took\": over goes together with one of deviation_of and time_left_of"},
      {"a time left of a series",
       with(kGood, "took: { kind: counter, type: float, source_unit: milliseconds, unit: nanoseconds",
            "took: { time_left_of: hits, over: hits, kind: gauge, unit: microseconds"),
       "f.yaml:9: column \"took\": only sources of shape samples have times left"},
      {"parts of nothing", with(kGood, "interval: 60s", "interval: 60s\nparts: { key: nothing, of: hits }"),
       "f.yaml:5: parts are of a series: \"key\" is a key and \"of\" a gauge, both whole numbers, \"within\" names keys"},
      {"a time left that is read",
       with(kGood, "took: { kind: counter, type: float, source_unit: milliseconds, unit: nanoseconds",
            "took: { time_left_of: hits, over: hits, kind: gauge, unit: microseconds, sql: \"1\""),
       "f.yaml:9: column \"took\": a time left is a nullable gauge in microseconds that is not read"},
      {"objects with counters", with(kGood, "interval: 60s", "interval: 60s\nshape: objects"),
       "f.yaml:1: only sources of shape series can have counters"},
      {"a redaction that we do not know", with(kGood, "name: { kind: key,", "name: { kind: key, redact: all,"),
       "f.yaml:7: column \"name\": redact is \"sql\", and for texts only"},
      {"no SQL", with(kGood, "from: [new_view, old_view]\n", ""),
       "f.yaml:1: a source of scope instance needs either \"from\" or, if it is not read by a SELECT, \"reader\""},
      {"expressions of a pooler", with(with(kGood, "scope: instance", "scope: pooler"), "from: [new_view, old_view]", "from: SELECT 1"),
       "f.yaml:5: a source of scope pooler is read \"from\" one command such as SHOW POOLS, as it is"},
      {"sums of a server", with(kGood, "kind: counter, unit: calls", "kind: gauge, combine: sum"),
       "f.yaml:8: column \"hits\": only sources of scope pooler can have \"combine\" and \"plus\""},
      {"a counter that is summed", with(kGood, "unit: calls, names", "combine: sum, unit: calls, names"),
       "f.yaml:8: column \"hits\": combine and plus are for gauges of type int"},
      {"moved rows that nothing stands for", with(kMoved, "\"{moved} m\"", "m"),
       "f.yaml:6: with \"moved\", \"from\" is one text in which {moved} stands for the rows"},
      {"moved rows of which all travel", with(kMoved, "ship: changed\n", ""),
       "f.yaml:7: moved is for sources of shape series with ship: changed and more than 2000 rows or 2s, without \"locked\""},
      {"moved rows by nothing", with(kMoved, "  by: [id, r.place, name, hits, took]\n", ""), "f.yaml:8: moved needs \"rows\" and \"by\""},
      {"not YAML", "a: [", "f.yaml:1: end of sequence flow not found"},
      {"a list", "- a", "f.yaml:1: the declaration must be a mapping"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto got = Catalog::parse(c.yaml, "f.yaml");
    REQUIRE(!got);
    CHECK(got.error().message == c.error);
  }
}

TEST_CASE("the SELECT uses the spelling that the server has and names what is missing") {
  const auto source = Catalog::parse(kGood, "f.yaml");
  REQUIRE(source);
  CHECK(probe_sql(*source, 1, "") == "SELECT * FROM old_view WHERE false");
  const auto plan = read_plan(*source, 1, "", {"name", "old_hits"});
  REQUIRE(plan);
  CHECK(plan->sql == "SELECT (\"name\")::text, (\"old_hits\")::bigint FROM old_view LIMIT 1001");
  CHECK(plan->columns == std::vector<std::size_t>{0, 1});
  CHECK(plan->missing == std::vector<std::string>{"took"});
  const auto keyless = read_plan(*source, 0, "", {"hits"});
  REQUIRE(!keyless);
  CHECK(keyless.error().message == "key column name of my.source does not exist on this server");
}

TEST_CASE("a plan for moved rows asks for those whose marks are not known and for the marks that no row has") {
  const auto source = Catalog::parse(kMoved, "f.yaml");
  REQUIRE(source);
  CHECK(probe_sql(*source, 0, "x") == "SELECT * FROM (SELECT r.* FROM x.f r) m WHERE false");
  const auto plan = read_plan(*source, 1, "x", {"id", "name", "old_took"});
  REQUIRE(plan);
  const std::string mark =
      "hashfloat8extended(coalesce((r.\"old_took\")::float8, 0), hashtextextended(coalesce((r.\"name\")::text COLLATE \"C\", ''), "
      "hashint8extended(coalesce((r.place)::bigint, 0), hashint8extended((r.\"id\")::bigint, 0))))";
  const std::string cells = "SELECT (\"id\")::bigint, (\"name\")::text, (\"old_took\")::float8, pga_mark";
  CHECK(plan->sql == cells + " FROM (SELECT r.*, " + mark + " AS pga_mark FROM g r) m ORDER BY id LIMIT 3001");
  CHECK(plan->moved_sql == cells + ", pga_gone FROM (SELECT r.*, " + mark + " AS pga_mark, k.mark AS pga_gone FROM g r FULL JOIN " +
                               "unnest((SELECT $1::bigint[])) k(mark) ON k.mark = " + mark +
                               " WHERE k.mark IS NULL OR (r.\"id\") IS NULL) m ORDER BY id LIMIT 6001");
  CHECK(plan->missing == std::vector<std::string>{"hits"});
}

TEST_CASE("rows whose relation is held exclusively are left out and counted") {
  const auto source = Catalog::parse(with(kGood, "from: [", "locked: c.oid\nwhere: a OR b\nfrom: ["), "f.yaml");
  REQUIRE(source);
  const auto plan = read_plan(*source, 1, "", {"name", "old_hits"});
  REQUIRE(plan);
  CHECK(plan->counts_locked);
  const std::string held =
      "c.oid IN (SELECT relation FROM pg_catalog.pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL AND database = "
      "(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))";
  CHECK(plan->sql == "SELECT (\"name\")::text, (\"old_hits\")::bigint, (SELECT count(*) FROM old_view WHERE (a OR b) AND " + held +
                         ") FROM old_view WHERE (a OR b) AND (" + held + ") IS NOT TRUE LIMIT 1001");
}

TEST_CASE("several plans are one statement that says of each row whose it is") {
  const ReadPlan narrow{"SELECT a FROM x LIMIT 2", {0}, {}, false}, wide{"SELECT b, c, d FROM y LIMIT 3", {0, 1}, {}, true};
  CHECK(union_sql({&narrow, &wide}) ==
        "SELECT 0, c0::text, NULL, NULL FROM (SELECT a FROM x LIMIT 2) s0(c0) UNION ALL "
        "SELECT 1, c0::text, c1::text, c2::text FROM (SELECT b, c, d FROM y LIMIT 3) s1(c0, c1, c2)");
}

TEST_CASE("a schema of objects ends with what happened to them") {
  const auto source = Catalog::parse(
      "name: t.roles\ndoc: d\nscope: instance\nshape: objects\ninterval: 1h\nfrom: pg_roles\ncolumns:\n  rolname: { kind: key, type: text, "
      "doc: d "
      "}\n  note: { kind: text, redact: sql, doc: d }\n",
      "f.yaml");
  REQUIRE(source);
  CHECK(source->full_every == std::chrono::hours{24});
  CHECK(source->columns[1].redact_sql);
  CHECK(source->schema().columns.back() == wire::ColumnSchema{"change", wire::ColumnKind::kGauge, wire::ColumnType::kString});
}

TEST_CASE("a schema has the declared columns and the estimated flag where there are counters") {
  const auto source = Catalog::parse(kGood, "f.yaml");
  REQUIRE(source);
  const wire::Schema schema = source->schema();
  REQUIRE(schema.columns.size() == 4);
  CHECK(schema.columns[2].type == wire::ColumnType::kInt);
  CHECK(schema.columns[3].name == "estimated");
}

TEST_CASE("the reference page in the repository is the one that the declarations make") {
  const auto catalog = Catalog::load();
  REQUIRE(catalog);
  std::ifstream file(std::string(PGA_SOURCE_DIR) + "/docs/reference/sources.md");
  std::stringstream page;
  page << file.rdbuf();
  CHECK_MESSAGE(page.str() == reference_markdown(*catalog),
                "run: build/dev/bin/pganalytics-server sources --markdown > docs/reference/sources.md");
}

TEST_CASE("identifiers are quoted so that no name ends the quotation") {
  CHECK(quote_identifier("plain") == "\"plain\"");
  CHECK(quote_identifier("a\"; drop table x; --") == "\"a\"\"; drop table x; --\"");
}

TEST_CASE("a catalog with every row has no source that leaves any at home") {
  const auto catalog = Catalog::load();
  REQUIRE(catalog);
  const Catalog every = catalog->with_every_row();
  REQUIRE(every.sources().size() == catalog->sources().size());
  bool differs = false;
  for (const Source& source : every.sources()) {
    CAPTURE(source.name);
    CHECK(source.ship == Ship::kAll);
    CHECK(source.full_every.count() == 0);
    for (const Column& column : source.columns) CHECK_FALSE(column.only_changed);
    differs = differs || catalog->find(source.name)->ship != Ship::kAll;
  }
  CHECK(differs);
}

}  // namespace
}  // namespace pga::catalog
