#include "collect/doctor.h"

#include <map>

#include "collect/sql_reader.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kTimeout{10};

// The value of a list setting with one more entry, each entry a literal of its own: as one literal the server would look for a
// single library of that name and not start.
std::string list_with(std::string_view list, std::string_view entry) {
  std::string out;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '"')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '"')) item.remove_suffix(1);
    if (!item.empty()) out += "'" + std::string(item) + "', ";
  }
  return out + "'" + std::string(entry) + "'";
}

std::string milliseconds(std::uint64_t us) {
  std::string text = std::to_string(us / 1000) + "." + std::to_string(us % 1000 / 100);
  return text + " ms";
}

std::string mend_connection(const pg::Failure& failure) {
  if (failure.message.find("password") != std::string::npos)
    return "check user and password_file of the target, and pg_hba.conf of the server";
  if (failure.message.find("no pg_hba.conf entry") != std::string::npos)
    return "add a line for this host, user and database to pg_hba.conf, then SELECT pg_reload_conf();";
  if (failure.message.find("does not exist") != std::string::npos) return "create it, or correct the target's user or dbname";
  return "check host and port of the target, that the server runs, and that a firewall lets the connection pass";
}

Finding of_reading(const catalog::Source& source, const Reading& reading, const std::string& role) {
  Finding finding{Level::kOk, source.name, "", ""};
  switch (reading.outcome) {
    case wire::Outcome::kComplete:
    case wire::Outcome::kLock:
    case wire::Outcome::kLimit:
      finding.detail =
          std::to_string(reading.cells.rows) + (reading.cells.rows == 1 ? " row in " : " rows in ") + milliseconds(reading.duration_us);
      if (reading.outcome != wire::Outcome::kComplete) {
        finding.level = Level::kAdvice;
        finding.detail += "; " + reading.detail;
      }
      if (!reading.missing.empty()) {
        finding.detail += "; this version has no";
        for (const std::string& column : reading.missing) finding.detail += " " + column;
      }
      return finding;
    case wire::Outcome::kPrivilege:
      finding.mend = "GRANT pg_monitor TO " + catalog::quote_identifier(role) + ";";
      break;
    case wire::Outcome::kAbsent:
      if (!source.extension.empty()) finding.mend = "CREATE EXTENSION IF NOT EXISTS " + catalog::quote_identifier(source.extension) + ";";
      break;
    case wire::Outcome::kTimeout:
    case wire::Outcome::kError:
    case wire::Outcome::kUnreachable:
      break;
  }
  // A view that this version does not have is not a fault of the operator's.
  finding.level = reading.outcome == wire::Outcome::kAbsent && source.extension.empty() ? Level::kAdvice : Level::kMissing;
  finding.detail = std::string(wire::to_string(reading.outcome)) + (reading.sqlstate.empty() ? "" : " (" + reading.sqlstate + ")") + ": " +
                   reading.detail;
  return finding;
}

}  // namespace

net::Task<std::vector<Finding>> examine(net::Loop& loop, const PostgresTargetOptions& target, const catalog::Catalog& catalog,
                                        Clock& clock) {
  std::vector<Finding> findings;
  auto connected = co_await pg::Connection::connect(loop, target.connect, std::chrono::milliseconds{15'000}, clock.steady_now() + kTimeout);
  if (!connected) {
    findings.push_back({Level::kMissing, "connection", connected.error().message, mend_connection(connected.error())});
    co_return findings;
  }
  pg::Connection& connection = **connected;
  auto rows = co_await connection.query(
      "SELECT current_setting('server_version'), current_user, current_setting('is_superuser'), pg_has_role(current_user, 'pg_monitor', "
      "'USAGE'), current_database()",
      clock.steady_now() + kTimeout);
  std::string role;
  if (!rows) {
    findings.push_back({Level::kMissing, "connection", rows.error().message, ""});
  } else {
    const auto cell = [&](std::size_t i) { return std::string(rows->at(0, i).value_or("")); };
    role = cell(1);
    findings.push_back(
        {Level::kOk, "connection", "PostgreSQL " + cell(0) + ", database " + cell(4) + ", role " + role + ", session protected", ""});
    if (cell(2) == "on") {
      findings.push_back({Level::kAdvice, "superuser", "the role is a superuser; reading statistics needs only pg_monitor",
                          "CREATE ROLE pganalytics LOGIN PASSWORD '…'; GRANT pg_monitor TO pganalytics;"});
    } else if (cell(3) != "t") {
      findings.push_back({Level::kMissing, "pg_monitor",
                          "the role is not a member of pg_monitor: activity and texts of other users are hidden",
                          "GRANT pg_monitor TO " + catalog::quote_identifier(role) + ";"});
    }
  }
  // pg_settings leaves out what the role may not see, where current_setting() would fail.
  rows = co_await connection.query(
      "SELECT name, setting FROM pg_settings WHERE name IN ('shared_preload_libraries', 'track_io_timing', 'track_activities', "
      "'track_counts', 'compute_query_id')",
      clock.steady_now() + kTimeout);
  if (!rows) {
    findings.push_back({Level::kMissing, "settings", rows.error().message, ""});
  } else {
    std::map<std::string, std::string> settings;
    for (std::size_t i = 0; i < rows->size(); ++i) settings[std::string(rows->at(i, 0).value_or(""))] = rows->at(i, 1).value_or("");
    if (settings.contains("shared_preload_libraries") &&
        settings["shared_preload_libraries"].find("pg_stat_statements") == std::string::npos) {
      findings.push_back({Level::kMissing, "shared_preload_libraries", "pg_stat_statements is not preloaded: there are no query statistics",
                          "ALTER SYSTEM SET shared_preload_libraries = " +
                              list_with(settings["shared_preload_libraries"], "pg_stat_statements") + "; -- then restart the server"});
    }
    const auto should_be_on = [&](const char* name, const char* effect) {
      if (settings[name] == "on") return;
      findings.push_back({Level::kAdvice, name, std::string(name) + " is off: " + effect,
                          std::string("ALTER SYSTEM SET ") + name + " = on; SELECT pg_reload_conf();"});
    };
    should_be_on("track_io_timing", "times of reads and writes stay zero");
    should_be_on("track_activities", "sessions have no state");
    should_be_on("track_counts", "tables and indexes are not counted, and autovacuum does not run");
    if (settings["compute_query_id"] == "off") {
      findings.push_back({Level::kAdvice, "compute_query_id", "compute_query_id is off: sessions cannot be tied to statements",
                          "ALTER SYSTEM SET compute_query_id = auto; SELECT pg_reload_conf();"});
    }
  }
  ServerFacts facts(clock);
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope != catalog::Scope::kInstance && source.scope != catalog::Scope::kDatabase) continue;
    if (!connection.alive()) {
      findings.push_back({Level::kMissing, source.name, "not tried: the connection was lost", ""});
      continue;
    }
    SqlReader reader(source, facts, clock);
    const Reading reading = co_await reader.read(connection, "{}");
    findings.push_back(of_reading(source, reading, role));
  }
  if (const int postmaster = connection.local_postmaster(); postmaster > 0) {
    const LocalServer server{{"postgres", target.name, "", ""}, postmaster};
    for (Finding& finding : examine_processes(catalog, server)) findings.push_back(std::move(finding));
  }
  co_return findings;
}

}  // namespace pga::collect
