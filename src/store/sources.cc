// Any source as a table, and what its readings say about a server.
#include <algorithm>

#include "store/store_internal.h"

namespace pga::store {
namespace {

using catalog::Column;
using catalog::Shape;
using catalog::Source;
using wire::ColumnKind;
using wire::ColumnType;

// As in the roll-ups: a null is a value, but where it only says that nothing changed.
std::string newest(const Column& c, const std::string& x, const std::string& time) {
  return c.only_changed ? "argMax(" + x + ", " + time + ")" : "argMax(tuple(" + x + "), " + time + ").1";
}

// Of objects the last values before it went.
std::string newest_of(const Source& source, const Column& c, const std::string& x) {
  if (source.shape != Shape::kObjects) return newest(c, x, "_tl");
  return "argMaxIf(tuple(" + x + "), _tl, x" + std::to_string(source.columns.size()) + " != 'removed').1";
}

// Readings further back hold the last known gauges of rows and cells that did not change since.
std::chrono::microseconds look_back(const Source& source) {
  const bool some = source.shape == Shape::kObjects || source.ship == catalog::Ship::kChanged ||
                    std::ranges::any_of(source.columns, &Column::only_changed);
  return some ? source.full_every + 2 * source.interval : std::chrono::microseconds{0};
}

Cell typed(const Cell& cell, ColumnType type) {
  if (type == ColumnType::kBool) {
    if (const auto* value = std::get_if<std::int64_t>(&cell)) return *value != 0;
  }
  return cell;
}

std::vector<TableColumn> described(const Source& source) {
  std::vector<TableColumn> columns;
  for (const Column& c : source.columns) columns.push_back({c.name, c.kind, c.wire_type, c.unit, c.doc});
  if (source.shape == Shape::kSamples)
    columns.push_back(
        {"samples", ColumnKind::kCounter, ColumnType::kInt, "samples", "Readings in which the row was seen, summed over its sessions."});
  if (source.shape == Shape::kObjects)
    columns.push_back({std::string(catalog::kChangeColumn), ColumnKind::kGauge, ColumnType::kString, "",
                       "What its newest row says: present, added, changed or removed."});
  return columns;
}

constexpr int kPartLevels = 6;  // partitions of partitions

// `rows` has a row per key, columns as c0, c1, …; `every` has the rows below them, columns as x0, x1, … and their time as _tl. Gives one
// row for all parts of a row that is no part itself; with a `condition`, of those only in which one row at least fulfils it.
std::string put_together(const Source& source, const std::string& rows, const std::string& every, const std::string& condition) {
  const auto at = [&](const std::string& name) { return std::to_string(source.find(name) - source.columns.data()); };
  const std::string key = at(source.part_key), of = at(source.part_of);
  const auto named = [&](const std::string& prefix, const std::string& id) {
    std::string hash = "cityHash64(";
    for (const std::string& column : source.part_within) hash += prefix + at(column) + ", ";
    return hash + id + ")";
  };
  std::string keys, levels, within, columns;
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    if (source.columns[i].kind == ColumnKind::kKey) keys += (keys.empty() ? "x" : ", x") + std::to_string(i);
  }
  std::string root = "c" + key;
  for (int level = 1; level <= kPartLevels; ++level) {
    const std::string next = "_r" + std::to_string(level), parent = "parents[" + named("c", root) + "]";
    levels += ", if(" + parent + " = 0, " + root + ", " + parent + ") AS " + next;
    root = next;
  }
  const std::string whole = "c" + key + " = " + root, part = "c" + key + " != " + root;
  for (const std::string& column : source.part_within) within += "c" + at(column) + ", ";
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    const Column& c = source.columns[i];
    const std::string x = "c" + std::to_string(i);
    const bool number = c.wire_type == ColumnType::kInt || c.wire_type == ColumnType::kDouble;
    std::string out = "argMax(tuple(" + x + "), " + whole + ").1";
    if (std::ranges::find(source.part_within, c.name) != source.part_within.end()) {
      out = x;
    } else if (c.name == source.part_key) {
      out = root;
    } else if (c.kind == ColumnKind::kCounter) {
      out = "sum(" + x + ")";
    } else if (c.kind == ColumnKind::kTime) {
      out = "max(" + x + ")";
    } else if (c.kind == ColumnKind::kGauge && number && c.name != source.part_of) {
      // What the whole says of itself may be the sum already, and may be old.
      out = "if(countIf(" + part + ") = 0, any(" + x + "), sumIf(" + x + ", " + part + "))";
    }
    columns += out + " AS p" + std::to_string(i) + ", ";
  }
  columns += "toInt64(countIf(" + part + ")) AS p" + std::to_string(source.columns.size());
  std::string renamed;
  for (std::size_t i = 0; i <= source.columns.size(); ++i)
    renamed += (i == 0 ? "p" : ", p") + std::to_string(i) + " AS c" + std::to_string(i);
  return "WITH (SELECT mapFromArrays(groupArray(_h), groupArray(assumeNotNull(_p))) FROM (SELECT " + named("x", "x" + key) +
         " AS _h, argMax(x" + of + ", _tl) AS _p FROM (" + every + ") GROUP BY " + keys + ") WHERE _p IS NOT NULL) AS parents SELECT " +
         renamed + " FROM (SELECT " + columns + " FROM (SELECT *" + levels + " FROM (" + rows + ")) GROUP BY " + within + root +
         (condition.empty() ? "" : " HAVING max(" + condition + ")") + ")";
}

}  // namespace

net::Task<Result<SourceTableResult>> Store::source_table(SourceTableQuery query) {
  Impl& impl = *impl_;
  const Source* source = impl.find(query.source);
  if (source == nullptr) co_return Error{ErrorCode::kNotFound, "no source is called \"" + query.source + "\""};
  SourceTableResult result;
  result.columns = described(*source);

  const bool together = query.parts_together && !source->part_of.empty();
  if (together) {
    result.columns.push_back({std::string(catalog::kPartsColumn), ColumnKind::kGauge, ColumnType::kInt, "",
                              "Of how many parts the row is the sum, such as partitions; 0: it is one thing."});
  }

  Parameters parameters;
  parameters.set("tenant", query.tenant);
  parameters.set("server", query.server);
  std::vector<Slice> slices = impl.plan(query.window);
  result.window = covered(slices);
  const bool rolled = has_rollups(*source), objects = source->shape == Shape::kObjects;
  if (objects) slices = {Slice{Resolution::kRaw, result.window}};

  // Inner: the rows, columns as x0, x1, …. Outer: one row per key as c0, c1, …: never the names of columns, so that no alias shadows one.
  std::vector<std::string> inner, outer, keys, searched;
  const std::string in_window = "_t >= " + parameters.bind(result.window.from_us);
  for (std::size_t i = 0; i < source->columns.size(); ++i) {
    const Column& c = source->columns[i];
    const std::string x = "x" + std::to_string(i), out = "c" + std::to_string(i);
    inner.push_back(quote_name(c.name) + " AS " + x);
    if (c.kind == ColumnKind::kKey) {
      keys.push_back(x);
      outer.push_back(x + " AS " + out);
    } else if (c.kind == ColumnKind::kCounter) {
      outer.push_back("sumIf(" + x + ", " + in_window + ") AS " + out);
    } else {
      outer.push_back(newest_of(*source, c, x) + " AS " + out);
    }
    if (c.wire_type == ColumnType::kString) searched.push_back(out);
  }
  if (objects) {
    const std::string x = "x" + std::to_string(source->columns.size()), out = "c" + std::to_string(source->columns.size());
    inner.push_back(quote_name(catalog::kChangeColumn) + " AS " + x);
    outer.push_back("argMax(" + x + ", _tl) AS " + out);
  }
  if (source->shape == Shape::kSamples) outer.push_back("toInt64(sum(_n)) AS c" + std::to_string(source->columns.size()));

  std::string from;
  if (rolled || objects) {
    if (slices.front().resolution == Resolution::kRaw && look_back(*source).count() > 0)
      slices.front().window.from_us -= look_back(*source).count();
    for (const Slice& slice : slices) {
      std::vector<std::string> columns = inner;
      if (source->shape == Shape::kSamples && slice.resolution != Resolution::kRaw) {
        for (std::size_t i = 0; i < columns.size(); ++i) {
          if (source->columns[i].kind != ColumnKind::kKey) columns[i] = "NULL AS x" + std::to_string(i);  // only counts are rolled up
        }
      }
      from += (from.empty() ? "" : " UNION ALL ") + impl.rows_of(*source, {slice}, columns, true, parameters);
    }
  } else {
    from = "SELECT toUnixTimestamp64Milli(ts) * 1000 AS _t, _t AS _tl, " + join(inner, ", ", [](const std::string& c) { return c; }) +
           " FROM " + impl.table(source->table()) + " WHERE tenant = {tenant:UInt32} AND server = {server:UInt32}";
  }

  std::string order;
  for (std::size_t i = 0; i < result.columns.size(); ++i) {
    const bool wanted = query.order.empty() ? result.columns[i].kind == ColumnKind::kCounter : result.columns[i].name == query.order;
    if (!wanted) continue;
    order = "c" + std::to_string(i) + (query.ascending ? " ASC" : " DESC") + " NULLS LAST";
    break;
  }
  if (order.empty() && !query.order.empty())
    co_return invalid("source " + query.source + " has no column \"" + query.order + "\" to order by");
  for (std::size_t i = 0; i < source->columns.size(); ++i) {
    if (source->columns[i].kind == ColumnKind::kKey) order += (order.empty() ? "" : ", ") + ("c" + std::to_string(i));
  }

  std::string sql = "SELECT " + join(outer, ", ", [](const std::string& c) { return c; }) + " FROM (" + from + ")";
  if (!keys.empty()) sql += " GROUP BY " + join(keys, ", ", [](const std::string& k) { return k; });
  sql += " HAVING count() > 0";
  if (objects) sql += " AND (argMax(x" + std::to_string(source->columns.size()) + ", _tl) != 'removed' OR max(" + in_window + "))";
  std::string found;
  if (!query.search.empty()) {
    const std::string needle = parameters.bind(query.search);
    found = searched.empty() ? std::string("0") : join(searched, " OR ", [&](const std::string& c) {
      return "positionCaseInsensitiveUTF8(ifNull(" + c + ", ''), " + needle + ") > 0";
    });
  }
  sql = "SELECT * FROM (" + (together ? put_together(*source, sql, from, found) : sql) + ")";
  if (!together && !found.empty()) sql += " WHERE " + found;
  if (!order.empty()) sql += " ORDER BY " + order;
  sql += " LIMIT " + parameters.bind(static_cast<std::int64_t>(query.limit) + 1);
  auto rows = co_await impl.select(std::move(sql), std::move(parameters));
  if (!rows) co_return std::move(rows).error();

  result.truncated = rows->size() > query.limit;
  for (std::size_t r = 0; r < std::min(rows->size(), query.limit); ++r) {
    std::vector<Cell> cells;
    for (std::size_t c = 0; c < result.columns.size(); ++c) cells.push_back(typed(rows->at(r, c), result.columns[c].type));
    result.rows.push_back(std::move(cells));
  }
  co_return result;
}

}  // namespace pga::store
