#include "collect/objects.h"

#include <doctest/doctest.h>

#include <optional>

namespace pga::collect {
namespace {

catalog::Source source() {
  auto parsed = catalog::Catalog::parse(R"(name: t.settings
doc: d
scope: instance
shape: objects
interval: 10s
full_every: 100s
from: v
columns:
  role:  { kind: key, doc: d }
  name:  { kind: key, type: text, doc: d }
  value: { kind: text, doc: d }
  size:  { kind: gauge, unit: bytes, doc: d }
)",
                                        "t.yaml");
  REQUIRE(parsed);
  return *parsed;
}

struct In {
  std::int64_t role;
  std::string name;
  std::optional<std::string> value;
  std::optional<std::int64_t> size;
};

// "role name value size change;…", "-" for null.
std::string shipped(Objects& objects, std::int64_t seconds, const std::vector<In>& rows, wire::Outcome outcome = wire::Outcome::kComplete) {
  Reading r;
  r.outcome = outcome;
  r.started_us = seconds * 1'000'000;
  r.cells.rows = rows.size();
  r.cells.columns.resize(4);
  for (const In& in : rows) {
    r.cells.columns[0].values.push_back(in.role);
    r.cells.columns[3].values.push_back(in.size.value_or(0));
    r.cells.columns[1].texts.push_back(in.name);
    r.cells.columns[2].texts.push_back(in.value ? std::string_view(*in.value) : std::string_view());
    for (const bool there : {true, true, in.value.has_value(), in.size.has_value()}) {
      static int column = 0;
      r.cells.columns[static_cast<std::size_t>(column)].present.push_back(there ? 1 : 0);
      column = (column + 1) % 4;
    }
  }
  for (CellColumn& column : r.cells.columns) column.values.resize(rows.size());
  wire::StringTable strings;
  wire::Batch batch;
  objects.apply(r, strings, batch);
  CHECK(batch.rows_seen == rows.size());
  std::string out;
  for (std::size_t row = 0; row < batch.rows; ++row) {
    for (const std::size_t c : {0U, 1U, 2U, 3U, 4U}) {
      const wire::Column& column = batch.columns[c];
      const bool text = c == 1 || c == 2 || c == 4;
      out += column.is_null(row) ? "-"
             : text              ? std::string(strings.at(static_cast<std::size_t>(column.values[row])))
                                 : std::to_string(column.values[row]);
      out += " ";
    }
    out.back() = ';';
  }
  return out;
}

const std::vector<In> kTwo = {{1, "a", "x", 5}, {1, "b", std::nullopt, std::nullopt}};

TEST_CASE("the first reading has every object, and what stays as it is stays at home") {
  const auto s = source();
  Objects objects(s);
  CHECK(shipped(objects, 1, kTwo) == "1 a x 5 present;1 b - - present;");
  CHECK(shipped(objects, 11, kTwo).empty());
}

TEST_CASE("an object travels when it appears, changes or goes") {
  const auto s = source();
  Objects objects(s);
  shipped(objects, 1, kTwo);
  CHECK(shipped(objects, 11, {{1, "a", "x", 6}, {1, "b", std::nullopt, std::nullopt}}) == "1 a x 6 changed;");
  CHECK(shipped(objects, 21, {{1, "a", "x", 6}, {1, "b", "", std::nullopt}}) == "1 b  - changed;");
  CHECK(shipped(objects, 31, {{1, "a", "x", 6}, {1, "b", "", std::nullopt}, {2, "b", "y", 1}}) == "2 b y 1 added;");
  CHECK(shipped(objects, 41, {{2, "b", "y", 1}, {1, "b", "", std::nullopt}}) == "1 a - - removed;");
  CHECK(shipped(objects, 51, {{1, "a", "x", 6}, {2, "b", "y", 1}, {1, "b", "", std::nullopt}}) == "1 a x 6 added;");
}

TEST_CASE("everything travels again after full_every") {
  const auto s = source();
  Objects objects(s);
  shipped(objects, 1, kTwo);
  CHECK(shipped(objects, 100, kTwo).empty());
  CHECK(shipped(objects, 101, {{1, "a", "y", 5}, kTwo[1]}) == "1 a y 5 changed;1 b - - present;");
  CHECK(shipped(objects, 111, {{1, "a", "y", 5}, kTwo[1]}).empty());
}

TEST_CASE("what an incomplete reading did not see is not gone") {
  const auto s = source();
  Objects objects(s);
  shipped(objects, 1, kTwo);
  CHECK(shipped(objects, 11, {kTwo[0]}, wire::Outcome::kLock).empty());
  CHECK(shipped(objects, 21, kTwo).empty());
  CHECK(shipped(objects, 31, {kTwo[0]}) == "1 b - - removed;");
}

TEST_CASE("where rows may be left out because of locks, none at all are not all gone") {
  auto s = source();
  s.locked = "c.oid";
  Objects objects(s);
  shipped(objects, 1, kTwo);
  CHECK(shipped(objects, 11, {}).empty());
  CHECK(shipped(objects, 21, {kTwo[0]}) == "1 b - - removed;");
}

TEST_CASE("a key that stands twice in a reading is one object") {
  const auto s = source();
  Objects objects(s);
  CHECK(shipped(objects, 1, {kTwo[0], kTwo[0]}) == "1 a x 5 present;");
  CHECK(shipped(objects, 11, {}) == "1 a - - removed;");
}

TEST_CASE("another server's objects are not the first one's") {
  const auto s = source();
  Objects objects(s);
  shipped(objects, 1, kTwo);
  objects.forget();
  CHECK(shipped(objects, 11, {kTwo[0]}) == "1 a x 5 present;");
}

}  // namespace
}  // namespace pga::collect
