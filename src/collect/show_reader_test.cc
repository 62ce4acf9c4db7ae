#include "collect/show_reader.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

namespace pga::collect {
namespace {

using Row = std::vector<std::optional<std::string_view>>;

Reading read(const char* source, std::vector<std::string_view> names, const std::vector<Row>& rows) {
  static const auto catalog = catalog::Catalog::load();
  REQUIRE(catalog);
  return reading_of(*catalog->find(source), {std::move(names), rows.size(), [&](std::size_t r, std::size_t c) { return rows[r][c]; }});
}

// The cells of a row by column, in text.
std::map<std::string, std::string> cells(const char* source, const Reading& reading, std::size_t row) {
  static const auto catalog = catalog::Catalog::load();
  REQUIRE(catalog);
  std::map<std::string, std::string> out;
  const auto& columns = catalog->find(source)->columns;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const CellColumn& column = reading.cells.columns[i];
    if (column.values.empty() || column.present[row] == 0) continue;
    out[columns[i].name] = column.texts.empty() ? std::to_string(column.values[row]) : std::string(column.texts[row]);
  }
  return out;
}

TEST_CASE("columns are found by name in any order, and what a version lacks is missing alone") {
  const Reading reading = read("pgbouncer.pools", {"cl_waiting", "user", "future", "database", "maxwait_us", "maxwait", "cl_cancel_req"},
                               {{"3", "alice", "x", "shop", "250", "2", "1"}, {"0", "bob", "x", "shop", "0", "0", "0"}});
  REQUIRE(reading.outcome == wire::Outcome::kComplete);
  REQUIRE(reading.cells.rows == 2);
  auto alice = cells("pgbouncer.pools", reading, 0);
  CHECK(alice["database"] == "shop");
  CHECK(alice["clients_waiting"] == "3");
  CHECK(alice["wait_max_us"] == "2000250");
  CHECK(alice["clients_waiting_cancel"] == "1");  // the spelling before 1.18
  CHECK(!alice.contains("servers_idle"));
  CHECK(std::find(reading.missing.begin(), reading.missing.end(), "servers_idle") != reading.missing.end());
  CHECK(std::find(reading.missing.begin(), reading.missing.end(), "wait_max_us") == reading.missing.end());
}

TEST_CASE("an answer without a key is absent with its reason") {
  const Reading reading = read("pgbouncer.pools", {"database", "cl_active"}, {{"shop", "1"}});
  CHECK(reading.outcome == wire::Outcome::kAbsent);
  CHECK(reading.detail == "the answer to SHOW POOLS has no column user");
}

TEST_CASE("clients are counted by key: how many, how many with TLS, and the longest wait") {
  const Reading reading =
      read("pgbouncer.clients", {"type", "user", "database", "state", "application_name", "wait", "wait_us", "tls", "close_needed"},
           {{"C", "alice", "shop", "waiting", "app", "1", "5", "", "0"},
            {"C", "alice", "shop", "active", "app", "0", "0", "TLSv1.3/x", "0"},
            {"C", "alice", "shop", "waiting", "app", "2", "7", "TLSv1.3/x", "1"},
            {"C", "alice", "shop", "waiting", "app", "0", "9", "", "1"}});
  REQUIRE(reading.cells.rows == 2);
  auto waiting = cells("pgbouncer.clients", reading, 0);
  CHECK(waiting["state"] == "waiting");
  CHECK(waiting["clients"] == "3");
  CHECK(waiting["encrypted"] == "1");
  CHECK(waiting["wait_max_us"] == "2000007");
  CHECK(waiting["to_be_closed"] == "2");
  CHECK(!waiting.contains("prepared_statements"));
  CHECK(cells("pgbouncer.clients", reading, 1)["clients"] == "1");
}

TEST_CASE("of more groups than the limit those that fit are still counted to the end") {
  std::vector<Row> rows;
  std::vector<std::string> names;
  for (int i = 0; i < 1'001; ++i) names.push_back("user" + std::to_string(i));
  for (const std::string& name : names) rows.push_back({"C", name, "shop", "active", "app"});
  rows.push_back({"C", names[0], "shop", "active", "app"});
  const Reading reading = read("pgbouncer.clients", {"type", "user", "database", "state", "application_name"}, rows);
  CHECK(reading.outcome == wire::Outcome::kLimit);
  CHECK(reading.cells.rows == 1'000);
  CHECK(cells("pgbouncer.clients", reading, 0)["clients"] == "2");
}

TEST_CASE("values of settings travel only where it is known that they are nobody's secret") {
  const Reading reading = read("pgbouncer.settings", {"key", "value", "default", "changeable"},
                               {{"max_client_conn", "200", "100", "yes"},
                                {"auth_query", "SELECT pw FROM canary", "SELECT 1", "yes"},
                                {"auth_ldap_parameter", "bindpw=canary", "", "yes"},
                                {"setting_of_the_future", "canary", std::nullopt, "no"}});
  REQUIRE(reading.cells.rows == 4);
  CHECK(cells("pgbouncer.settings", reading, 0)["value"] == "200");
  for (std::size_t row = 1; row < 4; ++row) CHECK(cells("pgbouncer.settings", reading, row)["value"] == "***");
  CHECK(cells("pgbouncer.settings", reading, 2)["standard"].empty());
  CHECK(!cells("pgbouncer.settings", reading, 3).contains("standard"));
}

TEST_CASE("a number that is none is null alone, and zero and one are a truth value") {
  const Reading reading = read("pgbouncer.databases", {"name", "host", "port", "pool_size", "paused"},
                               {{"shop", std::nullopt, "many", "20", "1"}, {"other", "db", "5432", "20", "0"}});
  REQUIRE(reading.outcome == wire::Outcome::kComplete);
  auto shop = cells("pgbouncer.databases", reading, 0);
  CHECK(!shop.contains("host"));
  CHECK(!shop.contains("port"));
  CHECK(shop["pool_size"] == "20");
  CHECK(shop["paused"] == "1");
  CHECK(reading.detail.find("4 bytes that are not of its type") != std::string::npos);
  CHECK(cells("pgbouncer.databases", reading, 1)["paused"] == "0");
}

}  // namespace
}  // namespace pga::collect
