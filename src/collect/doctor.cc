#include "collect/doctor.h"

#include "base/text.h"
#include "collect/log_target.h"
#include "collect/rights_internal.h"
#include "collect/sql_reader.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kTimeout{10};
constexpr std::string_view kExpectedExtension = "pg_stat_statements";
constexpr std::size_t kDatabasesMax = 20;  // looked into for the helper schema

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

Finding of_reading(const catalog::Source& source, const Reading& reading, const Rights& rights, bool installed) {
  Finding finding{Level::kOk, source.name, "", ""};
  bool optional = false;
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
      // What pg_monitor cannot read is offered by a schema that the operator may not want.
      optional = rights.monitor || source.role.empty();
      if (!optional)
        finding.mend = "GRANT pg_monitor TO " + catalog::quote_identifier(rights.role) + ";";
      else if (uses_helper(source))
        finding.mend = "install the helper schema, see above";
      else
        finding.mend = "see part 6 of docs/sql/monitoring-role.sql";
      break;
    case wire::Outcome::kAbsent:
      // A view that this version does not have is not a fault of the operator's, and neither is an extension that is a matter of taste.
      // An older version of an extension that is there lacks a function or a column, which is the same.
      optional = installed || source.extension != kExpectedExtension;
      if (!installed && rights.extensions_on_disk.contains(source.extension))
        finding.mend = "CREATE EXTENSION IF NOT EXISTS " + catalog::quote_identifier(source.extension) + ";";
      break;
    case wire::Outcome::kTimeout:
    case wire::Outcome::kError:
    case wire::Outcome::kUnreachable:
      break;
  }
  finding.level = optional ? Level::kAdvice : Level::kMissing;
  finding.detail = std::string(wire::to_string(reading.outcome)) + (reading.sqlstate.empty() ? "" : " (" + reading.sqlstate + ")") + ": " +
                   reading.detail;
  return finding;
}

// The other databases that the collector would read: can it connect, and is the helper schema there.
net::Task<> examine_others(net::Loop& loop, const PostgresTargetOptions& target, const catalog::Catalog& catalog, const Rights& rights,
                           const std::string& main, pg::Connection& connection, Clock& clock, std::vector<Finding>& findings) {
  std::vector<std::string> names = target.databases;
  if (target.all_databases) {
    const auto rows = co_await connection.query("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY oid",
                                                clock.steady_now() + kTimeout);
    for (std::size_t i = 0; rows && i < rows->size(); ++i) names.emplace_back(rows->at(i, 0).value_or(""));
  }
  std::erase(names, main);
  if (names.size() + 1 > target.connections_max) {
    findings.push_back({Level::kOk, "connections",
                        std::to_string(names.size() + 1) + " databases share " + std::to_string(target.connections_max) +
                            " connections: all but the one with the target's dbname are read in turn",
                        ""});
  }
  if (names.size() > kDatabasesMax) {
    findings.push_back({Level::kOk, "databases", std::to_string(names.size() - kDatabasesMax) + " more are not looked into here", ""});
    names.resize(kDatabasesMax);
  }
  for (const std::string& name : names) {
    pg::ConnectOptions options = target.connect;
    options.parameters["dbname"] = name;
    auto connected =
        co_await pg::Connection::connect(loop, std::move(options), std::chrono::milliseconds{15'000}, clock.steady_now() + kTimeout);
    if (!connected) {
      findings.push_back({Level::kMissing, "database " + to_valid_utf8(name), connected.error().message,
                          "GRANT CONNECT ON DATABASE " + catalog::quote_identifier(name) + " TO " + catalog::quote_identifier(rights.role) +
                              "; or name the databases to watch under databases:"});
      continue;
    }
    co_await examine_helper(**connected, catalog, rights, clock, findings);
  }
}

Finding of_logs(const LogOptions& options, const ServerLog& server) {
  const LogPlace place = place_of(options, server);
  switch (place.how) {
    case LogPlace::How::kFiles:
      return {Level::kOk, "postgres.log_events", "follows " + place.file.string(), ""};
    case LogPlace::How::kServer:
      return {Level::kOk, "postgres.log_events", "reads the log over the connection", ""};
    case LogPlace::How::kNowhere:
      break;
  }
  return {options.from == LogsFrom::kNone ? Level::kOk : Level::kAdvice, "postgres.log_events", place.why, place.mend};
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
  const auto rows = co_await connection.query("SELECT current_setting('server_version'), current_user, current_database()",
                                              clock.steady_now() + kTimeout);
  if (!rows) {
    findings.push_back({Level::kMissing, "connection", rows.error().message, ""});
    co_return findings;
  }
  const auto cell = [&](std::size_t i) { return std::string(rows->at(0, i).value_or("")); };
  const std::string database = cell(2);
  findings.push_back(
      {Level::kOk, "connection", "PostgreSQL " + cell(0) + ", database " + database + ", role " + cell(1) + ", session protected", ""});
  const Rights rights = co_await examine_rights(connection, catalog, clock, findings);
  co_await examine_connections(connection, clock, findings);
  co_await examine_settings(connection, clock, findings);
  co_await examine_helper(connection, catalog, rights, clock, findings);
  co_await examine_others(loop, target, catalog, rights, database, connection, clock, findings);
  ServerFacts facts(clock);
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope != catalog::Scope::kInstance && source.scope != catalog::Scope::kDatabase) continue;
    if (!source.reader.empty()) continue;
    if (!connection.alive()) {
      findings.push_back({Level::kMissing, source.name, "not tried: the connection was lost", ""});
      continue;
    }
    SqlReader reader(source, facts, clock);
    const Reading reading = co_await reader.read(connection, "{}");
    findings.push_back(of_reading(source, reading, rights, facts.extension(source.extension).has_value()));
  }
  if (const int postmaster = connection.local_postmaster(); postmaster > 0) {
    const LocalServer server{{"postgres", target.name, "", ""}, postmaster};
    for (Finding& finding : examine_processes(catalog, server)) findings.push_back(std::move(finding));
  }
  if (connection.alive()) {
    ServerLog server;
    auto learned = co_await learn(connection, clock.steady_now() + kTimeout, server);
    auto identifier = co_await connection.query("SELECT system_identifier::text FROM pg_control_system()", clock.steady_now() + kTimeout);
    if (identifier && identifier->size() == 1)
      server.system_identifier = std::strtoull(std::string(identifier->at(0, 0).value_or("")).c_str(), nullptr, 10);
    findings.push_back(learned ? of_logs(target.logs, server)
                               : Finding{Level::kAdvice, "postgres.log_events", learned.error().message, ""});
  }
  co_return findings;
}

}  // namespace pga::collect
