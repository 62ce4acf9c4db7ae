#include "store/schema.h"

#include <algorithm>
#include <set>

#include "store/sql.h"

namespace pga::store {
namespace {

using catalog::Column;
using catalog::Shape;
using catalog::Source;
using wire::ColumnKind;
using wire::ColumnType;

constexpr const char* kIdCodec = "ZSTD(1)";
constexpr const char* kTimeCodec = "Delta, ZSTD(1)";
constexpr const char* kNumberCodec = "T64, ZSTD(1)";

bool is_text(const Column& c) { return c.wire_type == ColumnType::kString; }
bool is_number(const Column& c) { return c.wire_type == ColumnType::kInt || c.wire_type == ColumnType::kDouble; }

const char* codec(const Column& c) {
  switch (c.wire_type) {
    case ColumnType::kInt:
      return c.kind == ColumnKind::kKey ? kIdCodec : kNumberCodec;
    case ColumnType::kTime:
      return kTimeCodec;
    case ColumnType::kBool:
    case ColumnType::kString:
    case ColumnType::kDouble:
      return "ZSTD(1)";
  }
  return kIdCodec;
}

TableDefColumn stored(const Column& c) { return {c.name, storage_type(c), codec(c)}; }

std::string key_list(const Source& source) {
  return join(source.keys(), "", [&](std::size_t k) { return ", " + quote_name(source.columns[k].name); });
}

bool nullable_key(const Source& source) {
  const auto keys = source.keys();
  return std::any_of(keys.begin(), keys.end(), [&](std::size_t k) { return source.columns[k].nullable; });
}

std::string on_cluster(const Topology& topology) { return topology.replicated ? " ON CLUSTER " + quote_name(topology.cluster) : ""; }

// A column of a roll-up table and the aggregate that makes it.
struct RollupColumn {
  TableDefColumn column;
  std::string expression;
};

// The value of the newest reading, also when that is null. Where null only says that the value is what it was, the newest that is none:
// argMax alone skips nulls.
std::string newest(const Column& c) {
  return c.only_changed ? "argMax(" + quote_name(c.name) + ", ts)" : "argMax(tuple(" + quote_name(c.name) + "), ts).1";
}

std::vector<RollupColumn> rollup_columns(const Source& source) {
  std::vector<RollupColumn> out = {
      {{"tenant", "UInt32", kIdCodec}, "tenant"},
      {{"server", "UInt32", kIdCodec}, "server"},
      {{"bucket", "DateTime('UTC')", kTimeCodec}, "toDateTime({window:Int64}, 'UTC')"},
      {{"segment", "UInt64", kTimeCodec}, "{through:UInt64}"},
      {{"samples", "UInt64", kNumberCodec}, "count()"},
      {{"last_ts", "DateTime64(3, 'UTC')", kTimeCodec}, "max(ts)"},
  };
  for (const Column& c : source.columns) {
    if (c.kind == ColumnKind::kKey) out.push_back({stored(c), quote_name(c.name)});
  }
  if (source.shape != Shape::kSeries) return out;
  for (const Column& c : source.columns) {
    if (c.kind == ColumnKind::kCounter) out.push_back({stored(c), "sum(" + quote_name(c.name) + ")"});
    if (c.kind == ColumnKind::kKey || c.kind == ColumnKind::kCounter) continue;
    out.push_back({stored(c), newest(c)});
    if (c.kind == ColumnKind::kGauge && is_number(c))
      out.push_back({{max_column(c.name), storage_type(c), codec(c)}, "max(" + quote_name(c.name) + ")"});
  }
  if (source.has_counters()) {
    const std::string name(catalog::kEstimatedColumn);
    out.push_back({{name, "Bool", "ZSTD(1)"}, "max(" + name + ")"});
  }
  return out;
}

std::vector<RollupColumn> batches_rollup_columns() {
  // outcome 0 is complete; 1 and 5 have rows too, so that the target was watched.
  return {
      {{"tenant", "UInt32", kIdCodec}, "tenant"},
      {{"server", "UInt32", kIdCodec}, "server"},
      {{"bucket", "DateTime('UTC')", kTimeCodec}, "toDateTime({window:Int64}, 'UTC')"},
      {{"segment", "UInt64", kTimeCodec}, "{through:UInt64}"},
      {{"source", "LowCardinality(String)", kIdCodec}, "source"},
      {{"collector", "UInt32", kIdCodec}, "collector"},
      {{"batches", "UInt64", kNumberCodec}, "count()"},
      {{"complete", "UInt64", kNumberCodec}, "countIf(outcome = 0)"},
      {{"answered", "UInt64", kNumberCodec}, "countIf(outcome IN (0, 1, 5))"},
      {{"watched_us", "Int64", kNumberCodec}, "sumIf(interval_us, outcome IN (0, 1, 5))"},
      {{"rows", "UInt64", kNumberCodec}, "sum(rows)"},
      {{"rows_refused", "UInt64", kNumberCodec}, "sum(rows_refused)"},
      {{"last_ts", "DateTime64(3, 'UTC')", kTimeCodec}, "max(ts)"},
      {{"last_complete_ts", "Nullable(DateTime64(3, 'UTC'))", kTimeCodec}, "maxOrNullIf(ts, outcome = 0)"},
  };
}

std::vector<TableDefColumn> only_columns(const std::vector<RollupColumn>& columns) {
  std::vector<TableDefColumn> out;
  for (const RollupColumn& c : columns) out.push_back(c.column);
  return out;
}

// A day of five-minute rows is what one screen shows, so days are kept apart inside the key, as hours are in raw tables.
void arrange_rollup(TableDef& table, Resolution resolution, const std::string& keys) {
  const bool fine = resolution == Resolution::kFiveMinutes;
  table.partition_by = fine ? "toMonday(bucket)" : "toYYYYMM(bucket)";
  table.order_by = std::string("tenant, server") + (fine ? ", toDate(bucket)" : "") + keys + ", bucket";
}

std::string insert_select(std::string_view database, const std::string& table, const std::string& from,
                          const std::vector<RollupColumn>& columns, const std::string& group_by) {
  const std::string names = join(columns, ", ", [](const RollupColumn& c) { return quote_name(c.column.name); });
  // Aliases differ from the names of columns, so that an aggregate never sees another's result.
  std::size_t i = 0;
  const std::string expressions = join(columns, ", ", [&](const RollupColumn& c) { return c.expression + " AS r" + std::to_string(i++); });
  // The order makes a repetition yield the same blocks, which the token needs where one insert is several blocks.
  return "INSERT INTO " + quote_name(database) + "." + quote_name(table) + " (" + names + ") SELECT " + expressions + " FROM " +
         quote_name(database) + "." + quote_name(from) +
         " WHERE ts >= toDateTime({window:Int64}, 'UTC') AND ts < toDateTime({end:Int64}, 'UTC')" +
         " AND segment > {after:UInt64} AND segment <= {through:UInt64} GROUP BY " + group_by + " ORDER BY " + group_by;
}

}  // namespace

std::string table_suffix(Resolution resolution) {
  switch (resolution) {
    case Resolution::kRaw:
      return "";
    case Resolution::kFiveMinutes:
      return "_5m";
    case Resolution::kOneHour:
      return "_1h";
  }
  return "";
}

std::string max_column(std::string_view gauge) { return std::string(gauge) + "__max"; }

std::string storage_type(const Column& c) {
  const bool low_cardinality = is_text(c) && c.kind != ColumnKind::kText;
  std::string type;
  switch (c.wire_type) {
    case ColumnType::kInt:
      type = "Int64";
      break;
    case ColumnType::kBool:
      type = "Bool";
      break;
    case ColumnType::kString:
      type = "String";
      break;
    case ColumnType::kTime:
      type = "DateTime64(6, 'UTC')";
      break;
    case ColumnType::kDouble:
      type = "Float64";
      break;
  }
  if (c.nullable) type = "Nullable(" + type + ")";
  return low_cardinality ? "LowCardinality(" + type + ")" : type;
}

TableDef raw_table(const Source& source) {
  TableDef table;
  table.name = source.table();
  table.columns = {{"tenant", "UInt32", kIdCodec},
                   {"server", "UInt32", kIdCodec},
                   {"ts", "DateTime64(3, 'UTC')", kTimeCodec},
                   {"interval_us", "Int64", kNumberCodec},
                   {"segment", "UInt64", kTimeCodec}};
  for (const Column& c : source.columns) table.columns.push_back(stored(c));
  if (source.has_counters()) table.columns.push_back({std::string(catalog::kEstimatedColumn), "Bool", "ZSTD(1)"});
  if (source.shape == Shape::kObjects) table.columns.push_back({std::string(catalog::kChangeColumn), "LowCardinality(String)", kIdCodec});
  table.nullable_key = nullable_key(source);
  if (source.shape == Shape::kTexts) {
    table.engine = "ReplacingMergeTree(ts)";
    table.order_by = "tenant, server" + key_list(source);
  } else if (source.shape == Shape::kObjects) {
    table.partition_by = "toYYYYMM(ts)";  // kept as long as what is rolled up to an hour: changes are asked for long after
    table.order_by = "tenant, server" + key_list(source) + ", ts";
  } else {
    table.partition_by = "toDate(ts)";
    table.order_by = "tenant, server, toStartOfHour(ts)" + key_list(source) + ", ts";
  }
  return table;
}

bool has_rollups(const Source& source) { return source.shape != Shape::kTexts && source.shape != Shape::kObjects; }

TableDef rollup_table(const Source& source, Resolution resolution) {
  TableDef table;
  table.name = source.table() + table_suffix(resolution);
  table.columns = only_columns(rollup_columns(source));
  table.nullable_key = nullable_key(source);
  arrange_rollup(table, resolution, key_list(source));
  return table;
}

TableDef batches_table() {
  TableDef table;
  table.name = "batches";
  table.columns = {{"tenant", "UInt32", kIdCodec},
                   {"server", "UInt32", kIdCodec},
                   {"ts", "DateTime64(3, 'UTC')", kTimeCodec},
                   {"interval_us", "Int64", kNumberCodec},
                   {"segment", "UInt64", kTimeCodec},
                   {"source", "LowCardinality(String)", kIdCodec},
                   {"database", "LowCardinality(String)", kIdCodec},
                   {"collector", "UInt32", kIdCodec},
                   {"epoch", "UInt64", kIdCodec},
                   {"sequence", "UInt64", kTimeCodec},
                   {"received", "DateTime64(6, 'UTC')", kTimeCodec},
                   {"outcome", "UInt8", kIdCodec},
                   {"duration_us", "UInt64", kNumberCodec},
                   {"rows_seen", "UInt64", kNumberCodec},
                   {"rows", "UInt64", kNumberCodec},
                   {"rows_refused", "UInt64", kNumberCodec},
                   {"sqlstate", "LowCardinality(String)", kIdCodec},
                   {"detail", "String", kIdCodec},
                   {"missing", "String", kIdCodec}};  // names, one a line
  table.partition_by = "toDate(ts)";
  table.order_by = "tenant, server, source, ts";
  return table;
}

TableDef batches_rollup_table(Resolution resolution) {
  TableDef table;
  table.name = "batches" + table_suffix(resolution);
  table.columns = only_columns(batches_rollup_columns());
  arrange_rollup(table, resolution, ", source, collector");
  return table;
}

TableDef gaps_table() {
  TableDef table;
  table.name = "gaps";
  table.columns = {{"tenant", "UInt32", kIdCodec},
                   {"collector", "UInt32", kIdCodec},
                   {"ts", "DateTime64(3, 'UTC')", kTimeCodec},  // when we heard of it
                   {"segment", "UInt64", kTimeCodec},
                   {"epoch", "UInt64", kIdCodec},
                   {"first_sequence", "UInt64", kTimeCodec},
                   {"last_sequence", "UInt64", kTimeCodec},
                   {"from_ts", "DateTime64(6, 'UTC')", kTimeCodec},
                   {"to_ts", "DateTime64(6, 'UTC')", kTimeCodec},
                   {"bytes", "UInt64", kNumberCodec},
                   {"reason", "LowCardinality(String)", kIdCodec}};
  table.partition_by = "toDate(ts)";
  table.order_by = "tenant, collector, ts";
  return table;
}

Result<std::vector<TableDef>> all_tables(const std::vector<Source>& sources) {
  std::vector<TableDef> tables = {batches_table(), batches_rollup_table(Resolution::kFiveMinutes),
                                  batches_rollup_table(Resolution::kOneHour), gaps_table()};
  for (const Source& source : sources) {
    for (const Column& c : source.columns) {
      if (std::find(std::begin(kOwnColumns), std::end(kOwnColumns), c.name) != std::end(kOwnColumns)) {
        return invalid(source.file + ": column \"" + c.name + "\" of " + source.name + " has a name that the store uses itself");
      }
    }
    tables.push_back(raw_table(source));
    if (!has_rollups(source)) continue;
    tables.push_back(rollup_table(source, Resolution::kFiveMinutes));
    tables.push_back(rollup_table(source, Resolution::kOneHour));
  }
  std::set<std::string> names;
  for (const TableDef& table : tables) {
    if (!names.insert(table.name).second) return invalid("two sources would share the table " + table.name);
    std::set<std::string> columns;
    for (const TableDefColumn& c : table.columns) {
      if (!columns.insert(c.name).second) return invalid("table " + table.name + " would have the column " + c.name + " twice");
    }
  }
  return tables;
}

std::string create_database_sql(std::string_view database, const Topology& topology) {
  return "CREATE DATABASE IF NOT EXISTS " + quote_name(database) + on_cluster(topology);
}

std::string create_table_sql(std::string_view database, const TableDef& table, const Topology& topology) {
  std::string engine = table.engine;
  if (topology.replicated) {
    const std::size_t arguments = engine.find('(');
    const std::string extra = arguments == std::string::npos ? ")" : ", " + engine.substr(arguments + 1);
    engine = "Replicated" + engine.substr(0, arguments) + "('/clickhouse/tables/{shard}/{database}/{table}', '{replica}'" + extra;
  }
  const std::string columns =
      join(table.columns, ", ", [](const TableDefColumn& c) { return quote_name(c.name) + " " + c.type + " CODEC(" + c.codec + ")"; });
  std::string sql = "CREATE TABLE IF NOT EXISTS " + quote_name(database) + "." + quote_name(table.name) + on_cluster(topology) + " (" +
                    columns + ") ENGINE = " + engine;
  if (!table.partition_by.empty()) sql += " PARTITION BY " + table.partition_by;
  sql += " ORDER BY (" + table.order_by + ") SETTINGS ";
  sql += topology.replicated ? "replicated_deduplication_window = 10000" : "non_replicated_deduplication_window = 10000";
  if (table.nullable_key) sql += ", allow_nullable_key = 1";
  return sql;
}

std::string add_column_sql(std::string_view database, const TableDef& table, const TableDefColumn& column, const Topology& topology) {
  return "ALTER TABLE " + quote_name(database) + "." + quote_name(table.name) + on_cluster(topology) + " ADD COLUMN IF NOT EXISTS " +
         quote_name(column.name) + " " + column.type + " CODEC(" + column.codec + ")";
}

std::string rollup_sql(std::string_view database, const Source& source, Resolution resolution) {
  return insert_select(database, source.table() + table_suffix(resolution), source.table(), rollup_columns(source),
                       "tenant, server" + key_list(source));
}

std::string batches_rollup_sql(std::string_view database, Resolution resolution) {
  return insert_select(database, "batches" + table_suffix(resolution), "batches", batches_rollup_columns(),
                       "tenant, server, source, collector");
}

}  // namespace pga::store
