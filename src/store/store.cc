#include "store/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/files.h"
#include "base/log.h"
#include "store/limits.h"
#include "store/store_internal.h"

namespace pga::store {

bool is_retriable(const Error& error) { return error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kTimeout; }

Store::Impl::Impl(net::Loop& event_loop, std::vector<catalog::Source> declared, const Clock& wall_clock, StoreOptions store_options)
    : loop(event_loop),
      sources(std::move(declared)),
      clock(wall_clock),
      options(std::move(store_options)),
      watermarks(options.watermarks ? options.watermarks : std::make_shared<Watermarks>()),
      client(event_loop, options.client, options.user, options.password),
      started_us(to_micros(wall_clock.now())) {}

Store::Store(net::Loop& loop, const catalog::Catalog& catalog, const Clock& clock, StoreOptions options)
    : Store(loop, catalog.sources(), clock, std::move(options)) {}
Store::Store(net::Loop& loop, std::vector<catalog::Source> sources, const Clock& clock, StoreOptions options)
    : impl_(std::make_unique<Impl>(loop, std::move(sources), clock, std::move(options))) {}
Store::~Store() = default;

const catalog::Source* Store::Impl::find(std::string_view source) const {
  const auto it = std::find_if(sources.begin(), sources.end(), [&](const catalog::Source& s) { return s.name == source; });
  return it == sources.end() ? nullptr : &*it;
}

std::string Store::Impl::engine_run() const {
  if (options.engine_directory.empty()) return {};
  const std::uint64_t restarts = options.engine_restarts ? options.engine_restarts() : 0;
  return std::to_string(started_us) + "-" + std::to_string(restarts) + "-";
}

std::string Store::Impl::table(std::string_view name) const { return quote_name(options.database) + "." + quote_name(name); }

std::vector<Slice> Store::Impl::plan(Window window, std::chrono::microseconds raw_max) const {
  const RolledUntil rolled{watermarks->five_minutes_us.load(), watermarks->one_hour_us.load()};
  return plan_slices(window, to_micros(clock.now()), options.retention, rolled, raw_max);
}

std::string Store::Impl::limits(std::chrono::milliseconds timeout, std::uint64_t memory_bytes) const {
  return " SETTINGS max_execution_time = " + std::to_string(std::max<std::int64_t>(1, timeout.count() / 1000)) +
         ", max_memory_usage = " + std::to_string(memory_bytes) + ", max_threads = 2";
}

net::Task<Result<Rows>> Store::Impl::select(std::string sql, Parameters parameters) {
  sql += limits(options.query_timeout, options.query_memory_bytes) + ", max_result_rows = " + std::to_string(kResultRowsMax) +
         ", result_overflow_mode = 'throw'";
  co_return co_await client.select(std::move(sql), std::move(parameters), after(options.query_timeout + std::chrono::seconds{2}));
}

net::Task<Status> Store::prepare() {
  Impl& impl = *impl_;
  const Topology topology;
  PGA_CO_TRY(const std::vector<TableDef> tables, all_tables(impl.sources));
  const Deadline deadline = after(impl.options.insert_timeout);
  PGA_CO_TRY_STATUS(co_await impl.client.execute(create_database_sql(impl.options.database, topology), {}, deadline));

  Parameters parameters;
  parameters.set("database", impl.options.database);
  auto found =
      co_await impl.client.select("SELECT table, name, type FROM system.columns WHERE database = {database:String}", parameters, deadline);
  if (!found) co_return std::move(found).error();
  std::map<std::string, std::map<std::string, std::string>> existing;
  for (std::size_t i = 0; i < found->size(); ++i) existing[found->text(i, 0)][found->text(i, 1)] = found->text(i, 2);

  for (const TableDef& table : tables) {
    const auto at = existing.find(table.name);
    if (at == existing.end()) {
      PGA_CO_TRY_STATUS(co_await impl.client.execute(create_table_sql(impl.options.database, table, topology), {}, deadline));
      continue;
    }
    for (const TableDefColumn& column : table.columns) {
      const auto type = at->second.find(column.name);
      if (type == at->second.end()) {
        log_info("store", "table " + table.name + " gets the column " + column.name);
        PGA_CO_TRY_STATUS(co_await impl.client.execute(add_column_sql(impl.options.database, table, column, topology), {}, deadline));
      } else if (type->second != column.type) {
        co_return invalid("column " + column.name + " of table " + table.name + " is " + type->second + ", and its declaration wants " +
                          column.type + ": declare it under another name");
      }
    }
  }
  co_return Status{};
}

std::string Store::engine_run() const { return impl_->engine_run(); }

net::Task<Status> Store::sync() {
  if (impl_->options.engine_directory.empty()) co_return Status{};
  PGA_CO_TRY_STATUS(co_await look());
  const std::filesystem::path& path = impl_->options.engine_directory;
  co_return co_await impl_->loop.run_blocking(
      [&path] { return sync_filesystem(path); });  // refers only: g++ 12 destroys twice what a closure owns
}

net::Task<Status> Store::ping() { co_return co_await impl_->client.ping(after(std::chrono::seconds{2})); }

net::Task<Result<Health>> Store::health() {
  Parameters parameters;
  parameters.set("database", impl_->options.database);
  auto rows = co_await impl_->select(
      "SELECT version(), sum(bytes_on_disk), sum(rows), count() FROM system.parts WHERE active AND database = {database:String}",
      std::move(parameters));
  if (!rows) co_return std::move(rows).error();
  if (rows->size() != 1) co_return corrupt("the engine said nothing about its parts");
  co_return Health{rows->text(0, 0), rows->count(0, 1), rows->count(0, 2), rows->count(0, 3)};
}

}  // namespace pga::store
