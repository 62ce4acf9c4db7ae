// listCollectors.
#include <algorithm>
#include <map>

#include "api/context.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/reasons.h"
#include "ingest/registry.h"

namespace pga::api {
namespace {

constexpr std::chrono::hours kFailuresOf{1};
constexpr std::string_view kSelfSource = "collector.self";

// The newest reading of the collector's own costs, by column.
using SelfRow = std::map<std::string, std::int64_t>;

net::Task<Result<SelfRow>> read_self(Context& context, const directory::Server& self, store::Window window) {
  SelfRow row;
  if (context.catalog.find(kSelfSource) == nullptr) co_return row;
  store::SourceTableQuery query;
  query.tenant = self.tenant.value;
  query.server = self.id.value;
  query.source = kSelfSource;
  query.window = window;
  PGA_CO_TRY(const auto table, co_await context.store.source_table(query));
  for (std::size_t i = 0; i < table.columns.size() && !table.rows.empty(); ++i) {
    if (const auto* number = std::get_if<std::int64_t>(&table.rows.front()[i])) row[table.columns[i].name] = *number;
  }
  co_return row;
}

json::value of(const SelfRow& row, const char* column) {
  const auto found = row.find(column);
  return found == row.end() ? json::value(nullptr) : json::value(found->second);
}

json::value scaled(const SelfRow& row, const char* column, double factor) {
  const auto found = row.find(column);
  return found == row.end() ? json::value(nullptr) : json::value(static_cast<double>(found->second) * factor);
}

std::string_view status(const directory::Collector& c, WallTime now) {
  if (c.revoked) return "revoked";
  if (c.locked) return "locked";
  if (c.waits_for_approval) return "to_be_approved";
  if (!c.last_seen) return "waiting";
  return now - *c.last_seen <= kFreshFor ? "fresh" : "stale";
}

struct Incomplete {
  json::array failed, unavailable;
};

Incomplete incomplete(const Context& context, const std::vector<store::BatchState>& states, const std::vector<directory::Server>& servers,
                      directory::CollectorId collector) {
  Incomplete out;
  for (const auto& s : states) {
    if (s.collector != collector.value) continue;
    const auto server = std::find_if(servers.begin(), servers.end(), [&](const auto& known) { return known.id.value == s.server; });
    const bool postgres = server != servers.end() && server->kind == "postgres";
    for (const store::BatchFailure& f : s.failures) {
      json::array& to = is_unavailable(context.catalog.find(s.source), f.outcome) ? out.unavailable : out.failed;
      to.push_back(json::object{{"source", s.source},
                                {"server_id", postgres ? json::value(s.server) : json::value(nullptr)},
                                {"reason", wire::to_string(f.outcome)},
                                {"detail", text_or_null(f.detail)},
                                {"count", f.count},
                                {"last", to_ms(f.last_us)}});
    }
  }
  return out;
}

net::Task<Result<net::Response>> list_collectors(Context& context, Call& call) {
  const directory::TenantId tenant = call.session->tenant;
  const WallTime now = context.clock.now();
  const store::Window window{to_micros(now - kFailuresOf), to_micros(now)};
  std::vector<directory::Collector> collectors;
  std::vector<directory::Server> servers;
  PGA_CO_TRY_STATUS(co_await context.loop.run_blocking([&]() -> Status {
    PGA_TRY(collectors, context.fleet.collectors(tenant));
    PGA_TRY(servers, context.fleet.servers(tenant));
    return {};
  }));
  std::vector<store::BatchState> states;
  if (!collectors.empty()) {
    PGA_CO_TRY(states, co_await context.store.batch_states({.tenant = tenant.value, .server = {}, .collector = {}, .window = window}));
  }
  json::array items;
  for (const auto& c : collectors) {
    json::array watched;
    json::value host = nullptr;
    SelfRow self;
    for (const auto& server : servers) {
      if (server.collector != c.id) continue;
      if (server.kind == "postgres" || server.kind == "pgbouncer") watched.push_back(reference(server.id.value, server.name));
      if (server.kind == "host") host = server.name;
      if (server.kind == "collector") {
        // One small query a collector; a fleet of thousands wants a page of them.
        PGA_CO_TRY(self, co_await read_self(context, server, {to_micros(now - std::chrono::minutes(1)), window.to_us}));
      }
    }
    Incomplete readings = incomplete(context, states, servers, c.id);
    items.push_back(json::object{
        {"id", c.id.value},
        {"name", c.name},
        {"version", text_or_null(c.version)},
        {"host", host},
        {"status", status(c, now)},
        {"status_reason", c.revoked ? json::value(nullptr) : text_or_null(ingest::why_refused(c))},
        {"configuration",
         json::object{{"wanted", c.configuration},
                      {"seen", c.configuration_seen},
                      {"refused", c.configuration_refused ? json::value(*c.configuration_refused) : json::value(nullptr)}}},
        {"last_push", c.last_seen ? json::value(to_ms(*c.last_seen)) : json::value(nullptr)},
        {"spool_records", of(self, "spool_records")},
        {"spool_bytes", of(self, "spool_bytes")},
        {"spool_oldest_seconds", scaled(self, "spool_oldest_us", 1e-6)},
        {"clock_skew_seconds", c.clock_skew ? json::value(std::chrono::duration<double>(*c.clock_skew).count()) : json::value(nullptr)},
        {"frames", c.frames},
        {"rows", c.rows},
        {"duplicates", c.duplicates},
        {"refused", c.refused},
        {"certificate_expires", to_ms(c.certificate_expires)},
        {"rss_bytes", of(self, "rss_bytes")},
        {"cpu_seconds_per_minute", scaled(self, "cpu_ns", 1e-9)},
        {"servers", std::move(watched)},
        {"failed", std::move(readings.failed)},
        {"unavailable", std::move(readings.unavailable)},
    });
  }
  json::value reason = nullptr;
  if (items.empty()) reason = "no collector has enrolled yet; `pganalytics-server token create` makes a token for one";
  co_return json_answer(json::object{{"items", std::move(items)}, {"reason", reason}});
}

}  // namespace

void add_collector_handlers(Handlers& handlers, Context& context) {
  handlers["listCollectors"] = [&context](Call& call) { return list_collectors(context, call); };
}

}  // namespace pga::api
