// How readings went: batch headers per server, collector and source, and what is stored in all.
#include <algorithm>
#include <sstream>

#include "store/store_internal.h"

namespace pga::store {
namespace {

constexpr std::chrono::hours kDetailsMax{6};  // words of failures are read from raw headers, so far back at most

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

wire::Outcome outcome(std::int64_t value) {
  const bool known = value >= 0 && value <= static_cast<std::int64_t>(wire::Outcome::kUnreachable);
  return known ? static_cast<wire::Outcome>(value) : wire::Outcome::kError;
}

}  // namespace

net::Task<Result<std::vector<BatchState>>> Store::batch_states(BatchStateQuery query) {
  Impl& impl = *impl_;
  Parameters parameters;
  parameters.set("tenant", query.tenant);
  std::string where = "1";
  if (query.server) where += " AND server = " + parameters.bind(std::int64_t{*query.server});
  if (query.collector) where += " AND collector = " + parameters.bind(std::int64_t{*query.collector});

  const std::vector<Slice> slices = impl.plan(query.window);
  const std::string from = impl.headers_of(slices, where, parameters);
  auto counts = co_await impl.select(
      "SELECT server, collector, source, max(last_ts), max(last_complete_ts), sum(complete), sum(batches) - sum(complete), sum(rows), "
      "sum(rows_refused) FROM (" +
          from + ") GROUP BY server, collector, source ORDER BY server, collector, source",
      parameters);
  if (!counts) co_return std::move(counts).error();
  std::vector<BatchState> states;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::string>, std::size_t> positions;
  for (std::size_t r = 0; r < counts->size(); ++r) {
    BatchState state;
    state.server = static_cast<std::uint32_t>(counts->integer(r, 0));
    state.collector = static_cast<std::uint32_t>(counts->integer(r, 1));
    state.source = counts->text(r, 2);
    state.last_us = counts->maybe_integer(r, 3);
    state.last_complete_us = counts->maybe_integer(r, 4);
    state.complete = counts->count(r, 5);
    state.failed = counts->count(r, 6);
    state.rows = counts->count(r, 7);
    state.rows_refused = counts->count(r, 8);
    positions[{state.server, state.collector, state.source}] = states.size();
    states.push_back(std::move(state));
  }

  const Window window = covered(slices);
  const std::int64_t details_from = std::max(window.from_us, window.to_us - std::chrono::microseconds(kDetailsMax).count());
  parameters.set("from", details_from / 1000);
  parameters.set("to", window.to_us / 1000);
  auto details = co_await impl.select(
      "SELECT server, collector, source, outcome, count(), max(ts), argMax(missing, ts), argMax(sqlstate, ts), argMax(detail, ts) FROM " +
          impl.table("batches") + " WHERE tenant = {tenant:UInt32} AND " + where +
          " AND ts >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({to:Int64}, 'UTC') GROUP BY server, "
          "collector, source, outcome ORDER BY max(ts), outcome",
      parameters);
  if (!details) co_return std::move(details).error();
  for (std::size_t r = 0; r < details->size(); ++r) {  // the newest comes last
    const auto at = positions.find(
        {static_cast<std::uint32_t>(details->integer(r, 0)), static_cast<std::uint32_t>(details->integer(r, 1)), details->text(r, 2)});
    if (at == positions.end()) continue;
    BatchState& state = states[at->second];
    state.outcome = outcome(details->integer(r, 3));
    state.missing = lines(details->text(r, 6));
    if (state.outcome == wire::Outcome::kComplete) continue;
    state.last_failed_us = details->maybe_integer(r, 5);
    state.failed_outcome = state.outcome;
    state.failed_sqlstate = details->text(r, 7);
    state.failed_detail = details->text(r, 8);
    state.failures.push_back({state.outcome, details->count(r, 4), state.last_failed_us.value_or(0), state.failed_detail});
  }
  co_return states;
}

net::Task<Result<std::vector<SourceTotal>>> Store::source_totals(std::uint32_t tenant) {
  Impl& impl = *impl_;
  Parameters parameters;
  parameters.set("tenant", tenant);
  auto headers =
      co_await impl.select("SELECT source, count(), countIf(outcome = 0), sum(rows) - sum(rows_refused), sum(rows_refused) FROM " +
                               impl.table("batches") + " WHERE tenant = {tenant:UInt32} GROUP BY source ORDER BY source",
                           parameters);
  if (!headers) co_return std::move(headers).error();
  std::vector<SourceTotal> totals;
  for (std::size_t r = 0; r < headers->size(); ++r) {
    totals.push_back({headers->text(r, 0), headers->count(r, 1), headers->count(r, 2), headers->count(r, 3), headers->count(r, 4), 0});
  }
  if (impl.sources.empty()) co_return totals;
  std::size_t i = 0;
  const std::string counts = join(impl.sources, " UNION ALL ", [&](const catalog::Source& source) {
    return "SELECT " + std::to_string(i++) + " AS i, count() AS n FROM " + impl.table(source.table()) + " WHERE tenant = {tenant:UInt32}";
  });
  auto stored = co_await impl.select("SELECT i, n FROM (" + counts + ")", parameters);
  if (!stored) co_return std::move(stored).error();
  for (std::size_t r = 0; r < stored->size(); ++r) {
    const std::string& name = impl.sources[static_cast<std::size_t>(stored->integer(r, 0))].name;
    const auto at = std::find_if(totals.begin(), totals.end(), [&](const SourceTotal& t) { return t.source == name; });
    if (at != totals.end()) at->rows_stored = stored->count(r, 1);
  }
  co_return totals;
}

}  // namespace pga::store
