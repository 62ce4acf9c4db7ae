// listServers, getServer and getLoad.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "api/context.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/query_id.h"
#include "api/reasons.h"
#include "api/window.h"

namespace pga::api {
namespace {

constexpr std::chrono::hours kStatusWindow{1};  // what "now" looks at, whatever window is asked for
constexpr std::size_t kSparkPointsMax = 120;

// What the directory knows of a tenant's fleet.
struct Known {
  std::vector<directory::Server> servers;
  std::map<directory::CollectorId, directory::Collector> collectors;

  [[nodiscard]] std::optional<directory::Collector> collector_of(const directory::Server& server) const {
    const auto found = collectors.find(server.collector);
    return found == collectors.end() ? std::nullopt : std::optional(found->second);
  }
};

net::Task<Result<Known>> read_fleet(Context& context, directory::TenantId tenant) {
  co_return co_await context.loop.run_blocking([&]() -> Result<Known> {
    Known known;
    PGA_TRY(known.servers, context.fleet.servers(tenant));
    PGA_TRY(const auto collectors, context.fleet.collectors(tenant));
    for (const auto& c : collectors) known.collectors.emplace(c.id, c);
    return known;
  });
}

// What a row of the fleet needs, for one server or for all of them.
struct Picture {
  store::Window window;
  store::SummaryResult window_summary;  // of the window asked for
  store::SummaryResult now_summary;     // of the last hour, for the status
  store::FleetLoadResult load;
  std::map<std::uint32_t, std::string> unreachable;  // why, by server
};

// The host that a collector reads, beside which it watches servers.
const directory::Server* host_of(const Known& known, const directory::Server& server) {
  const auto host = std::find_if(known.servers.begin(), known.servers.end(),
                                 [&](const auto& s) { return s.kind == "host" && s.collector == server.collector; });
  return host == known.servers.end() ? nullptr : &*host;
}

// Of a server that runs on its collector's host; of others nobody knows.
std::optional<std::int64_t> cores_of(const Known& known, const store::SummaryResult& summaries, const directory::Server& server) {
  const auto summary = summaries.find(server.id.value);
  const directory::Server* const host = host_of(known, server);
  if (summary == summaries.end() || !summary->second.local.value_or(false) || host == nullptr) return std::nullopt;
  const auto of_host = summaries.find(host->id.value);
  return of_host == summaries.end() ? std::nullopt : of_host->second.cores;
}

// Summaries of one server and of its host, or of all.
net::Task<Result<store::SummaryResult>> read_summaries(Context& context, const Known& known, const directory::Server* server,
                                                       std::uint32_t tenant, store::Window window) {
  if (server == nullptr) co_return co_await context.store.summaries({.tenant = tenant, .server = {}, .window = window});
  PGA_CO_TRY(auto summaries, co_await context.store.summaries({.tenant = tenant, .server = server->id.value, .window = window}));
  if (const directory::Server* const host = host_of(known, *server)) {
    PGA_CO_TRY(auto of_host, co_await context.store.summaries({.tenant = tenant, .server = host->id.value, .window = window}));
    summaries.merge(of_host);
  }
  co_return summaries;
}

net::Task<Result<Picture>> read_picture(Context& context, const Call& call, const Known& known, const directory::Server* one) {
  const std::optional<std::uint32_t> server = one == nullptr ? std::nullopt : std::optional(one->id.value);
  const std::uint32_t tenant = call.session->tenant.value;
  const WallTime now = context.clock.now();
  Picture picture;
  PGA_CO_TRY(picture.window, window_of(call, now));
  const store::Window status{to_micros(now - kStatusWindow), to_micros(now)};

  PGA_CO_TRY(picture.now_summary, co_await read_summaries(context, known, one, tenant, status));
  const bool is_default =
      std::abs(picture.window.from_us - status.from_us) < 1'000'000 && std::abs(picture.window.to_us - status.to_us) < 1'000'000;
  if (is_default) {
    picture.window_summary = picture.now_summary;
  } else {
    PGA_CO_TRY(picture.window_summary, co_await read_summaries(context, known, one, tenant, picture.window));
  }
  const std::size_t points = std::min<std::size_t>(static_cast<std::size_t>(call.integer("points").value_or(300)), kSparkPointsMax);
  PGA_CO_TRY(picture.load, co_await context.store.fleet_load({.tenant = tenant, .window = picture.window, .points = points}));

  const bool any_unreachable = std::any_of(picture.now_summary.begin(), picture.now_summary.end(),
                                           [](const auto& s) { return s.second.last_unreachable_us > s.second.last_seen_us; });
  if (any_unreachable) {
    PGA_CO_TRY(const auto states,
               co_await context.store.batch_states({.tenant = tenant, .server = server, .collector = {}, .window = status}));
    std::map<std::uint32_t, std::int64_t> newest;
    for (const auto& s : states) {
      if (s.failed_outcome != wire::Outcome::kUnreachable || s.last_failed_us.value_or(0) < newest[s.server]) continue;
      newest[s.server] = s.last_failed_us.value_or(0);
      picture.unreachable[s.server] = s.failed_detail;
    }
  }
  co_return picture;
}

json::object server_json(const Known& known, const Picture& picture, const directory::Server& server, WallTime now) {
  const std::optional<directory::Collector> collector = known.collector_of(server);
  const auto of = [&](const store::SummaryResult& all) {
    const auto found = all.find(server.id.value);
    return found == all.end() ? store::InstanceSummary() : found->second;
  };
  const store::InstanceSummary summary = of(picture.window_summary);
  const store::InstanceSummary current = of(picture.now_summary);
  const auto why = picture.unreachable.find(server.id.value);
  const ServerState state = server_state(current, collector, why == picture.unreachable.end() ? "" : why->second, now);

  const auto load = picture.load.servers.find(server.id.value);
  const bool watched = load != picture.load.servers.end();
  const store::Values values = watched ? load->second.values : store::Values(picture.load.grid.points);
  const std::string version = current.version ? *current.version : summary.version ? *summary.version : server.version;
  return {
      {"id", server.id.value},
      {"name", server.name},
      {"kind", server.kind},
      {"version", text_or_null(version)},
      {"system_identifier", text_or_null(server.system_identifier)},
      {"in_recovery", or_null(summary.in_recovery)},
      {"collector", reference(server.collector.value, collector ? collector->name : "")},
      {"cores", or_null(cores_of(known, picture.window_summary, server))},
      {"status", to_string(state.freshness)},
      {"status_reason", or_null(state.reason)},
      {"last_seen", ms_or_null(current.last_seen_us ? current.last_seen_us : summary.last_seen_us)},
      {"load", json::object{{"t", times(picture.load.grid)}, {"values", to_json(values)}}},
      {"load_mean", watched ? or_null(load->second.mean) : json::value(nullptr)},
      {"transactions_per_second", or_null(summary.transactions_per_second)},
      {"connections", or_null(summary.connections)},
      {"max_connections", or_null(summary.max_connections)},
      {"oldest_transaction_seconds", or_null(summary.oldest_transaction_seconds)},
  };
}

net::Task<Result<net::Response>> list_servers(Context& context, Call& call) {
  PGA_CO_TRY(const Known known, co_await read_fleet(context, call.session->tenant));
  PGA_CO_TRY(const Picture picture, co_await read_picture(context, call, known, nullptr));
  json::array servers;
  for (const auto& server : known.servers) {
    if (server.kind == "postgres") servers.push_back(server_json(known, picture, server, context.clock.now()));
  }
  json::value reason = nullptr;
  if (servers.empty()) {
    reason = known.collectors.empty() ? "no collector has enrolled yet; `pganalytics-server token create` makes a token for one"
                                      : "collectors have enrolled, but none has pushed a reading of a PostgreSQL server yet";
  }
  co_return json_answer(json::object{{"servers", std::move(servers)}, {"reason", reason}});
}

std::string_view state_of(const catalog::Source& source, const store::BatchState* state) {
  if (state == nullptr) return "none";
  if (state->outcome == wire::Outcome::kComplete) return "complete";
  return is_unavailable(&source, state->outcome) ? "unavailable" : "failing";
}

json::object source_state_json(const catalog::Source& source, const store::BatchState* state) {
  const bool failing = state != nullptr && state->outcome != wire::Outcome::kComplete;
  json::value detail = nullptr;
  if (failing) {
    detail = text_or_null(state->failed_detail);
  } else if (state != nullptr && !state->missing.empty()) {
    detail = std::accumulate(std::next(state->missing.begin()), state->missing.end(), "this server does not have " + state->missing.front(),
                             [](const std::string& text, const std::string& name) { return text + ", " + name; });
  }
  return {
      {"name", source.name},
      {"doc", source.doc},
      {"interval_seconds", std::chrono::duration<double>(source.interval).count()},
      {"state", state_of(source, state)},
      {"last", state != nullptr ? ms_or_null(state->last_us) : json::value(nullptr)},
      {"complete", state != nullptr ? state->complete : 0},
      {"failed", state != nullptr ? state->failed : 0},
      {"rows", state != nullptr ? state->rows : 0},
      {"reason", failing ? json::value(wire::to_string(state->outcome)) : json::value(nullptr)},
      {"detail", detail},
  };
}

net::Task<Result<net::Response>> get_server(Context& context, Call& call) {
  PGA_CO_TRY(const directory::Server server, co_await server_of(context, call));
  PGA_CO_TRY(const Known known, co_await read_fleet(context, call.session->tenant));
  PGA_CO_TRY(const Picture picture, co_await read_picture(context, call, known, &server));
  PGA_CO_TRY(const auto states, co_await context.store.batch_states(
                                    {.tenant = server.tenant.value, .server = server.id.value, .collector = {}, .window = picture.window}));
  json::object answer = server_json(known, picture, server, context.clock.now());
  const auto summary = picture.window_summary.find(server.id.value);
  const bool known_summary = summary != picture.window_summary.end();
  answer["databases"] = known_summary ? or_null(summary->second.databases) : json::value(nullptr);
  answer["size_bytes"] = known_summary ? or_null(summary->second.size_bytes) : json::value(nullptr);
  json::array sources;
  for (const catalog::Source& source : context.catalog.sources()) {
    const auto state = std::find_if(states.begin(), states.end(), [&](const auto& s) { return s.source == source.name; });
    const bool of_server = source.scope == catalog::Scope::kInstance || source.scope == catalog::Scope::kDatabase;
    const bool applies = server.kind == "pgbouncer" ? source.scope == catalog::Scope::kPooler : of_server;
    if (applies || state != states.end()) sources.push_back(source_state_json(source, state == states.end() ? nullptr : &*state));
  }
  answer["sources"] = std::move(sources);
  co_return json_answer(answer);
}

store::LoadBy load_by(const std::string& name) {
  static const std::map<std::string, store::LoadBy> kNames = {{"wait_class", store::LoadBy::kWaitClass},
                                                              {"wait_event", store::LoadBy::kWaitEvent},
                                                              {"query", store::LoadBy::kQuery},
                                                              {"database", store::LoadBy::kDatabase},
                                                              {"user", store::LoadBy::kUser},
                                                              {"application", store::LoadBy::kApplication},
                                                              {"client", store::LoadBy::kClient}};
  const auto found = kNames.find(name);
  return found == kNames.end() ? store::LoadBy::kWaitClass : found->second;  // the router has checked the name
}

// A query's key is the id of getQuery.
std::string series_key(const store::LoadSeries& series, store::LoadBy by, std::uint32_t server) {
  if (series.other) return "other";
  if (by != store::LoadBy::kQuery || series.key.empty()) return series.key;
  return encode_query_id(
      {.server = server, .queryid = std::strtoll(series.key.c_str(), nullptr, 10), .database = series.database, .user = series.user});
}

net::Task<Result<net::Response>> get_load(Context& context, Call& call) {
  PGA_CO_TRY(const directory::Server server, co_await server_of(context, call));
  PGA_CO_TRY(const store::Window window, window_of(call, context.clock.now()));
  const store::LoadBy by = load_by(call.text("by").value_or("wait_class"));
  PGA_CO_TRY(const auto load, co_await context.store.load({.tenant = server.tenant.value,
                                                           .server = server.id.value,
                                                           .window = window,
                                                           .points = static_cast<std::size_t>(call.integer("points").value_or(300)),
                                                           .by = by}));
  PGA_CO_TRY(const Known known, co_await read_fleet(context, server.tenant));
  PGA_CO_TRY(const auto summaries, co_await read_summaries(context, known, &server, server.tenant.value, window));
  json::array series;
  for (const auto& s : load.series) {
    series.push_back(
        json::object{{"key", series_key(s, by, server.id.value)}, {"label", s.label}, {"values", to_json(s.values)}, {"mean", s.mean}});
  }
  json::value reason = nullptr;
  if (series.empty()) {
    PGA_CO_TRY(const std::string why, co_await why_empty(context, server, "postgres.activity", window, false));
    reason = load.samples > 0 ? "nothing was active in the " + std::to_string(load.samples) + " samples of this window" : why;
  }
  co_return json_answer(json::object{
      {"from", to_ms(window.from_us)},
      {"to", to_ms(window.to_us)},
      {"step_seconds", static_cast<double>(load.grid.step_us) / 1e6},
      {"t", times(load.grid)},
      {"series", std::move(series)},
      {"cores", or_null(cores_of(known, summaries, server))},
      {"reason", reason},
  });
}

}  // namespace

net::Task<Result<directory::Server>> server_of(Context& context, const Call& call) {
  const std::int64_t id = call.integer("id").value_or(0);
  const Error none{ErrorCode::kNotFound, "there is no server " + std::to_string(id)};
  if (id <= 0 || id > std::numeric_limits<std::uint32_t>::max()) co_return none;
  PGA_CO_TRY(const auto server, co_await context.loop.run_blocking([&context, id, tenant = call.session->tenant] {
    return context.fleet.find_server(tenant, {static_cast<std::uint32_t>(id)});
  }));
  if (!server) co_return none;
  co_return *server;
}

net::Task<Result<std::string>> why_empty(Context& context, const directory::Server& server, const std::string& source, store::Window window,
                                         bool filtered) {
  const catalog::Source* const declared = context.catalog.find(source);
  if (declared == nullptr) co_return "this server has no declaration of " + source;
  PGA_CO_TRY(auto states, co_await context.store.batch_states(
                              {.tenant = server.tenant.value, .server = server.id.value, .collector = {}, .window = window}));
  PGA_CO_TRY(const Known known, co_await read_fleet(context, server.tenant));
  co_return why_empty(SourceReadings{.source = *declared,
                                     .server = server,
                                     .collector = known.collector_of(server),
                                     .states = std::move(states),
                                     .now = context.clock.now()},
                      filtered);
}

void add_server_handlers(Handlers& handlers, Context& context) {
  handlers["listServers"] = [&context](Call& call) { return list_servers(context, call); };
  handlers["getServer"] = [&context](Call& call) { return get_server(context, call); };
  handlers["getLoad"] = [&context](Call& call) { return get_load(context, call); };
}

}  // namespace pga::api
