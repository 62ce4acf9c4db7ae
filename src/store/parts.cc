// Pieces of SQL that the named queries are made of: rows and batch headers of a window, over the tables that answer it.
#include <algorithm>

#include "store/store_internal.h"

namespace pga::store {
namespace {

std::string time_range(const Slice& slice, Parameters& parameters) {
  const bool raw = slice.resolution == Resolution::kRaw;
  const std::int64_t unit = raw ? 1'000 : 1'000'000;
  const auto bound = [&](std::int64_t us) {
    return (raw ? "fromUnixTimestamp64Milli(" : "toDateTime(") + parameters.bind(us / unit) + ", 'UTC')";
  };
  const std::string column = raw ? "ts" : "bucket";
  return column + " >= " + bound(slice.window.from_us) + " AND " + column + " < " + bound(slice.window.to_us);
}

std::string time_columns(Resolution resolution) {
  if (resolution == Resolution::kRaw)
    return "toUnixTimestamp64Milli(ts) * 1000 AS _t, toUnixTimestamp64Milli(ts) * 1000 AS _tl, toUInt64(1) AS _n";
  return "toInt64(toUnixTimestamp(bucket)) * 1000000 AS _t, toUnixTimestamp64Milli(last_ts) * 1000 AS _tl, samples AS _n";
}

}  // namespace

std::string bucket_of(const Grid& grid, Parameters& parameters) {
  return "intDiv(_t - " + parameters.bind(grid.start_us) + ", " + parameters.bind(grid.step_us) + ")";
}

double seconds_per_unit(const catalog::Column& column) {
  if (column.unit == "nanoseconds") return 1e-9;
  if (column.unit == "microseconds") return 1e-6;
  if (column.unit == "milliseconds") return 1e-3;
  return 1;
}

std::string as_text_sql(std::string_view column) { return "toString(ifNull(" + quote_name(column) + ", ''))"; }

std::string Store::Impl::rows_of(const catalog::Source& source, const std::vector<Slice>& slices, const std::vector<std::string>& columns,
                                 bool one_server, Parameters& parameters, const std::string& where) const {
  const std::string list = join(columns, "", [](const std::string& column) { return ", " + column; });
  return join(slices, " UNION ALL ", [&](const Slice& slice) {
    return "SELECT server, " + time_columns(slice.resolution) + list + " FROM " + table(source.table() + table_suffix(slice.resolution)) +
           " WHERE tenant = {tenant:UInt32}" + (one_server ? " AND server = {server:UInt32}" : "") + " AND " +
           time_range(slice, parameters) + (where.empty() ? "" : " AND (" + where + ")");
  });
}

std::string Store::Impl::headers_of(const std::vector<Slice>& slices, const std::string& where, Parameters& parameters) const {
  // Outcomes 0, 1 and 5 have rows: the target was watched.
  constexpr const char* kRaw =
      "toUnixTimestamp64Milli(ts) * 1000 AS _t, toUInt64(1) AS batches, toUInt64(outcome = 0) AS complete, toUInt64(outcome IN (0, 1, 5)) "
      "AS answered, "
      "if(outcome IN (0, 1, 5), interval_us, 0) AS watched_us, rows, rows_refused, ts AS last_ts, if(outcome = 0, ts, NULL) AS "
      "last_complete_ts";
  constexpr const char* kRolled =
      "toInt64(toUnixTimestamp(bucket)) * 1000000 AS _t, batches, complete, answered, watched_us, rows, rows_refused, last_ts, "
      "last_complete_ts";
  return join(slices, " UNION ALL ", [&](const Slice& slice) {
    return std::string("SELECT server, collector, source, ") + (slice.resolution == Resolution::kRaw ? kRaw : kRolled) + " FROM " +
           table("batches" + table_suffix(slice.resolution)) + " WHERE tenant = {tenant:UInt32} AND " + time_range(slice, parameters) +
           (where.empty() ? "" : " AND " + where);
  });
}

net::Task<Result<Store::Impl::WatchedGrid>> Store::Impl::watched(std::uint32_t tenant, std::optional<std::uint32_t> server,
                                                                 std::string_view source, std::vector<Slice> slices, Grid grid) {
  Parameters parameters;
  parameters.set("tenant", tenant);
  if (server) parameters.set("server", *server);
  const std::string where = std::string(server ? "server = {server:UInt32} AND " : "") + "source = " + parameters.bind(source);
  const std::string from = headers_of(slices, where, parameters);
  auto rows = co_await select(
      "SELECT server, " + bucket_of(grid, parameters) + " AS i, sum(answered), sum(watched_us) FROM (" + from + ") GROUP BY server, i",
      parameters);
  if (!rows) co_return std::move(rows).error();
  WatchedGrid result;
  for (std::size_t r = 0; r < rows->size(); ++r) {
    auto& buckets = result[static_cast<std::uint32_t>(rows->integer(r, 0))];
    buckets.resize(grid.points);
    if (const std::uint64_t i = rows->count(r, 1); i < grid.points) buckets[i] = {rows->count(r, 2), rows->number(r, 3) / 1e6};
  }
  co_return result;
}

net::Task<Result<std::map<std::uint32_t, Store::Impl::Watched>>> Store::Impl::watched(std::uint32_t tenant,
                                                                                      std::optional<std::uint32_t> server,
                                                                                      std::string_view source, std::vector<Slice> slices) {
  const Window window = covered(slices);
  const Grid whole{window.from_us, std::max<std::int64_t>(1, window.to_us - window.from_us), 1};
  PGA_CO_TRY(const WatchedGrid grid, co_await watched(tenant, server, source, std::move(slices), whole));
  std::map<std::uint32_t, Watched> result;
  for (const auto& [id, buckets] : grid) result[id] = buckets.front();
  co_return result;
}

net::Task<Result<std::map<std::int64_t, Store::Impl::StatementText>>> Store::Impl::texts(std::uint32_t tenant, std::uint32_t server,
                                                                                         std::vector<std::int64_t> queryids) {
  std::map<std::int64_t, StatementText> result;
  const catalog::Source* source = find(kStatementTexts);
  if (source == nullptr || queryids.empty()) co_return result;
  Parameters parameters;
  parameters.set("tenant", tenant);
  parameters.set("server", server);
  const std::string ids = join(queryids, ", ", [](std::int64_t id) { return std::to_string(id); });
  auto rows = co_await select("SELECT queryid, argMax(query, ts), argMax(fingerprint, ts) FROM " + table(source->table()) +
                                  " WHERE tenant = {tenant:UInt32} AND server = {server:UInt32} AND queryid IN (" + ids +
                                  ") AND query != '' GROUP BY queryid",
                              std::move(parameters));
  if (!rows) co_return std::move(rows).error();
  for (std::size_t r = 0; r < rows->size(); ++r) {
    StatementText text{rows->text(r, 1), std::nullopt};
    if (rows->integer(r, 2) != 0) text.fingerprint = rows->count(r, 2);
    result[rows->integer(r, 0)] = std::move(text);
  }
  co_return result;
}

}  // namespace pga::store
