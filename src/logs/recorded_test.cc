#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "logs/finding.h"
#include "logs/fixtures_for_test.h"

namespace pga::logs {
namespace {

constexpr std::string_view kCanaries[] = {"Zaunkoenig", "4711004711"};

// Everything of a finding that may travel.
std::string everything(const Finding& f) {
  return std::string(f.name) + "|" + f.severity + "|" + f.sqlstate + "|" + f.user + "|" + f.database + "|" + f.application + "|" +
         f.backend_type + "|" + f.client + "|" + f.session + "|" + f.message + "|" + f.detail + "|" + f.context + "|" + f.statement + "|" +
         fields_as_json(f.fields);
}

TEST_CASE("no literal of a recorded log leaves the host") {
  for (const std::string name : kRecorded) {
    CAPTURE(name);
    const std::string text = recorded(name);
    REQUIRE(text.find(kCanaries[0]) != std::string::npos);
    for (const Event& event : parse_all(name, text)) {
      const std::string said = everything(find(event));
      CAPTURE(said);
      for (const std::string_view canary : kCanaries) CHECK(said.find(canary) == std::string::npos);
    }
  }
}

TEST_CASE("what was done to the servers is found in every format of every version") {
  const std::set<std::string> expected = {"authentication_failed",
                                          "role_unknown",
                                          "database_unknown",
                                          "autoanalyze",
                                          "autovacuum",
                                          "cancel_lock_timeout",
                                          "cancel_statement_timeout",
                                          "cancel_user",
                                          "check_violation",
                                          "checkpoint_complete",
                                          "checkpoint_starting",
                                          "connection_authorized",
                                          "connection_received",
                                          "crash",
                                          "crash_restart",
                                          "deadlock",
                                          "disconnection",
                                          "division_by_zero",
                                          "foreign_key_violation",
                                          "idle_in_transaction_timeout",
                                          "invalid_input",
                                          "lock_acquired",
                                          "lock_wait",
                                          "not_null_violation",
                                          "out_of_range",
                                          "raised",
                                          "recovery_started",
                                          "recovery_progress",
                                          "server_ready",
                                          "server_shutdown",
                                          "server_starting",
                                          "setting_changed",
                                          "settings_reload",
                                          "statement_duration",
                                          "statement_plan",
                                          "syntax_error",
                                          "temp_file",
                                          "terminated_by_administrator",
                                          "undefined_column",
                                          "undefined_function",
                                          "undefined_table",
                                          "unique_violation",
                                          "unknown"};
  for (const std::string name : kRecorded) {
    CAPTURE(name);
    std::map<std::string_view, int> found;
    std::string unknown;
    for (const Event& event : parse_all(name, recorded(name))) {
      const Finding f = find(event);
      ++found[f.name];
      if (f.name == kUnknownClass || f.name == kUnparsedClass) unknown += event[Field::kMessage] + "\n";
      CHECK(f.time_us > 1'700'000'000'000'000);
    }
    for (const std::string& wanted : expected) {
      // A session that does not exist yet has no role in csvlog's user column of some versions, and says so in other words.
      CAPTURE(wanted);
      if (wanted != "role_unknown" && wanted != "unknown") CHECK(found.contains(wanted));
    }
    CAPTURE(unknown);
    CHECK(found[kUnparsedClass] == 0);
    CHECK(found[kUnknownClass] <= 3);
  }
}

TEST_CASE("the three formats of a server say the same") {
  for (const std::string version : {"12", "13", "14", "15", "16", "17", "18"}) {
    CAPTURE(version);
    std::map<std::string, std::multiset<std::string>> said;  // by format
    for (const std::string name : kRecorded) {
      if (!std::string(name).starts_with(version)) continue;
      for (const Event& event : parse_all(name, recorded(name))) {
        const Finding f = find(event);
        // Before the configuration has been read everything goes to stderr alone.
        if (f.name == "server_starting" || f.name == "server_shutdown" || f.name == "server_ready") continue;
        const std::string detail = f.detail + f.context;
        const std::int64_t second = f.time_us / 1'000'000;
        said[name].insert(std::to_string(second) + " " + std::string(f.name) + " " + f.severity + " " + std::to_string(f.pid.value_or(0)) +
                          " " + f.message + " " + detail + " " + std::to_string(f.statement_fingerprint));
      }
    }
    const auto& first = said.begin()->second;
    for (const auto& [name, lines] : said) {
      CAPTURE(name);
      std::vector<std::string> differ;
      std::set_symmetric_difference(first.begin(), first.end(), lines.begin(), lines.end(), std::back_inserter(differ));
      std::string difference;
      for (const std::string& line : differ) difference += line + "\n";
      CAPTURE(difference);
      CHECK(differ.empty());
    }
  }
}

TEST_CASE("the pieces in which a log arrives do not matter") {
  for (const std::string name : {"12.csv", "18.csv", "18.json", "18.log"}) {
    CAPTURE(name);
    const std::string text = recorded(name);
    const auto whole = parse_all(name, text);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
      const auto pieces = parse_all(name, text, step);
      REQUIRE(pieces.size() == whole.size());
      for (std::size_t i = 0; i < whole.size(); ++i) CHECK(pieces[i].fields == whole[i].fields);
    }
  }
}

TEST_CASE("reading again from the open event on neither loses nor doubles one") {
  for (const std::string name : {"18.csv", "18.json", "18.log"}) {
    CAPTURE(name);
    const std::string text = recorded(name);
    const auto whole = parse_all(name, text);
    for (const std::size_t cut : {text.size() / 3, text.size() / 2, text.size() * 2 / 3, text.size() - 1}) {
      std::vector<Event> events;
      const auto sink = [&](Event& event) { events.push_back(event); };
      auto before = parser_of(name, sink);
      before->feed(std::string_view(text).substr(0, cut));
      const std::size_t again = cut - before->open_bytes();
      auto after = parser_of(name, sink);
      after->feed(std::string_view(text).substr(again));
      after->finish();
      REQUIRE(events.size() == whole.size());
      for (std::size_t i = 0; i < whole.size(); ++i) CHECK(events[i][Field::kMessage] == whole[i][Field::kMessage]);
    }
  }
}

}  // namespace
}  // namespace pga::logs
