#include "api/json.h"

#include "catalog/catalog.h"

namespace pga::api {
namespace {

constexpr std::int64_t kExact = std::int64_t{1} << 53;  // what a JavaScript number holds exactly

std::string_view type_name(wire::ColumnType type) {
  switch (type) {
    case wire::ColumnType::kInt:
      return "int64";
    case wire::ColumnType::kBool:
      return "bool";
    case wire::ColumnType::kString:
      return "text";
    case wire::ColumnType::kTime:
      return "timestamp";
    case wire::ColumnType::kDouble:
      return "float64";
  }
  return "text";
}

}  // namespace

json::array to_json(const store::Values& values) {
  json::array out;
  out.reserve(values.size());
  for (const auto& value : values) out.push_back(or_null(value));
  return out;
}

json::array times(const store::Grid& grid) {
  json::array out;
  out.reserve(grid.points);
  for (std::size_t i = 0; i < grid.points; ++i) out.emplace_back(to_ms(grid.at(i)));
  return out;
}

json::value cell(const store::Cell& value, wire::ColumnType type) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    if (type == wire::ColumnType::kTime) return to_ms(*number);
    if (*number > kExact || *number < -kExact) return json::value(std::to_string(*number));
    return *number;
  }
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* text = std::get_if<std::string>(&value)) return json::value(*text);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  return nullptr;
}

json::object column(std::string_view name, wire::ColumnKind kind, wire::ColumnType type, std::string_view unit, std::string_view doc) {
  return {{"name", name}, {"kind", catalog::to_string(kind)}, {"type", type_name(type)}, {"unit", text_or_null(unit)}, {"doc", doc}};
}

json::object reference(std::uint32_t id, std::string_view name) { return {{"id", id}, {"name", name}}; }

}  // namespace pga::api
