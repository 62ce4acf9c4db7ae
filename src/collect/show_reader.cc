#include "collect/show_reader.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/text.h"
#include "collect/sql_reader.h"

namespace pga::collect {
namespace {

constexpr std::size_t kTextBytesMax = 1'000;

// Where the answer has what is declared; nothing if this version does not have it.
struct Place {
  std::optional<std::size_t> column;
  std::optional<std::size_t> plus;
};

std::optional<std::size_t> find(const ShowAnswer& answer, std::string_view name) {
  const auto it = std::find(answer.names.begin(), answer.names.end(), name);
  return it == answer.names.end() ? std::nullopt : std::optional(static_cast<std::size_t>(it - answer.names.begin()));
}

Place place_of(const ShowAnswer& answer, const catalog::Column& column) {
  Place place;
  for (const std::string& name : column.names) {
    place.column = find(answer, name);
    if (place.column) break;
  }
  if (!column.plus.empty()) place.plus = find(answer, column.plus);
  return place;
}

class Filler {
 public:
  Filler(const catalog::Source& source, const ShowAnswer& answer, Reading& reading)
      : source_(source), answer_(answer), reading_(reading), cells_(reading.cells) {
    cells_.columns.resize(source.columns.size());
    for (const catalog::Column& column : source.columns) {
      places_.push_back(place_of(answer, column));
      if (!places_.back().column) reading.missing.push_back(column.name);
      combines_ |= column.combine != catalog::Combine::kNone;
    }
  }

  void add(std::size_t row) {
    const auto [group, is_new] = combines_ ? groups_.try_emplace(key_of(row), cells_.rows) : std::pair(groups_.end(), true);
    if (is_new && cells_.rows == source_.rows_max) {
      reading_.outcome = wire::Outcome::kLimit;
      reading_.detail = "more than " + std::to_string(source_.rows_max) + " rows; the rest was left out";
      if (combines_) groups_.erase(group);
      return;
    }
    if (is_new) begin_row();
    const std::size_t at = combines_ ? group->second : cells_.rows - 1;
    const bool hidden = !source_.open_rows.empty() && !is_open(row);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i].column && (is_new || source_.columns[i].combine != catalog::Combine::kNone)) fill(i, row, at, hidden);
    }
  }

 private:
  [[nodiscard]] std::vector<std::string> key_of(std::size_t row) const {
    std::vector<std::string> key;
    for (const std::size_t i : source_.keys()) key.emplace_back(answer_.at(row, *places_[i].column).value_or(""));
    return key;
  }

  [[nodiscard]] bool is_open(std::size_t row) const {
    const auto key = answer_.at(row, *places_[source_.keys()[0]].column).value_or("");
    return std::find(source_.open_rows.begin(), source_.open_rows.end(), key) != source_.open_rows.end();
  }

  void begin_row() {
    ++cells_.rows;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (!places_[i].column) continue;
      cells_.columns[i].values.push_back(0);
      cells_.columns[i].present.push_back(0);
      if (source_.columns[i].wire_type == wire::ColumnType::kString) cells_.columns[i].texts.emplace_back();
    }
  }

  void fill(std::size_t i, std::size_t row, std::size_t at, bool hidden) {
    const catalog::Column& column = source_.columns[i];
    CellColumn& out = cells_.columns[i];
    const auto text = answer_.at(row, *places_[i].column);
    if (column.combine == catalog::Combine::kCount) {
      out.present[at] = 1;
      if (text && !text->empty()) ++out.values[at];
      return;
    }
    const bool key = column.kind == wire::ColumnKind::kKey;
    if (column.wire_type == wire::ColumnType::kString) {
      if (!text && !key) return;
      std::string_view kept = text.value_or("");
      if (hidden && !key && !kept.empty()) kept = "***";
      out.texts[at] = cells_.storage.emplace_back(to_valid_utf8(kept.substr(0, kTextBytesMax)));
      out.present[at] = 1;
      return;
    }
    if (!text || text->empty()) return;
    std::int64_t value = 0;
    if (column.sql_type == catalog::SqlType::kBool && (*text == "0" || *text == "1")) {
      value = *text == "1" ? 1 : 0;
    } else {
      const auto parsed = parse_cell(column, *text);
      if (!parsed) {
        if (reading_.detail.empty()) reading_.detail = parsed.error().message;  // this cell alone is null
        return;
      }
      value = *parsed;
    }
    if (places_[i].plus) value += plus(*places_[i].plus, row);
    if (out.present[at] == 0 || column.combine == catalog::Combine::kNone) {
      out.values[at] = value;
    } else if (column.combine == catalog::Combine::kSum) {
      out.values[at] += value;
    } else {
      out.values[at] = std::max(out.values[at], value);
    }
    out.present[at] = 1;
  }

  [[nodiscard]] std::int64_t plus(std::size_t column, std::size_t row) const {
    const auto text = answer_.at(row, column).value_or("");
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  const catalog::Source& source_;
  const ShowAnswer& answer_;
  Reading& reading_;
  Cells& cells_;
  std::vector<Place> places_;
  bool combines_ = false;
  std::map<std::vector<std::string>, std::size_t> groups_;  // to the row that they become
};

// A console has no SQLSTATE of its own for what it does not know or not allow.
wire::Outcome outcome_of_show(const pg::Failure& failure) {
  if (failure.message.find("invalid command") != std::string::npos || failure.message.find("unsupported") != std::string::npos)
    return wire::Outcome::kAbsent;
  if (failure.message.find("admin access needed") != std::string::npos || failure.message.find("not allowed") != std::string::npos)
    return wire::Outcome::kPrivilege;
  return outcome_of(failure);
}

}  // namespace

Reading reading_of(const catalog::Source& source, const ShowAnswer& answer) {
  for (const std::size_t key : source.keys()) {
    if (!place_of(answer, source.columns[key]).column)
      return Reading::failed(wire::Outcome::kAbsent, "the answer to " + source.from[0] + " has no column " + source.columns[key].name);
  }
  Reading reading;
  Filler filler(source, answer, reading);
  for (std::size_t row = 0; row < answer.rows; ++row) filler.add(row);
  return reading;
}

net::Task<Reading> read_show(const catalog::Source& source, pg::Connection& connection, Clock& clock) {
  const std::int64_t started_us = to_micros(clock.now());
  const SteadyTime started = clock.steady_now();
  auto rows = co_await connection.query(source.from[0], started + source.timeout);
  Reading reading;
  if (rows) {
    ShowAnswer answer;
    for (std::size_t i = 0; i < rows->columns(); ++i) answer.names.push_back(rows->name(i));
    answer.rows = rows->size();
    answer.at = [&rows](std::size_t row, std::size_t column) { return rows->at(row, column); };
    reading = reading_of(source, answer);
  } else {
    reading = Reading::failed(outcome_of_show(rows.error()), rows.error().message, rows.error().sqlstate);
  }
  reading.started_us = started_us;
  reading.duration_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock.steady_now() - started).count());
  co_return reading;
}

}  // namespace pga::collect
