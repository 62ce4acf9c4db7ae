// Small pure parts of the answers: windows, ids of statements, cells, reasons, files of the UI.
#include <doctest/doctest.h>

#include "api/assets.h"
#include "api/json.h"
#include "api/query_id.h"
#include "api/reasons.h"
#include "api/window.h"

namespace pga::api {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{1'700'000'000s};
constexpr std::int64_t kNowMs = 1'700'000'000'000;

TEST_CASE("a window is the last hour by default, and one that makes no sense is refused in words") {
  struct Case {
    const char* what;
    std::map<std::string, std::string, std::less<>> parameters;
    std::int64_t from_ms;
    std::int64_t to_ms;
    const char* error;
  };
  const Case cases[] = {
      {"nothing", {}, kNowMs - 3'600'000, kNowMs, ""},
      {"only to", {{"to", "7200000"}}, 3'600'000, 7'200'000, ""},
      {"only from", {{"from", "1699999999000"}}, 1'699'999'999'000, kNowMs, ""},
      {"both", {{"from", "5"}, {"to", "6"}}, 5, 6, ""},
      {"empty", {{"from", "6"}, {"to", "6"}}, 0, 0, "from (6) is not before to (6)"},
      {"backwards", {{"from", "1780000000000"}, {"to", "1779996400000"}}, 0, 0, "from (1780000000000) is not before to (1779996400000)"},
      {"two years", {{"from", "0"}, {"to", "63072000000"}}, 0, 0, "is longer than 400 days"},
      {"overflow", {{"from", "5"}, {"to", "9223372036854775807"}}, 0, 0, "from and to are epoch milliseconds of at most"},
  };
  const Operation operation;
  for (const Case& c : cases) {
    CAPTURE(c.what);
    net::Request request;
    const Call call{.request = request, .operation = operation, .parameters = c.parameters};
    const auto window = window_of(call, kNow);
    if (*c.error != '\0') {
      REQUIRE(!window);
      CHECK_MESSAGE(window.error().message.find(c.error) != std::string::npos, window.error().message);
    } else {
      CHECK(*window == store::Window{c.from_ms * 1'000, c.to_ms * 1'000});
    }
  }
}

TEST_CASE("the id of a statement comes back whole, is url-safe, and anything else is not found") {
  const store::StatementKey keys[] = {
      {1, 0, "", ""},
      {7, -4'611'686'018'427'387'904, "shop", "app"},
      {4'294'967'295U, INT64_MIN, std::string(63, 'x'), "O'Brien \"; --\n"},
      {1, 5, "dätäbase", "ユーザー"},
  };
  for (const auto& key : keys) {
    const std::string id = encode_query_id(key);
    CHECK(id.size() <= 256);
    CHECK(id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos);
    CHECK(*decode_query_id(id) == key);
    CHECK(decode_query_id(id.substr(0, id.size() - 2)).error().code == ErrorCode::kNotFound);
  }
  for (const char* id : {"", "x", "AAAA", "!!!"}) CHECK(decode_query_id(id).error().code == ErrorCode::kNotFound);
}

TEST_CASE("cells keep null, time and large integers apart") {
  using wire::ColumnType;
  CHECK(json::serialize(cell({}, ColumnType::kInt)) == "null");
  CHECK(json::serialize(cell(std::int64_t{0}, ColumnType::kInt)) == "0");
  CHECK(json::serialize(cell(std::int64_t{1} << 53, ColumnType::kInt)) == "9007199254740992");
  CHECK(json::serialize(cell((std::int64_t{1} << 53) + 1, ColumnType::kInt)) == "\"9007199254740993\"");
  CHECK(json::serialize(cell(INT64_MIN, ColumnType::kInt)) == "\"-9223372036854775808\"");
  CHECK(json::serialize(cell(std::int64_t{1'700'000'000'123'456}, ColumnType::kTime)) == "1700000000123");
  CHECK(json::serialize(cell(true, ColumnType::kBool)) == "true");
  CHECK(json::serialize(cell(std::string("a\"b"), ColumnType::kString)) == "\"a\\\"b\"");
}

catalog::Source tables() {
  catalog::Source source;
  source.name = "postgres.tables";
  source.interval = 60s;
  return source;
}

directory::Collector collector(std::optional<WallTime> seen) {
  directory::Collector c;
  c.name = "db1";
  c.last_seen = seen;
  return c;
}

store::BatchState state(const char* source, std::uint64_t complete, std::uint64_t failed, wire::Outcome outcome, const char* detail) {
  store::BatchState s;
  s.source = source;
  s.complete = complete;
  s.failed = failed;
  s.failed_outcome = outcome;
  s.failed_detail = detail;
  s.last_us = s.last_failed_us = to_micros(kNow);
  return s;
}

TEST_CASE("an empty answer says why, from what the readings and the collector said") {
  using wire::Outcome;
  struct Case {
    const char* what;
    std::optional<directory::Collector> collector;
    std::vector<store::BatchState> states;
    bool filtered;
    const char* reason;
  };
  const Case cases[] = {
      {"read and empty",
       collector(kNow),
       {state("postgres.tables", 3, 0, Outcome::kComplete, "")},
       false,
       "postgres.tables was read 3 times in this window and had nothing to show"},
      {"read, and the filter fits nothing",
       collector(kNow),
       {state("postgres.tables", 3, 0, Outcome::kComplete, "")},
       true,
       "postgres.tables was read 3 times in this window, but nothing matches the filter"},
      {"no right",
       collector(kNow),
       {state("postgres.tables", 0, 2, Outcome::kPrivilege, "permission denied for schema x")},
       false,
       "all 2 readings of postgres.tables in this window failed: privilege: permission denied for schema x"},
      {"absent",
       collector(kNow),
       {state("postgres.tables", 0, 1, Outcome::kAbsent, "")},
       false,
       "all 1 readings of postgres.tables in this window failed: absent"},
      {"unreachable",
       collector(kNow),
       {state("postgres.activity", 0, 9, Outcome::kUnreachable, "connection refused")},
       false,
       "shop could not be reached: connection refused"},
      {"not due yet",
       collector(kNow),
       {state("postgres.activity", 9, 0, Outcome::kComplete, "")},
       false,
       "no collector has pushed postgres.tables of shop in this window; it is read every 60 s"},
      {"silent",
       collector(kNow - 5min),
       {},
       false,
       "no collector has pushed postgres.tables of shop in this window: collector db1 pushed last 5 min ago"},
      {"never pushed",
       collector(std::nullopt),
       {},
       false,
       "no collector has pushed postgres.tables of shop in this window: collector db1 has enrolled and not pushed anything yet"},
      {"nobody", std::nullopt, {}, false, "no collector has pushed postgres.tables of shop in this window: no collector watches it"},
  };
  const catalog::Source source = tables();
  directory::Server server;
  server.name = "shop";
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(why_empty({.source = source, .server = server, .collector = c.collector, .states = c.states, .now = kNow}, c.filtered) ==
          c.reason);
  }
}

TEST_CASE("what is optional and not there is no failure") {
  using wire::Outcome;
  struct Case {
    const char* what;
    const char* role;  // that the source requires
    Outcome outcome;
    bool unavailable;
  };
  const Case cases[] = {
      {"a view of another version, an extension that is not installed, plans that nobody allowed", "", Outcome::kAbsent, true},
      {"what pg_monitor may not read", "", Outcome::kPrivilege, true},
      {"what every monitoring role may read", "pg_read_all_stats", Outcome::kPrivilege, false},
      {"such a source in another version", "pg_read_all_stats", Outcome::kAbsent, true},
      {"a timeout", "", Outcome::kTimeout, false},
      {"a lock", "", Outcome::kLock, false},
      {"a limit", "", Outcome::kLimit, false},
      {"an error", "", Outcome::kError, false},
      {"a server that is away", "", Outcome::kUnreachable, false},
      {"a complete reading", "", Outcome::kComplete, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    catalog::Source source = tables();
    source.role = c.role;
    CHECK(is_unavailable(&source, c.outcome) == c.unavailable);
  }
  CHECK(is_unavailable(nullptr, Outcome::kAbsent));
  CHECK(!is_unavailable(nullptr, Outcome::kPrivilege));
}

TEST_CASE("fresh, stale, unreachable and waiting are four different things") {
  struct Case {
    const char* what;
    std::optional<WallTime> seen, unreachable, pushed;
    Freshness freshness;
    const char* reason;
  };
  const Case cases[] = {
      {"read a moment ago", kNow - 5s, std::nullopt, kNow, Freshness::kFresh, ""},
      {"was unreachable before", kNow - 5s, kNow - 10s, kNow, Freshness::kFresh, ""},
      {"is unreachable", kNow - 90s, kNow - 5s, kNow, Freshness::kUnreachable, "connection refused"},
      {"was never reached", std::nullopt, kNow - 5s, kNow, Freshness::kUnreachable, "connection refused"},
      {"collector went quiet", kNow - 5min, std::nullopt, kNow - 5min, Freshness::kStale, "collector db1 pushed last 5 min ago"},
      {"collector went quiet after it was unreachable", kNow - 9min, kNow - 5min, kNow - 5min, Freshness::kStale,
       "collector db1 pushed last 5 min ago"},
      {"collector pushes, nothing is read", kNow - 5min, std::nullopt, kNow, Freshness::kStale, "the newest reading is 5 min old"},
      {"nothing in the last hour", std::nullopt, std::nullopt, kNow - 3h, Freshness::kStale, "collector db1 pushed last 3 h ago"},
      {"nothing yet", std::nullopt, std::nullopt, kNow, Freshness::kWaiting, "nothing has arrived yet"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    store::InstanceSummary summary;
    if (c.seen) summary.last_seen_us = to_micros(*c.seen);
    if (c.unreachable) summary.last_unreachable_us = to_micros(*c.unreachable);
    const ServerState got = server_state(summary, collector(c.pushed), "connection refused", kNow);
    CHECK(to_string(got.freshness) == to_string(c.freshness));
    CHECK(got.reason.value_or("") == c.reason);
  }
}

TEST_CASE("the UI answers every path of its own, its assets for ever, and says so when it was not built") {
  struct Case {
    const char* target;
    int status;
    const char* type;
    const char* cache;
    const char* body;
  };
  const Case cases[] = {
      {"/", 200, "text/html; charset=utf-8", "no-cache", "<index>"},
      {"/servers/7?from=1", 200, "text/html; charset=utf-8", "no-cache", "<index>"},
      {"/theme.js", 200, "text/javascript; charset=utf-8", "no-cache", "theme"},
      {"/assets/a-1.css", 200, "text/css; charset=utf-8", "public, max-age=31536000, immutable", "css"},
      {"/assets/a-2.css", 404, "text/plain; charset=utf-8", "no-store", "no such file"},
      {"/../etc/passwd", 200, "text/html; charset=utf-8", "no-cache", "<index>"},
  };
  const Ui ui({{"theme.js", "theme"}, {"index.html", "<index>"}, {"assets/a-1.css", "css"}});
  for (const Case& c : cases) {
    CAPTURE(c.target);
    net::Request request;
    request.target = c.target;
    const net::Response response = ui.answer(request);
    CHECK(response.status == c.status);
    CHECK(response.headers.find("Content-Type") == c.type);
    CHECK(response.headers.find("Cache-Control") == c.cache);
    CHECK(response.body.find(c.body) != std::string::npos);
  }
  net::Request request;
  request.target = "/";
  CHECK(Ui(std::vector<Asset>()).answer(request).body.find("built without the web UI") != std::string::npos);
}

}  // namespace
}  // namespace pga::api
