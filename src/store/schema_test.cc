#include "store/schema.h"

#include <doctest/doctest.h>

#include "store/frames_testing.h"

namespace pga::store {

using testing::small_source;

TEST_CASE("a series becomes a raw table and two roll-ups") {
  const catalog::Source source = small_source();
  CHECK(create_table_sql("db", raw_table(source), {}) ==
        "CREATE TABLE IF NOT EXISTS `db`.`test_things` (`tenant` UInt32 CODEC(ZSTD(1)), `server` UInt32 CODEC(ZSTD(1)), "
        "`ts` DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), `interval_us` Int64 CODEC(T64, ZSTD(1)), `segment` UInt64 CODEC(Delta, ZSTD(1)), "
        "`name` LowCardinality(String) CODEC(ZSTD(1)), `id` Int64 CODEC(ZSTD(1)), `hits` Int64 CODEC(T64, ZSTD(1)), "
        "`size` Nullable(Int64) CODEC(T64, ZSTD(1)), `ratio` Nullable(Float64) CODEC(ZSTD(1)), `open` Nullable(Bool) CODEC(ZSTD(1)), "
        "`since` Nullable(DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)), `note` Nullable(String) CODEC(ZSTD(1)), "
        "`state` LowCardinality(Nullable(String)) CODEC(ZSTD(1)), `estimated` Bool CODEC(ZSTD(1))) ENGINE = MergeTree PARTITION BY "
        "toDate(ts) "
        "ORDER BY (tenant, server, toStartOfHour(ts), `name`, `id`, ts) SETTINGS non_replicated_deduplication_window = 10000");
  const TableDef rollup = rollup_table(source, Resolution::kFiveMinutes);
  CHECK(rollup.name == "test_things_5m");
  CHECK(rollup.partition_by == "toMonday(bucket)");
  CHECK(rollup.order_by == "tenant, server, toDate(bucket), `name`, `id`, bucket");
  CHECK(rollup_table(source, Resolution::kOneHour).order_by == "tenant, server, `name`, `id`, bucket");
  CHECK(
      rollup_sql("db", source, Resolution::kOneHour) ==
      "INSERT INTO `db`.`test_things_1h` (`tenant`, `server`, `bucket`, `segment`, `samples`, `last_ts`, `name`, `id`, `hits`, `size`, "
      "`size__max`, `ratio`, "
      "`ratio__max`, `open`, `since`, `note`, `state`, `estimated`) SELECT tenant AS r0, server AS r1, toDateTime({window:Int64}, 'UTC') "
      "AS r2, {through:UInt64} AS r3, "
      "count() AS r4, max(ts) AS r5, `name` AS r6, `id` AS r7, sum(`hits`) AS r8, argMax(tuple(`size`), ts).1 AS r9, max(`size`) AS r10, "
      "argMax(tuple(`ratio`), ts).1 AS r11, max(`ratio`) AS r12, argMax(tuple(`open`), ts).1 AS r13, argMax(tuple(`since`), ts).1 AS r14, "
      "argMax(tuple(`note`), ts).1 AS r15, argMax(tuple(`state`), ts).1 AS r16, max(estimated) AS r17 FROM `db`.`test_things` "
      "WHERE ts >= toDateTime({window:Int64}, 'UTC') AND ts < toDateTime({end:Int64}, 'UTC') AND segment > {after:UInt64} AND segment <= "
      "{through:UInt64} "
      "GROUP BY tenant, server, `name`, `id` ORDER BY tenant, server, `name`, `id`");
}

TEST_CASE("texts are one row per key and have no roll-up, samples roll up to counts") {
  catalog::Source source = small_source();
  source.shape = catalog::Shape::kTexts;
  CHECK(raw_table(source).engine == "ReplacingMergeTree(ts)");
  CHECK(raw_table(source).partition_by.empty());
  CHECK(raw_table(source).order_by == "tenant, server, `name`, `id`");
  CHECK(!has_rollups(source));
  source.shape = catalog::Shape::kSamples;
  std::vector<std::string> names;
  for (const TableDefColumn& c : rollup_table(source, Resolution::kFiveMinutes).columns) names.push_back(c.name);
  CHECK(names == std::vector<std::string>{"tenant", "server", "bucket", "segment", "samples", "last_ts", "name", "id"});
}

TEST_CASE("a replicated table differs by its engine, its window and ON CLUSTER") {
  const std::string sql = create_table_sql("db", gaps_table(), {true, "fleet"});
  CHECK(sql.find("`gaps` ON CLUSTER `fleet` (") != std::string::npos);
  CHECK(sql.find("ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}') PARTITION BY") !=
        std::string::npos);
  CHECK(sql.find(" SETTINGS replicated_deduplication_window = 10000") != std::string::npos);
  catalog::Source texts = small_source();
  texts.shape = catalog::Shape::kTexts;
  CHECK(create_table_sql("db", raw_table(texts), {true, "fleet"})
            .find("ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', ts)") != std::string::npos);
}

TEST_CASE("a key that may be null is allowed in the order") {
  catalog::Source source = small_source();
  source.columns[0].nullable = true;
  CHECK(create_table_sql("db", raw_table(source), {}).ends_with("non_replicated_deduplication_window = 10000, allow_nullable_key = 1"));
}

TEST_CASE("declarations that cannot be tables are refused by name") {
  struct Case {
    const char* what;
    std::vector<catalog::Source> sources;
    const char* error;
  };
  catalog::Source own = small_source(), twice = small_source(), clash = small_source(), other = small_source();
  own.columns[0].name = "ts";
  twice.columns[0].name = "id";
  clash.columns[7].name = "size__max";
  other.name = "test_things";
  const Case cases[] = {
      {"a column of ours", {own}, "things.yaml: column \"ts\" of test.things has a name that the store uses itself"},
      {"a column twice", {twice}, "table test_things would have the column id twice"},
      {"a column that a roll-up makes", {clash}, "table test_things_5m would have the column size__max twice"},
      {"two names, one table", {small_source(), other}, "two sources would share the table test_things"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto tables = all_tables(c.sources);
    REQUIRE(!tables);
    CHECK(tables.error().message == c.error);
  }
  CHECK(all_tables({small_source()})->size() == 7);
}

TEST_CASE("every built-in declaration can be a table") {
  const auto catalog = catalog::Catalog::load();
  REQUIRE(catalog);
  const auto tables = all_tables(catalog->sources());
  REQUIRE_MESSAGE(tables, (tables ? "" : tables.error().message));
}

}  // namespace pga::store
