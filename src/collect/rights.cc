#include <algorithm>
#include <map>

#include "collect/rights_internal.h"
#include "collect/server_connections.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kTimeout{10};

// A setting without which columns are zero or rows are missing, although everything may be read.
struct Switch {
  const char* name;
  const char* without;  // the value with which nothing is measured
  const char* wanted;
  const char* effect;  // what is missing, and where
};

constexpr Switch kSwitches[] = {
    {"track_activities", "off", "on", "sessions have no state: postgres.activity, postgres.sessions"},
    {"track_counts", "off", "on",
     "tables and indexes are not counted, and autovacuum does not run: postgres.tables, postgres.indexes, postgres.databases"},
    {"track_io_timing", "off", "on", "times of reads and writes stay zero: postgres.statements, postgres.databases, postgres.io"},
    {"track_wal_io_timing", "off", "on", "times of WAL writes and syncs stay zero: postgres.wal, postgres.io"},
    {"track_functions", "none", "pl", "functions are not counted: postgres.functions"},
    {"track_cost_delay_timing", "off", "on",
     "it is not measured how long VACUUM and ANALYZE sleep: postgres.progress_vacuum, postgres.progress_analyze"},
    {"compute_query_id", "off", "auto", "sessions cannot be tied to statements: postgres.activity, postgres.statements"},
    {"pg_stat_statements.track", "none", "top", "statements are not counted: postgres.statements"},
};

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

template <class Which>
std::string names_of(const catalog::Catalog& catalog, Which which) {
  std::string names;
  for (const catalog::Source& source : catalog.sources()) {
    if (which(source)) names += (names.empty() ? "" : ", ") + source.name;
  }
  return names;
}

}  // namespace

bool uses_helper(const catalog::Source& source) {
  for (const std::string& from : source.from) {
    if (from.find("pganalytics.") != std::string::npos) return true;
  }
  return false;
}

std::string install_helper(const std::string& database) {
  return "read docs/sql/helper-schema.sql, then as a superuser: psql -X -v ON_ERROR_STOP=1 -d " + catalog::quote_identifier(database) +
         " -f helper-schema.sql";
}

net::Task<Rights> examine_rights(pg::Connection& connection, const catalog::Catalog& catalog, Clock& clock,
                                 std::vector<Finding>& findings) {
  Rights rights;
  // A role that this version does not have gives null.
  const auto rows = co_await connection.query(
      "SELECT current_user, current_setting('is_superuser') = 'on', pg_has_role(current_user, 'pg_monitor', 'USAGE'), "
      "(SELECT pg_has_role(current_user, r.oid, 'USAGE') FROM pg_roles r WHERE r.rolname = 'pg_use_reserved_connections'), "
      "coalesce(current_setting('reserved_connections', true), '')",
      clock.steady_now() + kTimeout);
  if (!rows) {
    findings.push_back({Level::kMissing, "rights", rows.error().message, ""});
    co_return rights;
  }
  const auto is = [&](std::size_t i, std::string_view value) { return rows->at(0, i).value_or("") == value; };
  rights.role = rows->at(0, 0).value_or("");
  rights.superuser = is(1, "t");
  rights.monitor = is(2, "t");
  const std::string role = catalog::quote_identifier(rights.role);
  if (rights.superuser) {
    findings.push_back({Level::kAdvice, "superuser", "the role is a superuser; reading statistics needs only pg_monitor",
                        "CREATE ROLE pganalytics LOGIN PASSWORD '…'; GRANT pg_monitor TO pganalytics;"});
  } else if (!rights.monitor) {
    const std::string refused = names_of(catalog, [](const catalog::Source& source) { return !source.role.empty(); });
    findings.push_back(
        {Level::kMissing, "pg_monitor",
         "the role is not a member of pg_monitor: rows and texts of other users are hidden, so these are refused: " + refused,
         "GRANT pg_monitor TO " + role + ";"});
  }
  if (!rights.superuser && is(3, "f")) {
    findings.push_back({Level::kAdvice, "reserved connections",
                        "when all connections are taken, the role gets none and nothing is read until one is free",
                        "GRANT pg_use_reserved_connections TO " + role + ";"});
  } else if (!rights.superuser && is(3, "t") && is(4, "0")) {
    findings.push_back({Level::kAdvice, "reserved connections", "reserved_connections is 0: none is kept back for the role",
                        "ALTER SYSTEM SET reserved_connections = 3; -- then restart the server"});
  }
  const auto available = co_await connection.query("SELECT name FROM pg_available_extensions()", clock.steady_now() + kTimeout);
  for (std::size_t i = 0; available && i < available->size(); ++i) rights.extensions_on_disk.emplace(available->at(i, 0).value_or(""));
  co_return rights;
}

net::Task<> examine_helper(pg::Connection& connection, const catalog::Catalog& catalog, const Rights& rights, Clock& clock,
                           std::vector<Finding>& findings) {
  const auto rows = co_await connection.query(
      "SELECT current_database(), n.oid IS NOT NULL, coalesce(has_schema_privilege(n.oid, 'USAGE'), false), count(p.oid), "
      "count(p.oid) FILTER (WHERE NOT has_function_privilege(p.oid, 'EXECUTE')), count(p.oid) FILTER (WHERE p.prosecdef AND NOT "
      "r.rolsuper) "
      "FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'pganalytics' LEFT JOIN pg_proc p ON p.pronamespace = n.oid "
      "LEFT JOIN pg_roles r ON r.oid = p.proowner GROUP BY n.oid",
      clock.steady_now() + kTimeout);
  if (!rows) {
    findings.push_back({Level::kAdvice, "helper schema", rows.error().message, ""});
    co_return;
  }
  const std::string database(rows->at(0, 0).value_or(""));
  const std::string where = "in database " + database + " ";
  const std::string users = names_of(catalog, uses_helper);
  const auto is = [&](std::size_t i, std::string_view value) { return rows->at(0, i).value_or("") == value; };
  const std::string role = catalog::quote_identifier(rights.role);
  if (is(1, "f") || is(3, "0")) {
    // A superuser reads below the views what the functions would give.
    if (!rights.superuser)
      findings.push_back({Level::kAdvice, "helper schema",
                          where + "there are no functions of the schema pganalytics, so these are refused or incomplete: " + users,
                          install_helper(database)});
  } else if (is(2, "f") || !is(4, "0")) {
    findings.push_back(
        {Level::kAdvice, "helper schema", where + "the role may not execute the functions of the schema pganalytics: " + users,
         "GRANT USAGE ON SCHEMA pganalytics TO " + role + "; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pganalytics TO " + role + ";"});
  } else if (!is(5, "0")) {
    findings.push_back({Level::kAdvice, "helper schema",
                        where + "the functions of the schema pganalytics do not belong to a superuser and cannot read what they are for",
                        install_helper(database)});
  } else {
    findings.push_back({Level::kOk, "helper schema", where + std::string(rows->at(0, 3).value_or("")) + " functions", ""});
  }
}

net::Task<> examine_connections(pg::Connection& connection, Clock& clock, std::vector<Finding>& findings) {
  auto server = co_await server_connections(connection, clock.steady_now() + kTimeout);
  if (!server) {
    findings.push_back({Level::kAdvice, "connections",
                        "it is not known how many the server has left, so only its main database is read: " + server.error().message, ""});
    co_return;
  }
  const std::int64_t left = server->max - server->kept_back - server->used;
  const std::int64_t keep = ConnectionGate::kept_for_others(server->max);
  std::string detail = std::to_string(std::max<std::int64_t>(left, 0)) + " of " + std::to_string(server->max) + " are left for everybody";
  if (left > keep) {
    findings.push_back({Level::kOk, "connections", std::move(detail), ""});
  } else {
    findings.push_back(
        {Level::kAdvice, "connections",
         detail + ": while they are no more than " + std::to_string(keep) + ", only the database of the target's dbname is read",
         "raise max_connections, or let the application hold fewer"});
  }
}

net::Task<> examine_settings(pg::Connection& connection, Clock& clock, std::vector<Finding>& findings) {
  std::string names = "'shared_preload_libraries'";
  for (const Switch& s : kSwitches) names += std::string(", '") + s.name + "'";
  // pg_settings leaves out what the role may not see or this version does not have, where current_setting() would fail.
  const auto rows =
      co_await connection.query("SELECT name, setting FROM pg_settings WHERE name IN (" + names + ")", clock.steady_now() + kTimeout);
  if (!rows) {
    findings.push_back({Level::kMissing, "settings", rows.error().message, ""});
    co_return;
  }
  std::map<std::string, std::string> settings;
  for (std::size_t i = 0; i < rows->size(); ++i) settings[std::string(rows->at(i, 0).value_or(""))] = rows->at(i, 1).value_or("");
  if (const auto preload = settings.find("shared_preload_libraries");
      preload != settings.end() && preload->second.find("pg_stat_statements") == std::string::npos) {
    findings.push_back({Level::kMissing, "shared_preload_libraries",
                        "pg_stat_statements is not preloaded: there are no query statistics: postgres.statements, postgres.statement_texts",
                        "ALTER SYSTEM SET shared_preload_libraries = " + list_with(preload->second, "pg_stat_statements") +
                            "; -- then restart the server"});
  }
  for (const Switch& s : kSwitches) {
    const auto found = settings.find(s.name);
    if (found == settings.end() || found->second != s.without) continue;
    findings.push_back({Level::kAdvice, s.name, std::string(s.name) + " is " + s.without + ": " + s.effect,
                        std::string("ALTER SYSTEM SET ") + s.name + " = " + s.wanted + "; SELECT pg_reload_conf();"});
  }
}

}  // namespace pga::collect
