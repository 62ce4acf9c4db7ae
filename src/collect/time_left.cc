#include "collect/time_left.h"

#include <algorithm>

namespace pga::collect {
namespace {

constexpr std::int64_t kWindowUs = 60'000'000;
constexpr double kLongestUs = 365.0 * 86'400 * 1e6;  // what is so slow stands still

std::optional<std::int64_t> number(const Cells& cells, std::size_t column, std::size_t row) {
  const CellColumn& in = cells.columns[column];
  if (in.values.empty() || in.present[row] == 0) return std::nullopt;
  return in.values[row];
}

}  // namespace

TimeLeft::TimeLeft(const catalog::Source& source) : source_(source) {
  const auto index_of = [&](const std::string& name) { return static_cast<std::size_t>(source.find(name) - source.columns.data()); };
  for (const catalog::Column& column : source.columns) {
    if (!column.time_left_of.empty()) columns_.push_back({index_of(column.name), index_of(column.time_left_of), index_of(column.over)});
  }
}

std::string TimeLeft::name_of(const Cells& cells, std::size_t row) const {
  std::string name;
  for (std::size_t i = 0; i < source_.columns.size(); ++i) {
    const wire::ColumnKind kind = source_.columns[i].kind;
    const CellColumn& in = cells.columns[i];
    if ((kind != wire::ColumnKind::kKey && kind != wire::ColumnKind::kTime) || in.values.empty() || in.present[row] == 0) continue;
    name += in.texts.empty() ? std::to_string(in.values[row]) : std::string(in.texts[row]);
    name += '\0';
  }
  return name;
}

void TimeLeft::apply(Reading& reading) {
  Cells& cells = reading.cells;
  for (Column& column : columns_) {
    CellColumn& out = cells.columns[column.left];
    if (out.values.empty()) continue;  // the server does not have it
    for (auto& [name, operation] : column.operations) operation.is_under_way = false;
    for (std::size_t row = 0; row < cells.rows; ++row) {
      const auto done = number(cells, column.done, row), total = number(cells, column.total, row);
      if (!done || !total) continue;
      Operation& operation = column.operations[name_of(cells, row)];
      operation.is_under_way = true;
      auto& seen = operation.seen;
      // It began again, or somebody set the clock back.
      if (!seen.empty() && (*done < seen.back().done || reading.started_us <= seen.back().at_us)) seen.clear();
      while (!seen.empty() && reading.started_us - seen.front().at_us > kWindowUs) seen.pop_front();
      seen.push_back({reading.started_us, *done});
      const double moved = static_cast<double>(*done) - static_cast<double>(seen.front().done);
      const double left = static_cast<double>(*total) - static_cast<double>(*done);
      if (moved <= 0 || left < 0) continue;
      const double left_us = left / moved * static_cast<double>(reading.started_us - seen.front().at_us);
      if (left_us > kLongestUs) continue;
      out.values[row] = static_cast<std::int64_t>(left_us);
      out.present[row] = 1;
    }
    std::erase_if(column.operations, [](const auto& entry) { return !entry.second.is_under_way; });
  }
}

}  // namespace pga::collect
