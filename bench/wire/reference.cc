#include "reference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <optional>

namespace pga::bench {
namespace {

using wire::ColumnKind;
using wire::ColumnType;

std::optional<std::int64_t> cell(const collect::Reading& reading, std::size_t column, std::size_t row) {
  const collect::CellColumn& c = reading.cells.columns[column];
  return c.present[row] != 0 ? std::optional(c.values[row]) : std::nullopt;
}

std::string key_of(const catalog::Source& source, const collect::Reading& reading, std::size_t row) {
  std::string key;
  for (const std::size_t i : source.keys()) {
    const bool text = source.columns[i].wire_type == ColumnType::kString;
    key += (text ? std::string(reading.cells.columns[i].texts[row]) : std::to_string(reading.cells.columns[i].values[row])) + "|";
  }
  return key;
}

std::string key_of(const catalog::Source& source, const wire::Frame& frame, const wire::Batch& batch, std::size_t row) {
  std::string key;
  for (const std::size_t i : source.keys()) {
    const std::int64_t value = batch.columns[i].values[row];
    const bool text = source.columns[i].wire_type == ColumnType::kString;
    key += (text ? std::string(frame.strings.at(static_cast<std::size_t>(value))) : std::to_string(value)) + "|";
  }
  return key;
}

// The deviation of the calls between two readings, in long double.
std::int64_t deviation(const catalog::Source& source, const catalog::Column& column, std::size_t at, const collect::Reading& now,
                       std::size_t row, const collect::Reading* before, std::size_t row_before) {
  const auto index = [&](const std::string& name) { return static_cast<std::size_t>(source.find(name) - source.columns.data()); };
  const auto real = [&](const collect::Reading& r, std::size_t c, std::size_t i) {
    return static_cast<long double>(r.cells.columns[c].values[i]);
  };
  const auto spread = [&](const collect::Reading& r, std::size_t i) {
    return static_cast<long double>(std::bit_cast<double>(r.cells.columns[at].values[i])) * 1e6L;
  };
  const std::size_t total = index(column.deviation_of), count = index(column.over);
  const long double n1 = real(now, count, row), t1 = real(now, total, row), s1 = spread(now, row);
  const long double n0 = before == nullptr ? 0 : real(*before, count, row_before),
                    t0 = before == nullptr ? 0 : real(*before, total, row_before);
  const long double s0 = before == nullptr ? 0 : spread(*before, row_before);
  const long double n = n1 - n0;
  if (n <= 1) return 0;
  // Sums of x and of x^2 of the interval, from those of the whole.
  const long double mean0 = n0 > 0 ? t0 / n0 : 0, mean1 = t1 / n1, mean = (t1 - t0) / n;
  const long double squares = n1 * (s1 * s1 + mean1 * mean1) - n0 * (s0 * s0 + mean0 * mean0);
  const long double variance = squares / n - mean * mean;
  return variance <= 0 ? 0 : static_cast<std::int64_t>(std::llround(std::sqrt(variance)));
}

}  // namespace

void Reference::differs(const catalog::Source& source, const std::string& key, const std::string& what) {
  if (++differing_ <= 10) std::fprintf(stderr, "mismatch: %s %s %s\n", source.name.c_str(), key.c_str(), what.c_str());
}

std::size_t Reference::compare(const catalog::Source& source, const collect::Reading& reading, const wire::Frame& frame,
                               const wire::Batch& batch) {
  const std::size_t before_all = differing_;
  const bool series = source.shape == catalog::Shape::kSeries;
  Last& last = last_[source.name];
  const bool first = series && last.reading == nullptr;
  const auto is_gauge = [&](const catalog::Column& c) { return c.kind == ColumnKind::kGauge || c.kind == ColumnKind::kTime; };
  const bool has_gauges =
      std::ranges::any_of(source.columns, [&](const catalog::Column& c) { return is_gauge(c) && c.deviation_of.empty(); });

  std::multimap<std::string, std::size_t> decoded;
  for (std::size_t row = 0; row < batch.rows; ++row) decoded.emplace(key_of(source, frame, batch, row), row);
  Rows rows;
  for (std::size_t row = 0; row < reading.cells.rows; ++row) {
    const std::string key = key_of(source, reading, row);
    rows[key] = row;
    const auto old_at = last.rows.find(key);
    const bool known = series && old_at != last.rows.end();
    const std::size_t old_row = known ? old_at->second : 0;
    bool reset = false, changed = !known;
    for (std::size_t c = 0; known && c < source.columns.size(); ++c) {
      const catalog::Column& declared = source.columns[c];
      if (declared.kind == ColumnKind::kKey || declared.wire_type == ColumnType::kString || !declared.deviation_of.empty()) continue;
      const auto now = cell(reading, c, row), old = cell(*last.reading, c, old_row);
      const bool counts = declared.kind == ColumnKind::kCounter;
      const bool tracked = counts || declared.kind == ColumnKind::kGauge || declared.only_changed || declared.name == source.resets_with;
      if (tracked && now != old) changed = true;
      if (counts && now && old && *now < *old) reset = true;
      if (declared.name == source.resets_with && now != old) reset = true;
    }
    const bool expected = !series || (first ? has_gauges : changed || source.ship == catalog::Ship::kAll);
    const auto got = decoded.find(key);
    if ((got != decoded.end()) != expected) {
      differs(source, key, expected ? "is not there" : "is there though nothing changed");
      continue;
    }
    if (!expected) continue;
    for (std::size_t c = 0; c < source.columns.size(); ++c) {
      const catalog::Column& declared = source.columns[c];
      if (declared.kind == ColumnKind::kKey) continue;
      const wire::Column& column = batch.columns[c];
      const std::size_t at = got->second;
      const bool have = !column.is_null(at);
      ++cells_compared_;
      if (declared.wire_type == ColumnType::kString) {
        const bool there = reading.cells.columns[c].present[row] != 0;
        const std::string_view text = !have ? "" : frame.strings.at(static_cast<std::size_t>(column.values[at]));
        if (there != have || (there && text != reading.cells.columns[c].texts[row])) differs(source, key, declared.name);
        continue;
      }
      auto want = cell(reading, c, row);
      if (!declared.deviation_of.empty()) {
        const auto count = static_cast<std::size_t>(source.find(declared.over) - source.columns.data());
        const std::int64_t n = *cell(reading, count, row) - (known && !reset ? *cell(*last.reading, count, old_row) : 0);
        want = first || n == 0
                   ? std::nullopt
                   : std::optional(deviation(source, declared, c, reading, row, known && !reset ? last.reading : nullptr, old_row));
        // Two roundings of one value may differ by one; a deviation that is lost in the noise of its whole is sent as 0.
        const std::int64_t whole = static_cast<std::int64_t>(std::bit_cast<double>(reading.cells.columns[c].values[row]) * 1e6);
        const std::int64_t noise = 1 + whole / 100'000;
        if (want.has_value() != have || (want && std::abs(*want - column.values[at]) > noise)) differs(source, key, declared.name);
        continue;
      }
      if (declared.kind == ColumnKind::kCounter) {
        if (first) want = std::nullopt;
        if (want && known && !reset) {
          const auto old = cell(*last.reading, c, old_row);
          want = old ? std::optional(*want - *old) : std::nullopt;
        }
      } else if (declared.only_changed && known && want && want == cell(*last.reading, c, old_row)) {
        want = std::nullopt;
      }
      if (want.has_value() != have || (want && *want != column.values[at])) differs(source, key, declared.name);
    }
    decoded.erase(got);
  }
  for (const auto& [key, row] : decoded) differs(source, key, "is there and was not in the recording");
  if (series) last = {&reading, std::move(rows)};
  return differing_ - before_all;
}

std::size_t Reference::mismatches(const Snapshot& snapshot, const wire::Frame& decoded) {
  std::size_t count = 0;
  for (const auto& [source, reading] : snapshot.readings) {
    const auto batch = std::ranges::find_if(decoded.batches, [&](const wire::Batch& b) {
      return decoded.schemas[b.schema].source == source->name && b.started_us == reading.started_us;
    });
    if (batch == decoded.batches.end()) {
      differs(*source, "", "has no batch");
      ++count;
      continue;
    }
    count += compare(*source, reading, decoded, *batch);
  }
  return count;
}

std::size_t means_that_do_not_follow(const Recording& recording) {
  std::size_t wrong = 0;
  for (const Snapshot& snapshot : recording.snapshots) {
    const View& view = snapshot.views.front();
    const auto column = [&](const std::string& name) -> const ViewColumn& {
      return *std::ranges::find_if(view.columns, [&](const ViewColumn& c) { return c.name == name; });
    };
    for (const auto& [kind, count] : {std::pair("plan_time", "plans"), std::pair("exec_time", "calls")}) {
      const ViewColumn& means = column(std::string("mean_") + kind);
      const ViewColumn& totals = column(std::string("total_") + kind);
      const ViewColumn& counts = column(count);
      for (std::size_t row = 0; row < view.rows; ++row) {
        const double mean = counts.integers[row] == 0 ? 0 : totals.doubles[row] / static_cast<double>(counts.integers[row]);
        if (std::abs(mean - means.doubles[row]) > 1e-6) ++wrong;
      }
    }
  }
  return wrong;
}

}  // namespace pga::bench
