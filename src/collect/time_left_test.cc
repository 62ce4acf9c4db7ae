#include "collect/time_left.h"

#include <doctest/doctest.h>

namespace pga::collect {
namespace {

constexpr const char* kDeclaration = R"(name: a.progress
doc: d
scope: instance
shape: samples
interval: 10s
from: p
columns:
  phase: { kind: key, type: text, doc: d }
  started: { kind: time, doc: d }
  done: { kind: gauge, doc: d }
  total: { kind: gauge, doc: d }
  time_left_us: { kind: gauge, unit: microseconds, time_left_of: done, over: total, doc: d }
)";

struct Row {
  std::string_view phase;
  std::int64_t started = 0;
  std::optional<std::int64_t> done, total;
};

// What is left of each row, in seconds; -1: nothing is said.
std::vector<double> left(TimeLeft& time_left, std::int64_t at_s, const std::vector<Row>& rows) {
  Reading reading;
  reading.started_us = at_s * 1'000'000;
  reading.cells.rows = rows.size();
  reading.cells.columns.resize(5);
  const auto add = [&](std::size_t column, std::optional<std::int64_t> value) {
    reading.cells.columns[column].values.push_back(value.value_or(0));
    reading.cells.columns[column].present.push_back(value ? 1 : 0);
  };
  for (const Row& row : rows) {
    add(0, 0);
    reading.cells.columns[0].present.back() = 1;
    reading.cells.columns[0].texts.push_back(row.phase);
    add(1, row.started);
    add(2, row.done);
    add(3, row.total);
    add(4, std::nullopt);
  }
  time_left.apply(reading);
  std::vector<double> out;
  const CellColumn& column = reading.cells.columns[4];
  for (std::size_t row = 0; row < rows.size(); ++row) {
    out.push_back(column.present[row] == 0 ? -1 : static_cast<double>(column.values[row]) / 1e6);
  }
  return out;
}

using Left = std::vector<double>;

TEST_CASE("the time left follows the speed of the last minute, of each operation and phase for itself") {
  const catalog::Source source = catalog::Catalog::parse(kDeclaration, "test").value();
  TimeLeft time_left(source);
  CHECK(left(time_left, 100, {{"scan", 1, 0, 1000}}) == Left{-1});
  CHECK(left(time_left, 110, {{"scan", 1, 100, 1000}}) == Left{90});
  CHECK(left(time_left, 120, {{"scan", 1, 300, 1000}, {"scan", 2, 10, 20}}) == Left{46.666666, -1});
  CHECK(left(time_left, 130, {{"scan", 2, 15, 20}, {"write", 1, 5, 10}}) == Left{10, -1});  // another order, another phase
  CHECK(left(time_left, 140, {{"scan", 2, 20, 20}, {"write", 1, 5, 10}}) == Left{0, -1});   // nothing moved: no speed
  CHECK(left(time_left, 150, {{"write", 1, 4, 10}}) == Left{-1});                           // from the beginning
  CHECK(left(time_left, 160, {{"write", 1, 6, 10}}) == Left{20});
  // What was fast long ago says nothing.
  for (std::int64_t at = 170; at <= 220; at += 10) left(time_left, at, {{"write", 1, 6, 10}});
  CHECK(left(time_left, 230, {{"write", 1, 6, 10}}) == Left{-1});
  CHECK(left(time_left, 240, {{"write", 1, 8, 10}}) == Left{60});
}

TEST_CASE("a clock that is set back tells no time") {
  const catalog::Source source = catalog::Catalog::parse(kDeclaration, "test").value();
  TimeLeft time_left(source);
  left(time_left, 100, {{"scan", 1, 0, 100}});
  CHECK(left(time_left, 40, {{"scan", 1, 10, 100}}) == Left{-1});
  CHECK(left(time_left, 50, {{"scan", 1, 20, 100}}) == Left{80});
}

TEST_CASE("without a total, beyond the total, or for ever: no time") {
  const catalog::Source source = catalog::Catalog::parse(kDeclaration, "test").value();
  TimeLeft time_left(source);
  left(time_left, 0, {{"a", 1, 0, std::nullopt}, {"b", 1, 0, 10}, {"c", 1, std::nullopt, 10}, {"d", 1, 0, INT64_MAX}});
  CHECK(left(time_left, 10, {{"a", 1, 5, std::nullopt}, {"b", 1, 11, 10}, {"c", 1, 5, 10}, {"d", 1, 1, INT64_MAX}}) ==
        Left{-1, -1, -1, -1});
}

}  // namespace
}  // namespace pga::collect
