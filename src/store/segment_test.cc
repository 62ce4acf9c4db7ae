#include "store/segment.h"

#include <doctest/doctest.h>

#include "store/frames_testing.h"
#include "store/limits.h"

namespace pga::store {

using namespace testing;

namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kStart = 1'795'176'000 * kSecond;

std::vector<Block> blocks_of(SegmentWriter& writer) {
  writer.finish();
  return writer.take();
}

}  // namespace

TEST_CASE("a segment is one block a table, batch headers last, and the same again when it is made again") {
  const std::vector<catalog::Source> sources = {small_source()};
  FrameBuilder builder;
  builder.batch(sources[0].schema(), kStart, 60 * kSecond);
  builder.row({{"name", txt("a")}, {"hits", num(3)}});
  builder.batch(sources[0].schema(), kStart + 400 * kSecond, 60 * kSecond);
  builder.row({{"name", txt("b")}});
  builder.frame().frame.gaps.push_back({1, 2, kStart, kStart + 1, 100, "spool full"});
  const auto frames = builder.take();

  std::vector<Block> made[2];
  for (auto& blocks : made) {
    SegmentWriter writer(sources, 5);
    for (const StoredFrame& frame : frames) writer.add(frame);
    CHECK(writer.take().empty());
    blocks = blocks_of(writer);
    CHECK(writer.summary().rows == 2);
    CHECK(writer.summary().batches == 2);
    CHECK(writer.summary().windows_us == std::vector<std::int64_t>{kStart, kStart + 300 * kSecond});
  }
  REQUIRE(made[0].size() == 3);
  CHECK(made[0][0].table == "test_things");
  CHECK(made[0][1].table == "batches");
  CHECK(made[0][2].table == "gaps");
  for (std::size_t i = 0; i < 3; ++i) CHECK(made[0][i].data == made[1][i].data);
}

TEST_CASE("unknown sources are refused and counted, unknown columns ignored and counted, headers always kept") {
  const std::vector<catalog::Source> sources = {small_source()};
  wire::Schema schema = sources[0].schema();
  schema.columns[2].name = "misses";
  FrameBuilder builder;
  builder.batch({"test.unknown", {{"x", wire::ColumnKind::kGauge, wire::ColumnType::kInt}}}, kStart, 0);
  builder.row({{"x", num(1)}});
  builder.row({{"x", num(2)}});
  builder.batch(schema, kStart, 0);
  builder.row({{"name", txt("a")}, {"misses", num(1)}});
  SegmentWriter writer(sources, 1);
  writer.add(builder.frame());
  const InsertSummary summary = writer.summary();
  CHECK(summary.rows == 1);
  CHECK(summary.rows_refused == 2);
  CHECK(summary.cells_ignored == 1);
  CHECK(summary.batches == 2);
}

TEST_CASE("a reading from another century is stored at its arrival, because its day would be a partition of its own") {
  const std::vector<catalog::Source> sources = {small_source()};
  FrameBuilder builder;
  builder.batch(sources[0].schema(), 0, 0);
  builder.row({{"name", txt("a")}});
  builder.frame().received_us = kStart;
  SegmentWriter writer(sources, 1);
  writer.add(builder.frame());
  CHECK(writer.summary().clocks_mended == 1);
  CHECK(writer.summary().windows_us == std::vector<std::int64_t>{kStart});
}

TEST_CASE("a large segment is cut into blocks, and text that repetition would multiply is refused") {
  const std::vector<catalog::Source> sources = {small_source()};
  SUBCASE("by rows") {
    FrameBuilder builder;
    builder.batch(sources[0].schema(), kStart, 0);
    for (std::size_t i = 0; i < kBlockRowsMax + 10; ++i) builder.row({{"id", num(static_cast<std::int64_t>(i))}});
    SegmentWriter writer(sources, 1);
    writer.add(builder.frame());
    const auto full = writer.take();
    REQUIRE(full.size() == 1);
    CHECK(full[0].part == 0);
    const auto rest = blocks_of(writer);
    REQUIRE(rest.size() == 2);
    CHECK(rest[0].part == 1);
    CHECK(writer.summary().rows == kBlockRowsMax + 10);
  }
  SUBCASE("by text") {
    FrameBuilder builder;
    builder.batch(sources[0].schema(), kStart, 0);
    const std::string text(64 * kKiB, 'x');
    for (std::size_t i = 0; i < 1'100; ++i) builder.row({{"note", txt(text)}});
    SegmentWriter writer(sources, 1);
    writer.add(builder.frame());
    CHECK(writer.summary().rows_refused == 1'100);
  }
}

}  // namespace pga::store
