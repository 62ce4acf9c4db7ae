// What a server is and does, from the newest readings of a window.
#include <algorithm>

#include "store/store_internal.h"

namespace pga::store {
namespace {

constexpr std::chrono::hours kNewestMax{1};  // how far before the end of the window a reading still counts as the newest

// Columns of one source whose newest value goes into the summary.
struct Newest {
  const char* source;
  const char* column;
  void (*put)(InstanceSummary&, const Rows&, std::size_t row, std::size_t column);
};

template <auto Member>
void put_integer(InstanceSummary& s, const Rows& rows, std::size_t r, std::size_t c) {
  s.*Member = rows.maybe_integer(r, c);
}

const Newest kNewest[] = {
    {"postgres.instance", "version",
     [](InstanceSummary& s, const Rows& rows, std::size_t r, std::size_t c) { s.version = rows.maybe_text(r, c); }},
    {"postgres.instance", "in_recovery",
     [](InstanceSummary& s, const Rows& rows, std::size_t r, std::size_t c) {
       if (const auto value = rows.maybe_integer(r, c)) s.in_recovery = *value != 0;
     }},
    {"postgres.instance", "local",
     [](InstanceSummary& s, const Rows& rows, std::size_t r, std::size_t c) {
       if (const auto value = rows.maybe_integer(r, c)) s.local = *value != 0;
     }},
    {"postgres.instance", "max_connections", put_integer<&InstanceSummary::max_connections>},
    {"postgres.instance", "connections", put_integer<&InstanceSummary::connections>},
    {"postgres.instance", "active", put_integer<&InstanceSummary::active>},
    {"postgres.instance", "idle_in_transaction", put_integer<&InstanceSummary::idle_in_transaction>},
    {"postgres.instance", "start_time", put_integer<&InstanceSummary::start_time_us>},
    {"postgres.instance", "oldest_transaction_us",
     [](InstanceSummary& s, const Rows& rows, std::size_t r, std::size_t c) {
       if (const auto value = rows.maybe_number(r, c)) s.oldest_transaction_seconds = *value / 1e6;
     }},
    {"host.cpu", "cores", put_integer<&InstanceSummary::cores>},
};

std::uint32_t server_of(const Rows& rows, std::size_t row) { return static_cast<std::uint32_t>(rows.integer(row, 0)); }

}  // namespace

// The newest row's columns of each server.
net::Task<Status> Store::Impl::add_newest(SummaryQuery query, std::string_view source_name, SummaryResult& result) {
  const catalog::Source* source = find(source_name);
  if (source == nullptr) co_return Status{};
  std::vector<const Newest*> wanted;
  std::vector<std::string> columns;
  std::string selected;
  for (const Newest& newest : kNewest) {
    if (newest.source != source_name || source->find(newest.column) == nullptr) continue;
    const std::string x = "x" + std::to_string(columns.size());
    columns.push_back(quote_name(newest.column) + " AS " + x);
    selected += ", argMax(tuple(" + x + "), _tl).1";
    wanted.push_back(&newest);
  }
  if (wanted.empty()) co_return Status{};
  const std::int64_t from = std::max(query.window.from_us, query.window.to_us - std::chrono::microseconds(kNewestMax).count());
  Parameters parameters;
  parameters.set("tenant", query.tenant);
  if (query.server) parameters.set("server", *query.server);
  const std::string rows_sql = rows_of(*source, plan({from, query.window.to_us}), columns, query.server.has_value(), parameters);
  auto rows = co_await select("SELECT server" + selected + " FROM (" + rows_sql + ") GROUP BY server", parameters);
  if (!rows) co_return std::move(rows).error();
  for (std::size_t r = 0; r < rows->size(); ++r) {
    InstanceSummary& summary = result[server_of(*rows, r)];
    for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i]->put(summary, *rows, r, i + 1);
  }
  co_return Status{};
}

net::Task<Status> Store::Impl::add_transactions(SummaryQuery query, SummaryResult& result) {
  const catalog::Source* source = find("postgres.databases");
  if (source == nullptr || source->find("xact_commit") == nullptr || source->find("xact_rollback") == nullptr) co_return Status{};
  const std::vector<Slice> slices = plan(query.window);
  PGA_CO_TRY(const auto watched_for, co_await watched(query.tenant, query.server, source->name, slices));
  Parameters parameters;
  parameters.set("tenant", query.tenant);
  if (query.server) parameters.set("server", *query.server);
  const std::string rows_sql =
      rows_of(*source, slices, {"ifNull(xact_commit, 0) + ifNull(xact_rollback, 0) AS x", as_text_sql("datname") + " AS d"},
              query.server.has_value(), parameters);
  auto rows = co_await select("SELECT server, sum(x), uniqExact(d) FROM (" + rows_sql + ") GROUP BY server", parameters);
  if (!rows) co_return std::move(rows).error();
  for (std::size_t r = 0; r < rows->size(); ++r) {
    const std::uint32_t server = server_of(*rows, r);
    const auto at = watched_for.find(server);
    if (at != watched_for.end() && at->second.seconds > 0) result[server].transactions_per_second = rows->number(r, 1) / at->second.seconds;
    result[server].databases = rows->integer(r, 2);
  }
  co_return Status{};
}

net::Task<Status> Store::Impl::add_sizes(SummaryQuery query, SummaryResult& result) {
  const catalog::Source* source = find("postgres.database_sizes");
  if (source == nullptr || source->find("size_bytes") == nullptr) co_return Status{};
  const std::int64_t from =
      query.window.to_us - std::max<std::int64_t>(std::chrono::microseconds(kNewestMax).count(), 3 * source->interval.count());
  Parameters parameters;
  parameters.set("tenant", query.tenant);
  if (query.server) parameters.set("server", *query.server);
  const std::string rows_sql = rows_of(*source, plan({from, query.window.to_us}), {as_text_sql("datname") + " AS d", "size_bytes AS x"},
                                       query.server.has_value(), parameters);
  // Sizes of the newest reading only: a database that was dropped since counts no more.
  auto rows = co_await select(
      "SELECT server, sum(x) FROM (SELECT server, d, argMax(x, _tl) AS x, max(_tl) AS seen, max(seen) OVER (PARTITION BY server) AS newest "
      "FROM (" +
          rows_sql + ") GROUP BY server, d) WHERE seen = newest GROUP BY server",
      parameters);
  if (!rows) co_return std::move(rows).error();
  for (std::size_t r = 0; r < rows->size(); ++r) result[server_of(*rows, r)].size_bytes = rows->maybe_integer(r, 1);
  co_return Status{};
}

net::Task<Status> Store::Impl::add_last_seen(SummaryQuery query, SummaryResult& result) {
  Parameters parameters;
  parameters.set("tenant", query.tenant);
  const std::int64_t from = std::max(query.window.from_us, query.window.to_us - std::chrono::microseconds(kNewestMax).count());
  parameters.set("from", from / 1000);
  parameters.set("to", query.window.to_us / 1000);
  if (query.server) parameters.set("server", *query.server);
  // Outcome 7 is unreachable.
  auto rows = co_await select(
      "SELECT server, maxOrNullIf(ts, outcome != 7), maxOrNullIf(ts, outcome = 7) FROM " + table("batches") +
          " WHERE tenant = {tenant:UInt32}" + (query.server ? " AND server = {server:UInt32}" : "") +
          " AND ts >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({to:Int64}, 'UTC') GROUP BY server",
      parameters);
  if (!rows) co_return std::move(rows).error();
  for (std::size_t r = 0; r < rows->size(); ++r) {
    InstanceSummary& summary = result[server_of(*rows, r)];
    summary.last_seen_us = rows->maybe_integer(r, 1);
    summary.last_unreachable_us = rows->maybe_integer(r, 2);
  }
  co_return Status{};
}

net::Task<Result<SummaryResult>> Store::summaries(SummaryQuery query) {
  Impl& impl = *impl_;
  SummaryResult result;
  PGA_CO_TRY_STATUS(co_await impl.add_last_seen(query, result));
  PGA_CO_TRY_STATUS(co_await impl.add_newest(query, "postgres.instance", result));
  PGA_CO_TRY_STATUS(co_await impl.add_newest(query, "host.cpu", result));
  PGA_CO_TRY_STATUS(co_await impl.add_transactions(query, result));
  PGA_CO_TRY_STATUS(co_await impl.add_sizes(query, result));
  co_return result;
}

}  // namespace pga::store
