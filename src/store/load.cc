// Average active sessions: rows of postgres.activity in state active, over the readings that were answered.
#include <algorithm>
#include <charconv>
#include <set>

#include "store/limits.h"
#include "store/store_internal.h"

namespace pga::store {
namespace {

constexpr const char* kActive = "state = 'active'";
constexpr std::chrono::hours kFleetRawMax{2};  // beyond, a fleet is answered from roll-ups

// The slice that a row belongs to, as text.
std::string dimension(LoadBy by) {
  const std::string type = as_text_sql("wait_event_type");
  switch (by) {
    case LoadBy::kWaitClass:
      return "if(" + type + " = '', 'CPU', " + type + ")";
    case LoadBy::kWaitEvent:
      return "if(" + type + " = '', 'CPU', concat(" + type + ", ':', " + as_text_sql("wait_event") + "))";
    case LoadBy::kQuery:
      return "toString(ifNull(query_id, 0))";
    case LoadBy::kDatabase:
      return as_text_sql("datname");
    case LoadBy::kUser:
      return as_text_sql("usename");
    case LoadBy::kApplication:
      return as_text_sql("application_name");
    case LoadBy::kClient:
      return as_text_sql("client_addr");
  }
  return "''";
}

// Null where nobody watched, 0 where it was watched and nothing ran.
Values blank(const std::vector<Store::Impl::Watched>& watched) {
  Values values(watched.size());
  for (std::size_t i = 0; i < watched.size(); ++i) {
    if (watched[i].readings > 0) values[i] = 0;
  }
  return values;
}

// Shorter than two readings a bucket would be null now and then by chance.
std::chrono::microseconds step_min(const catalog::Source& source) { return 2 * source.interval; }

std::optional<std::int64_t> parse_id(const std::string& text) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return id;
}

}  // namespace

net::Task<Result<LoadResult>> Store::load(LoadQuery query) {
  Impl& impl = *impl_;
  LoadResult result;
  const catalog::Source* source = impl.find(kActivity);
  if (source == nullptr) co_return result;
  const std::vector<Slice> slices = impl.plan(query.window);
  result.grid = plan_grid(slices, query.points, step_min(*source));

  PGA_CO_TRY(Impl::WatchedGrid all_watched, co_await impl.watched(query.tenant, query.server, kActivity, slices, result.grid));
  std::vector<Impl::Watched> watched = std::move(all_watched[query.server]);
  watched.resize(result.grid.points);
  for (const Impl::Watched& w : watched) result.samples += w.readings;
  if (result.samples == 0) co_return result;

  Parameters parameters;
  parameters.set("tenant", query.tenant);
  parameters.set("server", query.server);
  const std::string rows_sql = impl.rows_of(*source, slices, {dimension(query.by) + " AS k"}, true, parameters, kActive);
  const std::string top = "SELECT k FROM (" + rows_sql + ") GROUP BY k ORDER BY sum(_n) DESC, k LIMIT " +
                          parameters.bind(static_cast<std::int64_t>(query.series_max));
  auto rows = co_await impl.select("SELECT k IN (" + top + ") AS listed, if(listed, k, '') AS name, " + bucket_of(result.grid, parameters) +
                                       " AS i, toInt64(sum(_n)) FROM (" + rows_sql + ") GROUP BY listed, name, i",
                                   parameters);
  if (!rows) co_return std::move(rows).error();

  std::map<std::pair<bool, std::string>, LoadSeries> series;
  for (std::size_t r = 0; r < rows->size(); ++r) {
    const bool listed = rows->integer(r, 0) != 0;
    LoadSeries& s = series[{!listed, rows->text(r, 1)}];
    if (s.values.empty()) {
      s.other = !listed;
      s.key = s.label = listed ? rows->text(r, 1) : "other";
      s.values = blank(watched);
    }
    const auto i = static_cast<std::size_t>(rows->count(r, 2));
    const double sessions = rows->number(r, 3);
    s.mean += sessions / static_cast<double>(result.samples);
    if (i < watched.size() && watched[i].readings > 0) s.values[i] = sessions / static_cast<double>(watched[i].readings);
  }
  for (auto& [key, s] : series) result.series.push_back(std::move(s));
  std::sort(result.series.begin(), result.series.end(), [](const LoadSeries& a, const LoadSeries& b) {
    return std::tuple(a.other, -a.mean, std::string_view(a.key)) < std::tuple(b.other, -b.mean, std::string_view(b.key));
  });
  if (query.by == LoadBy::kQuery) PGA_CO_TRY_STATUS(co_await impl.name_queries(query, slices, result.series));
  co_return result;
}

// Gives the series of query ids their text, and the database and user under which each is busiest.
net::Task<Status> Store::Impl::name_queries(LoadQuery query, std::vector<Slice> slices, std::vector<LoadSeries>& series) {
  std::vector<std::int64_t> ids;
  for (const LoadSeries& s : series) {
    const auto id = parse_id(s.key);
    if (!s.other && id) ids.push_back(*id);
  }
  if (ids.empty()) co_return Status{};
  PGA_CO_TRY(const auto known, co_await texts(query.tenant, query.server, ids));

  Parameters parameters;
  parameters.set("tenant", query.tenant);
  parameters.set("server", query.server);
  const std::string list = join(ids, ", ", [](std::int64_t id) { return std::to_string(id); });
  const std::string from =
      rows_of(*find(kActivity), slices, {"query_id", as_text_sql("datname") + " AS d", as_text_sql("usename") + " AS u"}, true, parameters,
              std::string(kActive) + " AND query_id IN (" + list + ")");
  auto rows = co_await select(
      "SELECT query_id, d, u, sum(_n) AS n FROM (" + from + ") GROUP BY query_id, d, u ORDER BY n DESC, d, u LIMIT 1 BY query_id",
      parameters);
  if (!rows) co_return std::move(rows).error();
  for (LoadSeries& s : series) {
    const auto id = parse_id(s.key);
    if (s.other || !id) continue;
    if (const auto text = known.find(*id); text != known.end()) s.label = text->second.text;
    for (std::size_t r = 0; r < rows->size(); ++r) {
      if (rows->integer(r, 0) != *id) continue;
      s.database = rows->text(r, 1);
      s.user = rows->text(r, 2);
    }
  }
  co_return Status{};
}

net::Task<Result<FleetLoadResult>> Store::fleet_load(FleetLoadQuery query) {
  Impl& impl = *impl_;
  FleetLoadResult result;
  const catalog::Source* source = impl.find(kActivity);
  if (source == nullptr) co_return result;
  const std::vector<Slice> slices = impl.plan(query.window, kFleetRawMax);
  result.grid = plan_grid(slices, query.points, step_min(*source));

  PGA_CO_TRY(const Impl::WatchedGrid watched, co_await impl.watched(query.tenant, std::nullopt, kActivity, slices, result.grid));
  std::map<std::uint32_t, double> readings;
  for (const auto& [server, buckets] : watched) {
    for (const Impl::Watched& w : buckets) readings[server] += static_cast<double>(w.readings);
    if (readings[server] > 0) result.servers[server] = {blank(buckets), 0.0};
  }
  Parameters parameters;
  parameters.set("tenant", query.tenant);
  const std::string from = impl.rows_of(*source, slices, {}, false, parameters, kActive);
  auto rows = co_await impl.select(
      "SELECT server, " + bucket_of(result.grid, parameters) + " AS i, toInt64(sum(_n)) FROM (" + from + ") GROUP BY server, i",
      parameters);
  if (!rows) co_return std::move(rows).error();
  for (std::size_t r = 0; r < rows->size(); ++r) {
    const auto server = static_cast<std::uint32_t>(rows->integer(r, 0));
    const auto at = result.servers.find(server);
    if (at == result.servers.end()) continue;
    const auto i = static_cast<std::size_t>(rows->count(r, 1));
    const auto& buckets = watched.at(server);
    *at->second.mean += rows->number(r, 2) / readings[server];
    if (i < buckets.size() && buckets[i].readings > 0) at->second.values[i] = rows->number(r, 2) / static_cast<double>(buckets[i].readings);
  }
  co_return result;
}

}  // namespace pga::store
