// Results as JSON, by the conventions at the top of openapi.yaml: epoch milliseconds, null for no data, strings beyond 2^53.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "store/queries.h"

namespace pga::api {

namespace json = boost::json;

inline std::int64_t to_ms(std::int64_t us) { return us / 1'000; }
inline std::int64_t to_ms(WallTime t) { return to_ms(to_micros(t)); }

template <class T>
json::value or_null(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}
inline json::value ms_or_null(const std::optional<std::int64_t>& us) { return us ? json::value(to_ms(*us)) : json::value(nullptr); }
inline json::value text_or_null(std::string_view text) { return text.empty() ? json::value(nullptr) : json::value(text); }

json::array to_json(const store::Values& values);
json::array times(const store::Grid& grid);
json::value cell(const store::Cell& value, wire::ColumnType type);
json::object column(std::string_view name, wire::ColumnKind kind, wire::ColumnType type, std::string_view unit, std::string_view doc);
json::object reference(std::uint32_t id, std::string_view name);

}  // namespace pga::api
