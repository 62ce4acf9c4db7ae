// Tables from declarations: pure functions from a source to what ClickHouse must have.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "store/rollup.h"

namespace pga::store {

struct TableDefColumn {
  std::string name;
  std::string type;   // as system.columns spells it
  std::string codec;  // "T64, ZSTD(1)"
};

struct TableDef {
  std::string name;
  std::string engine = "MergeTree";  // or "ReplacingMergeTree(ts)"
  std::vector<TableDefColumn> columns;
  std::string partition_by;  // empty: one partition
  std::string order_by;
  bool nullable_key = false;
};

// Where the tables live: one node, or replicated by Keeper.
struct Topology {
  bool replicated = false;
  std::string cluster;  // of ON CLUSTER, with `replicated`
};

// Columns that every raw table begins with; a declaration may not have one of these names.
inline constexpr std::string_view kOwnColumns[] = {"tenant", "server", "ts", "interval_us", "segment", "bucket", "last_ts", "samples"};

TableDef raw_table(const catalog::Source& source);
bool has_rollups(const catalog::Source& source);  // texts and objects have none
TableDef rollup_table(const catalog::Source& source, Resolution resolution);
TableDef batches_table();
TableDef batches_rollup_table(Resolution resolution);
TableDef gaps_table();

// All of them. kInvalid: two sources share a table, or a source has a column of ours or one twice.
Result<std::vector<TableDef>> all_tables(const std::vector<catalog::Source>& sources);

std::string table_suffix(Resolution resolution);          // "", "_5m", "_1h"
std::string max_column(std::string_view gauge);           // of a roll-up: "connections__max"
std::string storage_type(const catalog::Column& column);  // "Nullable(Int64)"
std::string create_database_sql(std::string_view database, const Topology& topology);
std::string create_table_sql(std::string_view database, const TableDef& table, const Topology& topology);
std::string add_column_sql(std::string_view database, const TableDef& table, const TableDefColumn& column, const Topology& topology);

// INSERT SELECT of one step; the placeholders are {window:Int64} and {end:Int64} (seconds), {after:UInt64}, {through:UInt64}.
std::string rollup_sql(std::string_view database, const catalog::Source& source, Resolution resolution);
std::string batches_rollup_sql(std::string_view database, Resolution resolution);

}  // namespace pga::store
