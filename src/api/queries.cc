// listQueries and getQuery.
#include <map>

#include "api/context.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/query_id.h"
#include "api/window.h"
#include "base/text.h"

namespace pga::api {
namespace {

constexpr double kChangeRatio = 1.2;  // of the mean time: beyond it a statement is called slower, below its inverse faster

store::QueryOrder query_order(const std::string& name) {
  static const std::map<std::string, store::QueryOrder> kNames = {
      {"total_time", store::QueryOrder::kTotalTime},   {"calls", store::QueryOrder::kCalls},
      {"mean_time", store::QueryOrder::kMeanTime},     {"rows", store::QueryOrder::kRows},
      {"blocks_read", store::QueryOrder::kBlocksRead}, {"wal_bytes", store::QueryOrder::kWalBytes},
      {"temp_blocks", store::QueryOrder::kTempBlocks}, {"load", store::QueryOrder::kLoad}};
  const auto found = kNames.find(name);
  return found == kNames.end() ? store::QueryOrder::kTotalTime : found->second;  // the router has checked the name
}

std::optional<double> ratio(double part, double whole) { return whole > 0 ? std::optional(part / whole) : std::nullopt; }
std::optional<double> mean_ms(const store::QueryMeasures& m) { return ratio(m.total_time_seconds * 1e3, m.calls); }

json::object measures_json(const store::QueryMeasures& m, double seconds) {
  return {{"calls", m.calls},
          {"calls_per_second", ratio(m.calls, seconds).value_or(0)},
          {"total_time_seconds", m.total_time_seconds},
          {"mean_time_ms", or_null(mean_ms(m))},
          {"rows", m.rows},
          {"shared_blks_read", m.shared_blks_read},
          {"wal_bytes", or_null(m.wal_bytes)}};
}

json::object totals_json(const store::QueryMeasures& m, double seconds, double all_time_seconds) {
  json::object out = measures_json(m, seconds);
  out["rows_per_call"] = or_null(ratio(m.rows, m.calls));
  out["shared_blks_hit"] = m.shared_blks_hit;
  out["temp_blks_written"] = m.temp_blks_written;
  out["share"] = ratio(m.total_time_seconds, all_time_seconds).value_or(0);
  out["load"] = or_null(m.load);
  return out;
}

json::value fingerprint_json(const std::optional<std::uint64_t>& fingerprint) {
  return fingerprint ? json::value(to_hex(*fingerprint)) : json::value(nullptr);
}

json::value change_json(const store::QueryRow& row, const store::TopQueriesResult& result) {
  if (!result.compare || result.compare_readings == 0 || result.readings == 0) return nullptr;
  const bool before = row.compare && row.compare->calls > 0;
  if (!before) return row.current.calls > 0 ? json::value("new") : json::value(nullptr);
  if (row.current.calls == 0) return "gone";
  const double now = *mean_ms(row.current), then = *mean_ms(*row.compare);
  if (now > then * kChangeRatio) return "slower";
  return now * kChangeRatio < then ? "faster" : "same";
}

json::object row_json(const store::QueryRow& row, const store::TopQueriesResult& result) {
  json::object out = totals_json(row.current, result.watched_seconds, result.totals.total_time_seconds);
  out["id"] = encode_query_id(row.key);
  out["queryid"] = std::to_string(row.key.queryid);
  out["fingerprint"] = fingerprint_json(row.fingerprint);
  out["database"] = text_or_null(row.key.database);
  out["user"] = text_or_null(row.key.user);
  out["text"] = or_null(row.text);
  out["compare"] =
      row.compare && result.compare ? json::value(measures_json(*row.compare, result.compare_watched_seconds)) : json::value(nullptr);
  out["change"] = change_json(row, result);
  return out;
}

net::Task<Result<net::Response>> list_queries(Context& context, Call& call) {
  PGA_CO_TRY(const directory::Server server, co_await server_of(context, call));
  store::TopQueriesQuery query;
  query.tenant = server.tenant.value;
  query.server = server.id.value;
  PGA_CO_TRY(query.window, window_of(call, context.clock.now()));
  PGA_CO_TRY(query.compare, compare_window_of(call));
  query.order = query_order(call.text("order").value_or("total_time"));
  query.limit = static_cast<std::size_t>(call.integer("limit").value_or(100));
  query.search = call.text("search").value_or("");
  query.database = call.text("database");
  query.user = call.text("user");
  const bool filtered = !query.search.empty() || query.database || query.user;
  PGA_CO_TRY(const auto result, co_await context.store.top_queries(query));

  json::array items;
  for (const auto& row : result.rows) items.push_back(row_json(row, result));
  json::value reason = nullptr;
  if (items.empty()) {
    PGA_CO_TRY(reason, co_await why_empty(context, server, "postgres.statements", query.window, filtered));
  } else if (result.compare && result.compare_readings == 0) {
    reason = "nobody watched in the window to compare with";
  }
  co_return json_answer(json::object{
      {"items", std::move(items)},
      {"totals", json::object{{"calls", result.totals.calls}, {"total_time_seconds", result.totals.total_time_seconds}}},
      {"window_seconds", result.window.seconds()},
      {"reason", reason},
  });
}

net::Task<Result<net::Response>> get_query(Context& context, Call& call) {
  PGA_CO_TRY(const store::StatementKey key, decode_query_id(call.text("id").value_or("")));
  PGA_CO_TRY(const store::Window window, window_of(call, context.clock.now()));
  PGA_CO_TRY(const auto server, co_await context.loop.run_blocking([&context, &key, tenant = call.session->tenant] {
    return context.fleet.find_server(tenant, {key.server});
  }));
  if (!server) co_return Error{ErrorCode::kNotFound, "there is no server " + std::to_string(key.server)};
  store::QuerySeriesQuery query;
  query.tenant = server->tenant.value;
  query.key = key;
  query.window = window;
  query.points = static_cast<std::size_t>(call.integer("points").value_or(300));
  PGA_CO_TRY(const auto result, co_await context.store.query_series(query));
  json::array waits;
  for (const auto& wait : result.waits) waits.push_back(json::object{{"key", wait.key}, {"label", wait.key}, {"mean", wait.mean}});
  json::value reason = nullptr;
  if (result.readings == 0) {
    PGA_CO_TRY(reason, co_await why_empty(context, *server, "postgres.statements", window, false));
  } else if (result.totals.calls == 0) {
    reason = "the statement was not called in this window";
  }
  co_return json_answer(json::object{
      {"id", encode_query_id(key)},
      {"server", reference(server->id.value, server->name)},
      {"queryid", std::to_string(key.queryid)},
      {"fingerprint", fingerprint_json(result.fingerprint)},
      {"database", text_or_null(key.database)},
      {"user", text_or_null(key.user)},
      {"text", or_null(result.text)},
      {"t", times(result.grid)},
      {"step_seconds", static_cast<double>(result.grid.step_us) / 1e6},
      {"series", json::object{{"calls_per_second", to_json(result.calls_per_second)},
                              {"mean_time_ms", to_json(result.mean_time_ms)},
                              {"load_seconds_per_second", to_json(result.load_seconds_per_second)},
                              {"rows_per_second", to_json(result.rows_per_second)},
                              {"shared_blks_read_per_second", to_json(result.shared_blks_read_per_second)},
                              {"wal_bytes_per_second", to_json(result.wal_bytes_per_second)}}},
      {"totals", totals_json(result.totals, result.watched_seconds, result.server_total_time_seconds)},
      {"waits", std::move(waits)},
      {"reason", reason},
  });
}

}  // namespace

void add_query_handlers(Handlers& handlers, Context& context) {
  handlers["listQueries"] = [&context](Call& call) { return list_queries(context, call); };
  handlers["getQuery"] = [&context](Call& call) { return get_query(context, call); };
}

}  // namespace pga::api
