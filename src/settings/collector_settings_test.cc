#include "settings/collector_settings.h"

#include <doctest/doctest.h>

namespace pga::settings {
namespace {

using std::chrono::seconds;

TEST_CASE("what a server says holds where the collector's own file says nothing") {
  const auto own = parse_collector_settings("ship_interval: 20s\nintervals: {a.b: 1s}\n", "own");
  const auto told =
      parse_collector_settings("ship_interval: 5s\nintervals: {a.b: 2s, c.d: 3s}\nserver: {format: json}\nlog: {level: debug}\n", "told");
  REQUIRE(own.has_value());
  REQUIRE(told.has_value());
  const CollectorSettings both = own->over(*told);
  CHECK(both.ship_interval == seconds{20});
  CHECK(both.intervals.at("a.b") == seconds{1});
  CHECK(both.intervals.at("c.d") == seconds{3});
  CHECK(both.json == true);
  CHECK(both.log_level == LogLevel::kDebug);
}

TEST_CASE("an empty text says nothing") {
  const auto empty = parse_collector_settings(" \n", "told");
  REQUIRE(empty.has_value());
  CHECK_FALSE(empty->json.has_value());
  CHECK(empty->intervals.empty());
}

TEST_CASE("a server can name no host, file or secret, and a wrong value is refused with its place") {
  const auto refused = [](const char* yaml) {
    const auto parsed = parse_collector_settings(yaml, "told");
    return parsed ? std::string("it was taken") : parsed.error().message;
  };
  CHECK(refused("server: {url: 'https://elsewhere'}\n").starts_with("told:1: "));
  CHECK(refused("server: {token_file: /etc/shadow}\n").starts_with("told:1: "));
  CHECK(refused("targets: [{name: x, host: y}]\n").starts_with("told:1: "));
  CHECK(refused("sources_dir: /tmp\n").starts_with("told:1: "));
  CHECK(refused("state_dir: /tmp\n").starts_with("told:1: "));
  CHECK(refused("ship_interval: 5s\nlog: {level: loud}\n").starts_with("told:2: "));
  CHECK(refused("ship_interval: 1h\n") == "told:1: ship_interval must be 1s to 10m");
  CHECK(refused("intervals: {a: 1ms}\n") == "told:1: the interval of a must be at least 100ms");
  CHECK(refused(std::string(kCollectorSettingsBytesMax + 1, '#').c_str()).find("exceeds the limit") != std::string::npos);
}

TEST_CASE("intervals of sources that are not declared are refused with the nearest") {
  CollectorSettings settings;
  settings.intervals["postgres.tabels"] = seconds{1};
  const Status checked = check_sources(settings, {"postgres.tables", "host.cpu"});
  REQUIRE_FALSE(checked.has_value());
  CHECK(checked.error().message == "intervals: source \"postgres.tabels\" is not declared; did you mean \"postgres.tables\"?");
}

}  // namespace
}  // namespace pga::settings
