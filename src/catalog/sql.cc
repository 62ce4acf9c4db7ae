// From a declaration to the SELECT that a given server understands.
#include <algorithm>

#include "catalog/catalog.h"

namespace pga::catalog {
namespace {

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

// The type in which a cell is asked for, so that parsing needs to know nothing of the server's.
std::string typed(const Column& column, const std::string& expression) {
  const std::string e = "(" + expression + ")";
  switch (column.sql_type) {
    case SqlType::kInt:
      return e + "::bigint";
    case SqlType::kFloat:
      return e + "::float8";
    case SqlType::kBool:
      return e + "::bool";
    case SqlType::kText:
      return e + "::text";
    case SqlType::kTime:
    case SqlType::kInterval:
      return "(extract(epoch FROM " + expression + ") * 1000000)::bigint";
    case SqlType::kLsn:
      return "(" + expression + " - '0/0'::pg_lsn)::bigint";
  }
  return e;
}

// Relations of this database that somebody holds, or waits for, in a mode that lets nobody else look at them.
constexpr std::string_view kHeldExclusively =
    "FROM pg_catalog.pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL AND database = (SELECT oid FROM "
    "pg_catalog.pg_database WHERE datname = current_database())";

// The first rows of a plan, as many as have texts of no more than kTextsBytesMax together, and one in any case. Nothing is sorted for it.
std::string bounded(const Source& source, const ReadPlan& plan) {
  std::string names, bytes;
  for (std::size_t i = 0; i < plan.columns.size(); ++i) {
    const std::string name = "c" + std::to_string(i);
    names += (i == 0 ? "" : ", ") + name;
    if (source.columns[plan.columns[i]].sql_type == SqlType::kText) bytes += " + coalesce(octet_length(" + name + "), 0)";
  }
  return "SELECT " + names + " FROM (SELECT *, sum(0" + bytes + ") OVER (ROWS UNBOUNDED PRECEDING) AS bytes FROM (" + plan.sql + ") t(" +
         names + ")) s WHERE bytes <= " + std::to_string(kTextsBytesMax) + " OR bytes = 0" + bytes;
}

struct Mark {
  std::string sql = "0";  // a hash of what a source names in moved_by, of 64 bits: two states of a row do not have the same by chance
  std::string key;        // the first of what is hashed: null where there is no row, like the mark
};

// What this server does not have is left out.
Mark mark_of(const Source& source, const std::vector<std::string>& available) {
  Mark mark;
  for (const std::string& by : source.moved_by) {
    const Column* column = source.find(by);
    std::string value = by;
    if (column != nullptr) {
      const auto exists = [&](const std::string& name) { return std::find(available.begin(), available.end(), name) != available.end(); };
      const auto spelling = std::find_if(column->names.begin(), column->names.end(), exists);
      if (spelling == column->names.end()) continue;
      value = "r." + quote_identifier(*spelling);
    }
    const SqlType type = column == nullptr ? SqlType::kInt : column->sql_type;
    const bool first = mark.key.empty();
    if (first) mark.key = "(" + value + ")";
    const auto hash = [&](const char* function, const std::string& typed_value, const char* none) {
      mark.sql =
          std::string(function) + "(" + (first ? typed_value : "coalesce(" + typed_value + ", " + none + ")") + ", " + mark.sql + ")";
    };
    switch (type) {
      case SqlType::kText:
        hash("hashtextextended", "(" + value + ")::text COLLATE \"C\"", "''");
        break;
      case SqlType::kFloat:
        hash("hashfloat8extended", "(" + value + ")::float8", "0");
        break;
      case SqlType::kBool:
        hash("hashint8extended", "(" + value + ")::int::bigint", "0");
        break;
      default:
        hash("hashint8extended", "(" + value + ")::bigint", "0");
    }
  }
  return mark;
}

}  // namespace

std::string from_sql(const Source& source, std::size_t alternative) {
  if (source.moved_rows.empty()) return source.from[alternative];
  return replace_all(source.from[alternative], "{moved}", "(SELECT r.* FROM " + source.moved_rows[alternative] + " r)");
}

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    quoted += c;
    if (c == '"') quoted += '"';
  }
  return quoted + "\"";
}

std::string probe_sql(const Source& source, std::size_t alternative, std::string_view extension_schema) {
  return "SELECT * FROM " + replace_all(from_sql(source, alternative), "{schema}", extension_schema) + " WHERE false";
}

Result<ReadPlan> read_plan(const Source& source, std::size_t alternative, std::string_view extension_schema,
                           const std::vector<std::string>& available) {
  const auto exists = [&](const std::string& column) { return std::find(available.begin(), available.end(), column) != available.end(); };
  ReadPlan plan;
  std::string list;
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    const Column& column = source.columns[i];
    const auto spelling = std::find_if(column.names.begin(), column.names.end(), exists);
    const bool found = column.needs.empty()
                           ? (spelling != column.names.end() || (!column.sql.empty() && column.sql.find("{}") == std::string::npos))
                           : std::all_of(column.needs.begin(), column.needs.end(), exists);
    if (!found) {
      if (column.kind == wire::ColumnKind::kKey)
        return invalid("key column " + column.name + " of " + source.name + " does not exist on this server");
      plan.missing.push_back(column.name);
      continue;
    }
    const std::string name = spelling != column.names.end() ? quote_identifier(*spelling) : std::string();
    list += (list.empty() ? "" : ", ") + typed(column, column.sql.empty() ? name : replace_all(column.sql, "{}", name));
    plan.columns.push_back(i);
  }
  std::string from = " FROM " + replace_all(source.from[alternative], "{schema}", extension_schema);
  std::string where = replace_all(source.where, "{schema}", extension_schema);
  plan.counts_locked = !source.locked.empty();
  if (plan.counts_locked) {
    const std::string others = where.empty() ? "" : "(" + where + ") AND ";
    const std::string held = " IN (SELECT relation " + std::string(kHeldExclusively) + ")";
    list += ", (SELECT count(*)" + from + " WHERE " + others + source.locked + held + ")";
    where = others + "(" + source.locked + held + ") IS NOT TRUE";
  }
  const auto select = [&](const std::string& what, const std::string& rows, std::size_t limit) {
    std::string sql = "SELECT " + what + rows;
    if (!where.empty()) sql += " WHERE " + where;
    if (!source.order.empty()) sql += " ORDER BY " + source.order;
    return sql + " LIMIT " + std::to_string(limit + 1);  // one more, to see that there were more
  };
  if (!source.moved_rows.empty()) {
    const auto [mark, key] = mark_of(source, available);
    const std::string rows = " FROM " + replace_all(source.moved_rows[alternative], "{schema}", extension_schema) + " r";
    const std::string moved = "(SELECT r.*, " + mark + " AS pga_mark, k.mark AS pga_gone" + rows +
                              " FULL JOIN unnest((SELECT $1::bigint[])) k(mark) ON k.mark = " + mark + " WHERE k.mark IS NULL OR " + key +
                              " IS NULL)";
    // The marks are hidden from the planner: seeing thousands it would sort both sides instead of hashing one, which costs three times as
    // much, and plan anew for each reading. Every row that is there may have moved, and every one that was there may be gone.
    plan.moved_sql = select(list + ", pga_mark, pga_gone", replace_all(from, "{moved}", moved), 2 * source.rows_max);
    from = replace_all(from, "{moved}", "(SELECT r.*, " + mark + " AS pga_mark" + rows + ")");
    list += ", pga_mark";
  }
  plan.sql = select(list, from, source.rows_max);
  if (source.shape == Shape::kTexts) plan.sql = bounded(source, plan);
  return plan;
}

std::string union_sql(const std::vector<const ReadPlan*>& plans) {
  const auto width_of = [](const ReadPlan& plan) { return plan.columns.size() + (plan.counts_locked ? 1 : 0); };
  std::size_t width = 0;
  for (const ReadPlan* plan : plans) width = std::max(width, width_of(*plan));
  std::string sql;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    std::string list = std::to_string(i), names;
    for (std::size_t c = 0; c < width; ++c) {
      const std::string name = "c" + std::to_string(c);
      const bool there = c < width_of(*plans[i]);
      list += there ? ", " + name + "::text" : ", NULL";
      if (there) names += (names.empty() ? "" : ", ") + name;
    }
    sql +=
        (sql.empty() ? "SELECT " : " UNION ALL SELECT ") + list + " FROM (" + plans[i]->sql + ") s" + std::to_string(i) + "(" + names + ")";
  }
  return sql;
}

}  // namespace pga::catalog
