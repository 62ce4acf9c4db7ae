// Roll-ups and retention.
#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/text.h"
#include "store/store_internal.h"

namespace pga::store {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::pair<Resolution, std::atomic<std::int64_t> Watermarks::*> kRolled[] = {
    {Resolution::kFiveMinutes, &Watermarks::five_minutes_us}, {Resolution::kOneHour, &Watermarks::one_hour_us}};
constexpr std::uint64_t kRollupMemoryBytes = 512ULL << 20;

std::int64_t floor_to(std::int64_t value, std::int64_t step) { return value - ((value % step) + step) % step; }

// "20261123" -> the end of that day, "202611" -> the end of that month, microseconds since 1970; nothing for other partitions.
std::optional<std::int64_t> partition_end(const std::string& id, Resolution resolution) {
  using namespace std::chrono;
  if ((id.size() != 8 && id.size() != 6) || !std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  const year y{std::stoi(id.substr(0, 4))};
  const month m{static_cast<unsigned>(std::stoi(id.substr(4, 2)))};
  const sys_days end = id.size() == 6
                           ? sys_days{(y / m + months{1}) / 1}
                           : sys_days{y / m / std::stoi(id.substr(6, 2))} + (resolution == Resolution::kFiveMinutes ? days{7} : days{1});
  return duration_cast<microseconds>(end.time_since_epoch()).count();
}

Resolution resolution_of(std::string_view table) {
  if (table.ends_with(table_suffix(Resolution::kFiveMinutes))) return Resolution::kFiveMinutes;
  if (table.ends_with(table_suffix(Resolution::kOneHour))) return Resolution::kOneHour;
  return Resolution::kRaw;
}

std::chrono::hours kept(const Retention& retention, Resolution resolution) {
  switch (resolution) {
    case Resolution::kRaw:
      return retention.raw;
    case Resolution::kFiveMinutes:
      return retention.five_minutes;
    case Resolution::kOneHour:
      return retention.one_hour;
  }
  return retention.one_hour;
}

}  // namespace

net::Task<Status> Store::Impl::run_step(std::uint64_t log_id, RollupStep step, bool again) {
  Parameters parameters;
  parameters.set("window", step.window_us / kSecond);
  parameters.set("end", (step.window_us + std::chrono::microseconds(width(step.resolution)).count()) / kSecond);
  parameters.set("after", step.after_segment);
  parameters.set("through", step.through_segment);
  const std::string range = "-" + std::to_string(step.window_us / kSecond) + "-" + std::to_string(step.after_segment) + "-" +
                            std::to_string(step.through_segment);
  const auto run_one = [&](const std::string& target, const std::string& sql) -> net::Task<Status> {
    if (again) {
      auto there = co_await select(
          "SELECT count() FROM " + table(target) + " WHERE bucket = toDateTime({window:Int64}, 'UTC') AND segment = {through:UInt64}",
          parameters);
      if (!there) co_return std::move(there).error();
      if (there->count(0, 0) > 0) co_return Status{};  // one statement, one partition, one block: all of it or nothing
    }
    const std::string token = "r-" + to_hex(log_id) + "-" + target + range + "-" + engine_run();
    // One block where memory allows: a repetition must yield the same blocks.
    const std::string settings =
        limits(options.insert_timeout, kRollupMemoryBytes) +
        ", async_insert = 0, max_insert_threads = 1, min_insert_block_size_rows = 4000000, min_insert_block_size_bytes = 0" +
        ", insert_deduplicate = 1, insert_deduplication_token = " + quote_text(token);
    auto done = co_await client.execute(sql + settings, parameters, after(options.insert_timeout + std::chrono::seconds{2}));
    if (!done) co_return std::move(done).error().with_context("roll up into " + target);
    co_return Status{};
  };
  // The headers say which sources have rows here; a repetition reads the same headers, since the range of segments is closed.
  auto filled = co_await select("SELECT DISTINCT source FROM " + table("batches") +
                                    " WHERE ts >= toDateTime({window:Int64}, 'UTC') AND ts < toDateTime({end:Int64}, 'UTC')"
                                    " AND segment > {after:UInt64} AND segment <= {through:UInt64} AND rows > rows_refused",
                                parameters);
  if (!filled) co_return std::move(filled).error();
  std::set<std::string> names;
  for (std::size_t i = 0; i < filled->size(); ++i) names.insert(filled->text(i, 0));
  for (const catalog::Source& source : sources) {
    if (!has_rollups(source) || !names.contains(source.name)) continue;
    PGA_CO_TRY_STATUS(
        co_await run_one(source.table() + table_suffix(step.resolution), rollup_sql(options.database, source, step.resolution)));
  }
  co_return co_await run_one("batches" + table_suffix(step.resolution), batches_rollup_sql(options.database, step.resolution));
}

net::Task<Result<RollupSummary>> Store::roll_up(RollupLedger& ledger, std::uint64_t log_id, WallTime now, std::size_t steps_max) {
  Impl& impl = *impl_;
  RollupSummary summary;
  // Closures in a co_await capture references only: g++ 12 destroys what they own twice.
  const auto blocking = [&impl](auto work) { return impl.loop.run_blocking(std::move(work)); };
  const auto run_all = [&](std::vector<RollupStep> steps, bool again) -> net::Task<Status> {
    if (steps.empty()) co_return Status{};
    const std::string run = impl.engine_run();
    for (const RollupStep& step : steps) {
      PGA_CO_TRY_STATUS(co_await impl.run_step(log_id, step, again));
    }
    PGA_CO_TRY_STATUS(co_await sync());  // a step that is finished is never looked at again
    if (impl.engine_run() != run) co_return unavailable("the engine was started again during a roll-up, which is repeated");
    for (const RollupStep& step : steps) {
      PGA_CO_TRY_STATUS(co_await blocking([&ledger, &step] { return ledger.finish(step); }));
      ++summary.steps;
    }
    co_return Status{};
  };

  PGA_CO_TRY(std::vector<RollupStep> unfinished, co_await blocking([&ledger] { return ledger.unfinished(); }));
  PGA_CO_TRY_STATUS(co_await run_all(std::move(unfinished), true));

  const std::int64_t closed_us = to_micros(now - kRollupDelay);
  for (const auto& [resolution, mark] : kRolled) {
    const std::size_t room = steps_max > summary.steps ? steps_max - summary.steps : 1;
    PGA_CO_TRY(const std::vector<RollupStep> due, co_await blocking([&, r = resolution] { return ledger.due(r, closed_us, room); }));
    if (!due.empty()) {
      PGA_CO_TRY_STATUS(co_await blocking([&ledger, &due] { return ledger.intend(due); }));
      PGA_CO_TRY_STATUS(co_await run_all(due, false));
    }
    // All closed windows are rolled up, or the oldest ones are: what is left starts after the last of this pass.
    const bool more = due.size() == room;
    summary.more |= more;
    const std::int64_t step_us = std::chrono::microseconds(width(resolution)).count();
    const std::int64_t until = more ? due.back().window_us + step_us : floor_to(closed_us, step_us);
    std::atomic<std::int64_t>& watermark = (*impl.watermarks).*mark;
    if (until > watermark.load()) watermark.store(until);
  }
  co_return summary;
}

net::Task<Status> Store::Impl::drop_detached() {
  Parameters parameters;
  parameters.set("database", options.database);
  PGA_CO_TRY(const Rows rows, co_await select("SELECT table, name FROM system.detached_parts WHERE database = {database:String} AND "
                                              "reason LIKE 'broken%' AND modification_time < now() - INTERVAL 1 DAY",
                                              std::move(parameters)));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string sql = "ALTER TABLE " + table(rows.text(i, 0)) + " DROP DETACHED PART " + quote_text(rows.text(i, 1)) +
                            " SETTINGS allow_drop_detached = 1";
    PGA_CO_TRY_STATUS(co_await client.execute(sql, {}, after(options.insert_timeout)));
    log_info("store", "the engine had set the broken part " + rows.text(i, 1) + " of table " + rows.text(i, 0) + " apart: deleted");
  }
  co_return Status{};
}

net::Task<Result<std::size_t>> Store::apply_retention(WallTime now) {
  Impl& impl = *impl_;
  Parameters parameters;
  parameters.set("database", impl.options.database);
  auto rows = co_await impl.select(
      "SELECT table, partition_id FROM system.parts WHERE active AND database = {database:String} GROUP BY table, partition_id ORDER BY "
      "table, partition_id",
      std::move(parameters));
  if (!rows) co_return std::move(rows).error();
  std::size_t dropped = 0;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const std::string table = rows->text(i, 0), partition = rows->text(i, 1);
    const bool objects =
        std::ranges::any_of(impl.sources, [&](const auto& s) { return s.shape == catalog::Shape::kObjects && s.table() == table; });
    const Resolution resolution = objects ? Resolution::kOneHour : resolution_of(table);
    const auto end = partition_end(partition, resolution);
    if (!end || *end > to_micros(now - kept(impl.options.retention, resolution))) continue;
    const std::string sql = "ALTER TABLE " + impl.table(table) + " DROP PARTITION ID " + quote_text(partition);
    PGA_CO_TRY_STATUS(co_await impl.client.execute(sql, {}, after(impl.options.insert_timeout)));
    log_info("store", "table " + table + " dropped partition " + partition + ", which is older than its retention");
    ++dropped;
  }
  PGA_CO_TRY_STATUS(co_await impl.drop_detached());
  co_return dropped;
}

}  // namespace pga::store
