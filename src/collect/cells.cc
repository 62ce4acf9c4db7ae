#include "collect/cells.h"

#include <bit>
#include <charconv>
#include <cmath>

namespace pga::collect {

Reading Reading::failed(wire::Outcome outcome, std::string detail, std::string sqlstate) {
  Reading reading;
  reading.outcome = outcome;
  reading.detail = std::move(detail);
  reading.sqlstate = std::move(sqlstate);
  return reading;
}

Result<std::int64_t> parse_cell(const catalog::Column& column, std::string_view text) {
  const auto bad = [&] {
    // Not what it said: in a source of somebody's own that may be anything.
    return corrupt("column " + column.name + " answered " + std::to_string(text.size()) + " bytes that are not of its type");
  };
  switch (column.sql_type) {
    case catalog::SqlType::kBool:
      if (text == "t" || text == "true") return 1;
      if (text == "f" || text == "false") return 0;
      return bad();
    case catalog::SqlType::kFloat: {
      double value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc{} || end != text.data() + text.size()) return bad();
      // A deviation is needed to its last digit: two of them are subtracted.
      if (column.wire_type == wire::ColumnType::kDouble || !column.deviation_of.empty()) return std::bit_cast<std::int64_t>(value);
      const double scaled = std::round(value * column.scale);
      if (!(std::abs(scaled) < 9.2e18)) return bad();  // also NaN
      return static_cast<std::int64_t>(scaled);
    }
    case catalog::SqlType::kInt:
    case catalog::SqlType::kTime:
    case catalog::SqlType::kInterval:
    case catalog::SqlType::kLsn: {
      std::int64_t value = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc{} || end != text.data() + text.size()) return bad();
      if (column.scale != 1) {
        const double scaled = std::round(static_cast<double>(value) * column.scale);
        if (!(std::abs(scaled) < 9.2e18)) return bad();
        return static_cast<std::int64_t>(scaled);
      }
      return value;
    }
    case catalog::SqlType::kText:
      break;
  }
  return bad();
}

}  // namespace pga::collect
