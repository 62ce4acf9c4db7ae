#include "collect/increments.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

namespace pga::collect {
namespace {

constexpr const char* kSource = R"(name: t.source
doc: d
scope: instance
ship: SHIP
interval: 10s
resets_with: since
from: v
columns:
  id:    { kind: key, doc: d }
  since: { kind: time, doc: d }
  calls: { kind: counter, unit: calls, doc: d }
  scans: { kind: counter, unit: scans, nullable: true, doc: d }
  size:  { kind: gauge, unit: bytes, doc: d }
)";

catalog::Source source(const std::string& ship) {
  std::string text = kSource;
  text.replace(text.find("SHIP"), 4, ship);
  auto parsed = catalog::Catalog::parse(text, "t.yaml");
  REQUIRE(parsed);
  return *parsed;
}

struct In {
  std::int64_t id;
  std::optional<std::int64_t> since;
  std::optional<std::int64_t> calls;
  std::optional<std::int64_t> scans;
  std::optional<std::int64_t> size;
};

Reading reading(std::int64_t seconds, const std::vector<In>& rows, wire::Outcome outcome = wire::Outcome::kComplete) {
  Reading r;
  r.outcome = outcome;
  r.started_us = seconds * 1'000'000;
  r.cells.rows = rows.size();
  r.cells.columns.resize(5);
  for (const In& in : rows) {
    const std::optional<std::int64_t> cells[] = {in.id, in.since, in.calls, in.scans, in.size};
    for (std::size_t i = 0; i < 5; ++i) {
      r.cells.columns[i].values.push_back(cells[i].value_or(0));
      r.cells.columns[i].present.push_back(cells[i] ? 1 : 0);
    }
  }
  return r;
}

// "id calls scans size estimated;…", "-" for null.
std::string shipped(Increments& increments, const Reading& r) {
  wire::StringTable strings;
  wire::Batch batch;
  Reading copy = r;
  increments.apply(copy, strings, batch);
  std::string out;
  for (std::size_t row = 0; row < batch.rows; ++row) {
    for (const int c : {0, 2, 3, 4, 5}) {
      const wire::Column& column = batch.columns[static_cast<std::size_t>(c)];
      out += (column.is_null(row) ? std::string("-") : std::to_string(column.values[row])) + " ";
    }
    out.back() = ';';
  }
  return out;
}

constexpr std::optional<std::int64_t> kNull;

// The rows of a batch without their order, which is that of slots.
std::vector<std::string> sorted_rows(const wire::Batch& batch) {
  std::vector<std::string> rows(batch.rows);
  for (std::size_t row = 0; row < batch.rows; ++row) {
    for (const wire::Column& column : batch.columns) rows[row] += (column.is_null(row) ? "-" : std::to_string(column.values[row])) + " ";
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

// A mark as a server could make it: of the key and of what counts.
std::int64_t mark_of(const In& in) { return in.id * 1'000'000 + in.calls.value_or(0) * 1'000 + in.since.value_or(0); }

// A reading of all rows with their marks, or, where marks are known, of what a server answers then: the rows whose marks are not among
// them, and the marks that no row has.
Reading marked(std::int64_t seconds, const std::vector<In>& rows, const std::vector<std::int64_t>& known) {
  std::vector<In> moved;
  std::vector<std::int64_t> gone = known, marks;
  for (const In& in : rows) {
    const std::int64_t mark = mark_of(in);
    if (std::erase(gone, mark) != 0) continue;
    moved.push_back(in);
    marks.push_back(mark);
  }
  Reading r = reading(seconds, moved);
  r.cells.marks = marks;
  r.cells.moved_only = !known.empty();
  r.cells.gone = gone;
  return r;
}

TEST_CASE("an increment is the difference of two readings and an unchanged row stays at home") {
  const auto s = source("changed");
  Increments i(s);
  CHECK(shipped(i, reading(10, {{1, 5, 100, kNull, 8}, {2, 5, 7, 1, 8}})) ==
        "1 - - 8 0;2 - - 8 0;");  // the first reading is a full one: gauges, no counters
  CHECK(shipped(i, reading(20, {{1, 5, 130, kNull, 8}, {2, 5, 7, 1, 8}})) == "1 30 - 8 0;");
  CHECK(shipped(i, reading(30, {{1, 5, 130, kNull, 9}, {2, 5, 7, 1, 8}})) == "1 0 - 9 0;");  // a gauge changed
  CHECK(shipped(i, reading(40, {{1, 5, 130, kNull, 9}, {2, 5, 7, 1, 8}})) == "");
}

TEST_CASE("rows that travel always are sent also when nothing changed") {
  const auto s = source("all");
  Increments i(s);
  CHECK(shipped(i, reading(10, {{1, 5, 100, 3, 8}})) == "1 - - 8 0;");
  CHECK(shipped(i, reading(20, {{1, 5, 100, 3, 8}})) == "1 0 0 8 0;");
}

TEST_CASE("the reset of one entry gives what was counted since and says that it is an estimate") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, 5, 100, 3, 8}}));
  CHECK(shipped(i, reading(20, {{1, 15, 40, 1, 8}})) == "1 40 1 8 1;");
  CHECK(shipped(i, reading(30, {{1, 15, 41, 1, 8}})) == "1 1 0 8 0;");
}

TEST_CASE("a counter that goes down is a reset even when nobody says so") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 100, 3, 8}}));
  CHECK(shipped(i, reading(20, {{1, kNull, 60, 5, 8}})) == "1 60 5 8 1;");
}

TEST_CASE("a reset hidden by a quick count up is seen by its time") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, 5, 100, 3, 8}}));
  CHECK(shipped(i, reading(20, {{1, 12, 150, 5, 8}})) == "1 150 5 8 1;");
}

TEST_CASE("a new entry counts from zero after a complete reading and is only remembered after a cut one") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, 5, 100, 3, 8}}));
  CHECK(shipped(i, reading(20, {{1, 5, 100, 3, 8}, {2, kNull, 9, 1, 8}})) == "2 9 1 8 0;");
  shipped(i, reading(30, {{1, 5, 101, 3, 8}}, wire::Outcome::kLimit));
  CHECK(shipped(i, reading(40, {{1, 5, 101, 3, 8}, {3, kNull, 5000, 1, 8}})) == "");
  CHECK(shipped(i, reading(50, {{1, 5, 101, 3, 8}, {3, kNull, 5001, 1, 8}})) == "3 1 0 8 0;");
  shipped(i, reading(60, {{1, 5, 101, 3, 8}}, wire::Outcome::kLimit));
  CHECK(shipped(i, reading(70, {{1, 5, 101, 3, 8}, {4, 65'000'000, 12, 1, 8}})) == "4 12 1 8 0;");  // it says itself that it is new
}

TEST_CASE("an entry that was evicted and comes back starts from zero again") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 100, 3, 8}, {2, kNull, 50, 3, 8}}));
  shipped(i, reading(20, {{1, kNull, 100, 3, 8}}));
  CHECK(shipped(i, reading(30, {{1, kNull, 100, 3, 8}, {2, kNull, 60, 3, 8}})) == "2 60 3 8 0;");
}

TEST_CASE("an entry missing from a cut reading keeps its base") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 100, 3, 8}, {2, kNull, 50, 3, 8}}));
  shipped(i, reading(20, {{1, kNull, 100, 3, 8}}, wire::Outcome::kLimit));
  CHECK(shipped(i, reading(30, {{1, kNull, 100, 3, 8}, {2, kNull, 60, 3, 8}})) == "2 10 0 8 1;");  // of two intervals
}

TEST_CASE("an entry that stays left out is forgotten, so that memory is bounded while a source is over its limit") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 100, 3, 8}, {2, kNull, 50, 3, 8}}));
  for (std::int64_t t = 2; t < 20; ++t) shipped(i, reading(10 * t, {{1, kNull, 100, 3, 8}}, wire::Outcome::kLimit));
  CHECK(shipped(i, reading(300, {{1, kNull, 100, 3, 8}, {2, kNull, 5000, 3, 8}})) == "");
}

TEST_CASE("one counter of the host that goes back is absent and the others go on") {
  std::string text = kSource;
  text.replace(text.find("SHIP"), 4, "all");
  text.replace(text.find("scope: instance"), 15, "scope: host");
  text.replace(text.find("from: v"), 7, "reader: x");
  const auto s = catalog::Catalog::parse(text, "t.yaml");
  REQUIRE(s);
  Increments i(*s);
  shipped(i, reading(10, {{1, kNull, 100, 4'000'000'000, 8}}));
  CHECK(shipped(i, reading(20, {{1, kNull, 103, 5, 8}})) == "1 3 - 8 1;");
  CHECK(shipped(i, reading(30, {{1, kNull, 104, 9, 8}})) == "1 1 4 8 0;");
}

TEST_CASE("a counter that was null and has a value now has no increment yet") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 100, kNull, 8}}));
  CHECK(shipped(i, reading(20, {{1, kNull, 101, 70, 8}})) == "1 1 - 8 0;");
  CHECK(shipped(i, reading(30, {{1, kNull, 101, 75, 8}})) == "1 0 5 8 0;");
}

TEST_CASE("after another server answers there is no jump") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 100, 3, 8}}));
  i.forget();
  CHECK(shipped(i, reading(20, {{1, kNull, 1'000'000, 3, 8}})) == "1 - - 8 0;");
  CHECK(shipped(i, reading(30, {{1, kNull, 1'000'001, 3, 8}})) == "1 1 0 8 0;");
}

TEST_CASE("the same key twice in one reading counts once") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 100, 3, 8}}));
  CHECK(shipped(i, reading(20, {{1, kNull, 101, 3, 8}, {1, kNull, 500, 3, 8}})) == "1 1 0 8 0;");
}

TEST_CASE("slots of entries that went are used again without leaving values behind") {
  const auto s = source("changed");
  Increments i(s);
  for (std::int64_t round = 1; round <= 100; ++round) {
    CAPTURE(round);
    const auto got = shipped(i, reading(round * 10, {{round, kNull, round, 1, 8}, {1'000'000, kNull, round, 1, 8}}));
    if (round == 1) continue;
    const std::string fresh = std::to_string(round) + " " + std::to_string(round) + " 1 8 0;", old = "1000000 1 0 8 0;";
    CHECK((got == fresh + old || got == old + fresh));
  }
}

TEST_CASE("rows travel in one order, whatever order the server answers in") {
  const auto s = source("changed");
  Increments i(s);
  shipped(i, reading(10, {{1, kNull, 10, 3, 8}, {2, kNull, 10, 3, 8}, {3, kNull, 10, 3, 8}}));
  CHECK(shipped(i, reading(20, {{3, kNull, 13, 3, 8}, {1, kNull, 11, 3, 8}, {2, kNull, 12, 3, 8}})) == "1 1 0 8 0;2 2 0 8 0;3 3 0 8 0;");
  CHECK(shipped(i, reading(30, {{2, kNull, 13, 3, 8}, {3, kNull, 13, 3, 8}, {1, kNull, 13, 3, 8}})) == "1 2 0 8 0;2 1 0 8 0;");
}

constexpr const char* kSpread = R"(name: t.spread
doc: d
scope: instance
ship: changed
interval: 10s
from: v
columns:
  id:     { kind: key, doc: d }
  calls:  { kind: counter, unit: calls, doc: d }
  total:  { kind: counter, type: float, source_unit: milliseconds, unit: nanoseconds, doc: d }
  stddev: { kind: gauge, type: float, source_unit: milliseconds, unit: nanoseconds, deviation_of: total, over: calls, doc: d }
  limit:  { kind: gauge, unit: bytes, ship: changed, doc: d }
)";

// What the server would show of these calls, in milliseconds.
Reading spread(std::int64_t seconds, const std::vector<double>& calls, std::int64_t limit) {
  double total = 0, squares = 0;
  for (const double c : calls) total += c;
  for (const double c : calls) squares += (c - total / static_cast<double>(calls.size())) * (c - total / static_cast<double>(calls.size()));
  Reading r;
  r.started_us = seconds * 1'000'000;
  r.cells.rows = 1;
  const double deviation = calls.empty() ? 0 : std::sqrt(squares / static_cast<double>(calls.size()));
  for (const std::int64_t value : {std::int64_t{1}, static_cast<std::int64_t>(calls.size()),
                                   static_cast<std::int64_t>(std::llround(total * 1e6)), std::bit_cast<std::int64_t>(deviation), limit}) {
    r.cells.columns.push_back({{value}, {}, {1}});
  }
  return r;
}

std::optional<std::int64_t> cell(Increments& increments, Reading r, std::size_t column) {
  wire::StringTable strings;
  wire::Batch batch;
  increments.apply(r, strings, batch);
  if (batch.rows == 0 || batch.columns[column].is_null(0)) return std::nullopt;
  return batch.columns[column].values[0];
}

TEST_CASE("a deviation is that of the calls of the interval, however many came before") {
  auto parsed = catalog::Catalog::parse(kSpread, "t.yaml");
  REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().message));
  Increments i(*parsed);
  std::vector<double> calls(100'000, 250.0);
  for (std::size_t n = 0; n < calls.size(); ++n) calls[n] += static_cast<double>(n % 7);
  CHECK_FALSE(cell(i, spread(10, calls, 1), 3).has_value());  // the first reading
  calls.insert(calls.end(), {1.0, 3.0});
  CHECK(*cell(i, spread(20, calls, 1), 3) == doctest::Approx(1'000'000).epsilon(0.001));
  calls.push_back(17.5);
  CHECK(*cell(i, spread(30, calls, 1), 3) == 0);              // one call
  CHECK_FALSE(cell(i, spread(40, calls, 2), 3).has_value());  // none: only the gauge changed
  calls.insert(calls.end(), 50, 4.0);
  CHECK(*cell(i, spread(50, calls, 2), 3) < 1'000);                 // all the same
  CHECK(*cell(i, spread(60, {2.0, 4.0, 6.0}, 2), 3) == 1'632'993);  // reset: the values since
}

TEST_CASE("a gauge that travels when it changed is null while it does not, and is there again with a full reading") {
  auto parsed = catalog::Catalog::parse(kSpread, "t.yaml");
  REQUIRE(parsed);
  Increments i(*parsed);
  std::vector<double> calls{1.0};
  CHECK(cell(i, spread(10, calls, 5), 4) == 5);
  calls.push_back(2.0);
  CHECK_FALSE(cell(i, spread(20, calls, 5), 4).has_value());
  CHECK(cell(i, spread(30, calls, 6), 4) == 6);
  calls.push_back(2.0);
  CHECK_FALSE(cell(i, spread(40, calls, 6), 4).has_value());
  CHECK(cell(i, spread(10 + 601, calls, 6), 4) == 6);
}

TEST_CASE("a reading of moved rows alone says the same as one of all rows") {
  const auto s = source("changed");
  struct Step {
    const char* what;
    std::vector<In> rows;
    bool full = false;  // ten minutes have passed
  };
  const Step steps[] = {
      {"the first", {{1, 5, 10, 1, 7}, {2, 5, 20, 2, 7}, {3, 5, 30, 3, 7}, {4, 5, 40, 4, 7}}},
      {"nothing moves", {{1, 5, 10, 1, 7}, {2, 5, 20, 2, 7}, {3, 5, 30, 3, 7}, {4, 5, 40, 4, 7}}},
      {"one moves, in another order", {{4, 5, 40, 4, 7}, {3, 5, 31, 4, 8}, {2, 5, 20, 2, 7}, {1, 5, 10, 1, 7}}},
      {"one goes, one comes", {{5, 9, 2, 0, 7}, {3, 5, 31, 4, 8}, {2, 5, 20, 2, 7}, {1, 5, 10, 1, 7}}},
      {"it comes back and counts from zero", {{5, 9, 2, 0, 7}, {3, 5, 31, 4, 8}, {4, 5, 3, 1, 7}, {2, 5, 20, 2, 7}, {1, 5, 10, 1, 7}}},
      {"a reset of one, run as often since", {{5, 9, 2, 0, 7}, {3, 8, 31, 9, 8}, {4, 5, 3, 1, 7}, {2, 5, 20, 2, 7}, {1, 5, 10, 1, 7}}},
      {"a counter goes down", {{5, 9, 2, 0, 7}, {3, 8, 31, 9, 8}, {4, 5, 3, 1, 7}, {2, 5, 6, 1, 7}, {1, 5, 10, 1, 7}}},
      {"all go but the last", {{1, 5, 10, 1, 7}}},
      {"others come, the last moves", {{1, 5, 11, 1, 7}, {6, 9, 1, 1, 1}, {7, 9, 1, 1, 1}}},
      {"all travel", {{1, 5, 11, 1, 7}, {6, 9, 1, 1, 1}, {7, 9, 1, 1, 1}}, true},
      {"one moves after that", {{1, 5, 11, 1, 7}, {6, 9, 4, 1, kNull}, {7, 9, 1, 1, 1}}},
      {"all go", {}},
      {"one comes to none", {{8, 9, 4, 1, 5}}},
  };
  Increments all(s), moved(s);
  std::int64_t seconds = 100;
  bool any_partial = false;
  for (const Step& step : steps) {
    CAPTURE(step.what);
    seconds += step.full ? 600 : 10;
    const auto marks = moved.marks(seconds * 1'000'000);
    if (step.full) CHECK(marks.empty());
    any_partial = any_partial || !marks.empty();
    Reading alone = marked(seconds, step.rows, marks), whole = reading(seconds, step.rows);
    wire::StringTable strings;
    wire::Batch of_moved, of_all;
    moved.apply(alone, strings, of_moved);
    all.apply(whole, strings, of_all);
    CHECK(of_moved.rows_seen == of_all.rows_seen);
    CHECK(of_moved.interval_us == of_all.interval_us);
    CHECK(sorted_rows(of_moved) == sorted_rows(of_all));
    CHECK(moved.new_first_keys() == all.new_first_keys());
  }
  CHECK(any_partial);
}

TEST_CASE("marks are known only after a complete reading in which no key came twice") {
  const auto s = source("changed");
  Increments i(s);
  const std::vector<In> rows = {{1, 5, 10, 1, 7}, {2, 5, 20, 2, 7}};
  wire::StringTable strings;
  const auto take = [&](std::int64_t seconds, const std::vector<In>& in, wire::Outcome outcome) {
    Reading r = marked(seconds, in, {});
    r.outcome = outcome;
    wire::Batch batch;
    i.apply(r, strings, batch);
    return i.marks(seconds * 1'000'000).size();
  };
  CHECK(i.marks(1'000'000).empty());
  CHECK(take(1, rows, wire::Outcome::kComplete) == 2);
  CHECK(take(2, rows, wire::Outcome::kLimit) == 0);
  CHECK(take(3, rows, wire::Outcome::kComplete) == 2);
  CHECK(take(4, {{1, 5, 10, 1, 7}, {1, 5, 20, 2, 7}}, wire::Outcome::kComplete) == 0);
  CHECK(take(5, rows, wire::Outcome::kComplete) == 2);
  i.forget();
  CHECK(i.marks(6'000'000).empty());
  const auto all = source("all");
  Increments every(all);
  Reading r = marked(1, rows, {});
  wire::Batch batch;
  every.apply(r, strings, batch);
  CHECK(every.marks(2'000'000).empty());
}

TEST_CASE("a second row of a key whose first did not move counts for nothing") {
  const auto s = source("changed");
  Increments i(s);
  wire::StringTable strings;
  wire::Batch batch;
  Reading first = marked(1, {{1, 5, 10, 1, 7}, {2, 5, 20, 2, 7}}, {});
  i.apply(first, strings, batch);
  const auto marks = i.marks(2'000'000);
  CHECK(shipped(i, marked(2, {{1, 5, 10, 1, 7}, {2, 5, 21, 2, 7}, {1, 5, 90, 9, 7}}, marks)) == "2 1 0 7 0;");
  CHECK(i.marks(3'000'000).empty());
  CHECK(shipped(i, marked(3, {{1, 5, 11, 1, 7}, {2, 5, 21, 2, 7}}, {})) == "1 1 0 7 0;");
}

}  // namespace
}  // namespace pga::collect
