// Reads one declaration. Unknown keys, wrong values and contradictions are refused with file, line and key: a source that
// would not mean what its author thinks must not be collected.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "catalog/catalog.h"
#include "settings/mapping.h"

namespace pga::catalog {
namespace {

using settings::Mapping;

constexpr std::size_t kColumnsMax = 200;

bool is_name(std::string_view text, std::string_view extra) {
  if (text.empty() || text.size() > 63 || text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || extra.find(c) != std::string_view::npos;
  });
}

// What a value read in `from` must be multiplied by to be in `to`; 0 if that is not a conversion we know.
double unit_factor(std::string_view from, std::string_view to) {
  struct Conversion {
    std::string_view from, to;
    double factor;
  };
  static constexpr Conversion kConversions[] = {
      {"milliseconds", "nanoseconds", 1e6}, {"milliseconds", "microseconds", 1e3}, {"seconds", "nanoseconds", 1e9},
      {"seconds", "microseconds", 1e6},     {"kibibytes", "bytes", 1024},          {"ratio", "parts_per_million", 1e6},
  };
  if (from == to) return 1;
  for (const auto& c : kConversions) {
    if (c.from == from && c.to == to) return c.factor;
  }
  return 0;
}

wire::ColumnType wire_type_of(SqlType type, bool scaled) {
  switch (type) {
    case SqlType::kInt:
    case SqlType::kInterval:
    case SqlType::kLsn:
      return wire::ColumnType::kInt;
    case SqlType::kFloat:
      return scaled ? wire::ColumnType::kInt : wire::ColumnType::kDouble;
    case SqlType::kBool:
      return wire::ColumnType::kBool;
    case SqlType::kText:
      return wire::ColumnType::kString;
    case SqlType::kTime:
      return wire::ColumnType::kTime;
  }
  return wire::ColumnType::kInt;
}

Result<Column> parse_column(const std::string& name, const Mapping& in) {
  PGA_TRY_STATUS(in.only({"kind", "type", "unit", "source_unit", "nullable", "names", "sql", "needs", "ship", "redact", "deviation_of",
                          "time_left_of", "over", "combine", "plus", "doc"}));
  if (!is_name(name, ""))
    return in.error("", "column name \"" + name + "\" must be lower case letters, digits and underscores, at most 63");
  static constexpr std::string_view kOfTheStore[] = {kEstimatedColumn, kChangeColumn, kPartsColumn, "tenant",  "server", "ts",
                                                     "interval_us",    "segment",     "bucket",     "last_ts", "samples"};
  if (std::find(std::begin(kOfTheStore), std::end(kOfTheStore), name) != std::end(kOfTheStore)) {
    return in.error("", "column name \"" + name + "\" is taken by the store");
  }
  Column c;
  c.name = name;
  PGA_TRY(c.kind, in.choice<wire::ColumnKind>("kind",
                                              {{"key", wire::ColumnKind::kKey},
                                               {"counter", wire::ColumnKind::kCounter},
                                               {"gauge", wire::ColumnKind::kGauge},
                                               {"text", wire::ColumnKind::kText},
                                               {"time", wire::ColumnKind::kTime}},
                                              nullptr));
  const char* default_type = c.kind == wire::ColumnKind::kText ? "text" : c.kind == wire::ColumnKind::kTime ? "time" : "int";
  PGA_TRY(c.sql_type, in.choice<SqlType>("type",
                                         {{"int", SqlType::kInt},
                                          {"float", SqlType::kFloat},
                                          {"bool", SqlType::kBool},
                                          {"text", SqlType::kText},
                                          {"time", SqlType::kTime},
                                          {"interval", SqlType::kInterval},
                                          {"lsn", SqlType::kLsn}},
                                         default_type));
  PGA_TRY(c.unit, in.text("unit", c.sql_type == SqlType::kInterval ? "microseconds" : c.sql_type == SqlType::kLsn ? "bytes" : ""));
  PGA_TRY(const std::string source_unit, in.text("source_unit", c.unit));
  c.scale = unit_factor(source_unit, c.unit);
  if (c.scale == 0)
    return in.error("", "column \"" + name + "\": no conversion from \"" + source_unit + "\" to \"" + c.unit + "\" is known");
  PGA_TRY(c.nullable, in.boolean("nullable", c.kind != wire::ColumnKind::kKey && c.kind != wire::ColumnKind::kCounter));
  PGA_TRY(c.names, in.texts("names"));
  if (c.names.empty()) c.names = {name};
  PGA_TRY(c.sql, in.text("sql", ""));
  PGA_TRY(c.needs, in.texts("needs"));
  PGA_TRY(const Ship ship, in.choice<Ship>("ship", {{"all", Ship::kAll}, {"changed", Ship::kChanged}}, "all"));
  c.only_changed = ship == Ship::kChanged;
  PGA_TRY(const std::string redact, in.text("redact", ""));
  if (!redact.empty() && (redact != "sql" || c.sql_type != SqlType::kText))
    return in.error("redact", "column \"" + name + "\": redact is \"sql\", and for texts only");
  c.redact_sql = !redact.empty();
  PGA_TRY(c.deviation_of, in.text("deviation_of", ""));
  PGA_TRY(c.time_left_of, in.text("time_left_of", ""));
  PGA_TRY(c.over, in.text("over", ""));
  PGA_TRY(c.combine,
          in.choice<Combine>(
              "combine", {{"none", Combine::kNone}, {"count", Combine::kCount}, {"sum", Combine::kSum}, {"max", Combine::kMax}}, "none"));
  PGA_TRY(c.plus, in.text("plus", ""));
  PGA_TRY(c.doc, in.required_text("doc"));
  c.wire_type = wire_type_of(c.sql_type, c.scale != 1);
  if (c.sql_type != SqlType::kFloat && c.sql_type != SqlType::kInt && c.scale != 1) {
    return in.error("", "column \"" + name + "\": only int and float columns can be converted between units");
  }
  const bool number =
      c.sql_type == SqlType::kInt || c.sql_type == SqlType::kFloat || c.sql_type == SqlType::kLsn || c.sql_type == SqlType::kInterval;
  if (c.kind == wire::ColumnKind::kCounter && !(number && c.wire_type == wire::ColumnType::kInt)) {
    return in.error("",
                    "column \"" + name + "\": a counter must be a whole number; give a float a unit and a source_unit that make it one");
  }
  if (c.only_changed &&
      ((c.kind != wire::ColumnKind::kGauge && c.kind != wire::ColumnKind::kTime) || c.sql_type == SqlType::kText || !c.nullable))
    return in.error("", "column \"" + name + "\": ship: changed is for gauges and times that are no text and nullable");
  if ((c.deviation_of.empty() == c.time_left_of.empty()) != c.over.empty())
    return in.error("", "column \"" + name + "\": over goes together with one of deviation_of and time_left_of");
  if (!c.time_left_of.empty() && (c.kind != wire::ColumnKind::kGauge || c.sql_type != SqlType::kInt || c.unit != "microseconds" ||
                                  c.scale != 1 || !c.nullable || in.has("sql") || in.has("needs") || in.has("names")))
    return in.error("", "column \"" + name + "\": a time left is a nullable gauge in microseconds that is not read");
  if (!c.deviation_of.empty() &&
      (c.kind != wire::ColumnKind::kGauge || c.sql_type != SqlType::kFloat || c.scale == 1 || !c.nullable || c.only_changed))
    return in.error("", "column \"" + name + "\": a deviation is a nullable gauge of type float with a unit and a source_unit");
  if ((c.combine != Combine::kNone || !c.plus.empty()) && (c.kind != wire::ColumnKind::kGauge || c.sql_type != SqlType::kInt))
    return in.error("", "column \"" + name + "\": combine and plus are for gauges of type int");
  if (c.kind == wire::ColumnKind::kTime && c.sql_type != SqlType::kTime)
    return in.error("", "column \"" + name + "\": kind time needs type time");
  if (c.kind == wire::ColumnKind::kText && c.sql_type != SqlType::kText)
    return in.error("", "column \"" + name + "\": kind text needs type text");
  if (c.kind == wire::ColumnKind::kKey && (c.sql_type == SqlType::kFloat || c.nullable)) {
    return in.error("", "column \"" + name + "\": a key is an int, text, bool, time or lsn and not nullable");
  }
  return c;
}

// A time left is asked for as null where the server has what it is computed of.
Status parse_times_left(Source& s, const Mapping& columns) {
  for (Column& c : s.columns) {
    if (c.time_left_of.empty()) continue;
    if (s.shape != Shape::kSamples)
      return columns.error(c.name, "column \"" + c.name + "\": only sources of shape samples have times left");
    for (const std::string& other : {c.time_left_of, c.over}) {
      const Column* gauge = s.find(other);
      if (gauge == nullptr || gauge->kind != wire::ColumnKind::kGauge || gauge->wire_type != wire::ColumnType::kInt)
        return columns.error(c.name, "column \"" + c.name + "\": \"" + other + "\" is not a gauge of this source that is a whole number");
    }
    const Column& done = *s.find(c.time_left_of);
    c.sql = "NULL::bigint";
    c.needs = done.needs.empty() ? done.names : done.needs;
  }
  return {};
}

Status parse_parts(Source& s, const Mapping& in) {
  if (!in.has("parts")) return {};
  PGA_TRY(const Mapping parts, in.mapping("parts", "parts"));
  PGA_TRY_STATUS(parts.only({"key", "of", "within"}));
  PGA_TRY(s.part_key, parts.required_text("key"));
  PGA_TRY(s.part_of, parts.required_text("of"));
  PGA_TRY(s.part_within, parts.texts("within"));
  const auto is = [&](const std::string& name, wire::ColumnKind kind) {
    const Column* column = s.find(name);
    return column != nullptr && column->kind == kind;
  };
  const bool numbers = is(s.part_key, wire::ColumnKind::kKey) && is(s.part_of, wire::ColumnKind::kGauge) &&
                       s.find(s.part_key)->wire_type == wire::ColumnType::kInt && s.find(s.part_of)->wire_type == wire::ColumnType::kInt;
  const bool keys = std::ranges::all_of(s.part_within, [&](const std::string& name) { return is(name, wire::ColumnKind::kKey); });
  if (s.shape != Shape::kSeries || !numbers || !keys)
    return in.error("parts", "parts are of a series: \"key\" is a key and \"of\" a gauge, both whole numbers, \"within\" names keys");
  return {};
}

// A command of a console has no expressions, and its answer is all that there is.
Status check_show(const Source& s, const Mapping& in, const Mapping& columns) {
  if (s.scope != Scope::kPooler) {
    if (!s.open_rows.empty()) return in.error("open_rows", "only sources of scope pooler can have \"open_rows\"");
    for (const Column& c : s.columns) {
      if (c.combine != Combine::kNone || !c.plus.empty())
        return columns.error(c.name, "column \"" + c.name + "\": only sources of scope pooler can have \"combine\" and \"plus\"");
    }
    return {};
  }
  const bool is_command = s.from.size() == 1 && s.from[0].starts_with("SHOW ") && s.from[0].size() > 5 &&
                          std::all_of(s.from[0].begin() + 5, s.from[0].end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
  if (!is_command || !s.where.empty() || !s.order.empty() || !s.extension.empty() || !s.role.empty() || !s.locked.empty() ||
      s.shape == Shape::kTexts)
    return in.error("from", "a source of scope pooler is read \"from\" one command such as SHOW POOLS, as it is");
  for (const Column& c : s.columns) {
    if (!c.sql.empty() || !c.needs.empty() || c.sql_type == SqlType::kTime || c.sql_type == SqlType::kInterval ||
        c.sql_type == SqlType::kLsn)
      return columns.error(c.name, "column \"" + c.name + "\": a pooler answers numbers and texts, no expressions and times");
  }
  if (!s.open_rows.empty() && (s.keys().size() != 1 || s.columns[s.keys()[0]].sql_type != SqlType::kText))
    return in.error("open_rows", "open_rows needs exactly one key, a text");
  return {};
}

// The rows of which only those travel from the server that moved.
Status parse_moved(Source& s, const Mapping& in) {
  if (!in.has("moved")) return {};
  PGA_TRY(const Mapping moved, in.mapping("moved", "moved"));
  PGA_TRY_STATUS(moved.only({"rows", "by"}));
  PGA_TRY(s.moved_rows, moved.texts("rows"));
  PGA_TRY(s.moved_by, moved.texts("by"));
  if (s.moved_rows.empty() || s.moved_by.empty()) return in.error("moved", "moved needs \"rows\" and \"by\"");
  if (s.from.size() != 1 || s.from[0].find("{moved}") == std::string::npos)
    return in.error("from", "with \"moved\", \"from\" is one text in which {moved} stands for the rows");
  if (s.shape != Shape::kSeries || s.ship != Ship::kChanged || !s.locked.empty() || s.is_small())
    return in.error("moved", "moved is for sources of shape series with ship: changed and more than 2000 rows or 2s, without \"locked\"");
  s.from.resize(s.moved_rows.size(), s.from[0]);
  return {};
}

}  // namespace

Result<Source> Catalog::parse(std::string_view yaml, const std::string& file) {
  PGA_TRY(const Mapping in, Mapping::parse(yaml, file, "the declaration"));
  PGA_TRY_STATUS(
      in.only({"name",   "doc",   "scope",       "shape", "ship",  "interval", "full_every", "limits",    "requires", "follows",
               "locked", "parts", "resets_with", "from",  "moved", "where",    "order",      "open_rows", "reader",   "columns"}));
  Source s;
  s.file = file;
  PGA_TRY(s.name, in.required_text("name"));
  if (!is_name(s.name, ".") || s.name.find('.') == std::string::npos || s.name.back() == '.') {
    return in.error("", "name \"" + s.name + "\" must be like \"postgres.archiver\": lower case, with a dot");
  }
  PGA_TRY(s.doc, in.required_text("doc"));
  while (!s.doc.empty() && (s.doc.back() == '\n' || s.doc.back() == ' ')) s.doc.pop_back();
  PGA_TRY(s.scope, in.choice<Scope>("scope",
                                    {{"instance", Scope::kInstance},
                                     {"database", Scope::kDatabase},
                                     {"host", Scope::kHost},
                                     {"processes", Scope::kProcesses},
                                     {"pooler", Scope::kPooler},
                                     {"collector", Scope::kCollector}},
                                    nullptr));
  PGA_TRY(s.shape,
          in.choice<Shape>(
              "shape", {{"series", Shape::kSeries}, {"samples", Shape::kSamples}, {"texts", Shape::kTexts}, {"objects", Shape::kObjects}},
              "series"));
  PGA_TRY(s.ship, in.choice<Ship>("ship", {{"all", Ship::kAll}, {"changed", Ship::kChanged}}, "all"));
  PGA_TRY(s.interval, in.required_duration("interval"));
  if (s.interval < std::chrono::milliseconds{100}) return in.error("interval", "interval must be at least 100ms");
  PGA_TRY(s.full_every, in.duration("full_every", s.shape == Shape::kObjects ? std::chrono::hours{24} : std::chrono::minutes{10}));
  PGA_TRY(s.follows, in.text("follows", ""));
  PGA_TRY(s.locked, in.text("locked", ""));
  PGA_TRY(s.resets_with, in.text("resets_with", ""));
  PGA_TRY(s.from, in.texts("from"));
  PGA_TRY(s.where, in.text("where", ""));
  PGA_TRY(s.order, in.text("order", ""));
  PGA_TRY(s.open_rows, in.texts("open_rows"));
  PGA_TRY(s.reader, in.text("reader", ""));

  s.timeout = std::chrono::seconds{2};
  s.rows_max = 1'000;
  PGA_TRY(const Mapping limits, in.mapping("limits", "limits"));
  PGA_TRY_STATUS(limits.only({"rows", "timeout"}));
  PGA_TRY(s.timeout, limits.duration("timeout", s.timeout));
  PGA_TRY(s.rows_max, limits.number("rows", s.rows_max, 1, 100'000));
  if (in.has("requires")) {
    PGA_TRY(const Mapping needs, in.mapping("requires", "requires"));
    PGA_TRY_STATUS(needs.only({"extension", "role"}));
    PGA_TRY(s.extension, needs.text("extension", ""));
    PGA_TRY(s.role, needs.text("role", ""));
  }

  PGA_TRY(const Mapping columns, in.mapping("columns", "columns"));
  const std::vector<std::string> names = columns.keys();
  if (names.empty()) return in.error("", "the declaration needs \"columns\", a mapping with at least one column");
  if (names.size() > kColumnsMax)
    return in.error("columns", std::to_string(names.size()) + " columns exceed the limit of " + std::to_string(kColumnsMax));
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) return columns.error("", "column \"" + name + "\" stands twice");
    PGA_TRY(const Mapping column, columns.mapping(name, "column \"" + name + "\""));
    PGA_TRY(Column parsed, parse_column(name, column));
    s.columns.push_back(std::move(parsed));
  }

  const bool server = s.scope == Scope::kInstance || s.scope == Scope::kDatabase, pooler = s.scope == Scope::kPooler;
  if (pooler ? s.from.empty() || !s.reader.empty() : s.from.empty() == s.reader.empty() || (!server && s.reader.empty()))
    return in.error("", "a source of scope " + std::string(to_string(s.scope)) +
                            (pooler   ? " needs \"from\" and no \"reader\""
                             : server ? " needs either \"from\" or, if it is not read by a SELECT, \"reader\""
                                      : " needs \"reader\" and no \"from\""));
  if (s.shape != Shape::kSeries && s.has_counters()) return in.error("", "only sources of shape series can have counters");
  if (s.shape == Shape::kObjects && s.keys().empty()) return in.error("", "a source of shape objects needs a key");
  if (s.shape == Shape::kTexts && s.keys().empty()) return in.error("", "a source of shape texts needs a key");
  if (s.shape == Shape::kTexts && s.reader.empty() &&
      (s.follows.empty() || s.where.find("{new_keys}") == std::string::npos || s.keys().size() != 1 ||
       s.columns[s.keys()[0]].wire_type != wire::ColumnType::kInt)) {
    return in.error("", "a source of shape texts needs \"follows\", exactly one int key, and {new_keys} in \"where\"");
  }
  for (const Column& c : s.columns) {
    if (s.shape != Shape::kSeries && (c.only_changed || !c.deviation_of.empty()))
      return columns.error(c.name,
                           "column \"" + c.name + "\": only sources of shape series have deviations and cells that travel when changed");
    if (!c.time_left_of.empty()) continue;
    for (const std::string& other : {c.deviation_of, c.over}) {
      const Column* counter = s.find(other);
      if (!other.empty() && (counter == nullptr || counter->kind != wire::ColumnKind::kCounter))
        return columns.error(c.name, "column \"" + c.name + "\": \"" + other + "\" is not a counter of this source");
    }
  }
  PGA_TRY_STATUS(parse_times_left(s, columns));
  PGA_TRY_STATUS(parse_parts(s, in));
  PGA_TRY_STATUS(check_show(s, in, columns));
  PGA_TRY_STATUS(parse_moved(s, in));
  if (!s.resets_with.empty() && s.find(s.resets_with) == nullptr)
    return in.error("resets_with", "resets_with names \"" + s.resets_with + "\", which is not a column");
  return s;
}

}  // namespace pga::catalog
