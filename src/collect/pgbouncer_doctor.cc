#include "collect/doctor.h"
#include "collect/show_reader.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kTimeout{10};
constexpr const char* kRights =
    "add the user to auth_file and to stats_users of pgbouncer.ini, then send RELOAD to the console; it needs no admin_users";

std::string mend_connection(const pg::Failure& failure) {
  const auto says = [&](const char* text) { return failure.message.find(text) != std::string::npos; };
  if (says("not allowed")) return kRights;
  if (says("password") || says("no such user") || says("SASL"))
    return std::string("check user and password_file of the target; ") + kRights;
  if (says("no console")) return "this kind of target is for PgBouncer; for PostgreSQL itself leave kind out";
  return "check host and port of the target, that the pooler runs, and that a firewall lets the connection pass";
}

Finding of_reading(const catalog::Source& source, const Reading& reading) {
  Finding finding{Level::kOk, source.name, "", ""};
  if (reading.has_rows()) {
    finding.detail = std::to_string(reading.cells.rows) + (reading.cells.rows == 1 ? " row in " : " rows in ") +
                     std::to_string(reading.duration_us / 1000) + "." + std::to_string(reading.duration_us % 1000 / 100) + " ms";
    if (!reading.missing.empty()) finding.detail += "; this version has no";
    for (const std::string& column : reading.missing) finding.detail += " " + column;
    if (reading.outcome == wire::Outcome::kLimit) finding.level = Level::kAdvice;
    return finding;
  }
  // A command that this version does not have is not a fault of the operator's.
  finding.level = reading.outcome == wire::Outcome::kAbsent ? Level::kAdvice : Level::kMissing;
  finding.detail = std::string(wire::to_string(reading.outcome)) + ": " + reading.detail;
  if (reading.outcome == wire::Outcome::kPrivilege) finding.mend = kRights;
  return finding;
}

}  // namespace

net::Task<std::vector<Finding>> examine(net::Loop& loop, const PgbouncerTargetOptions& target, const catalog::Catalog& catalog,
                                        Clock& clock) {
  std::vector<Finding> findings;
  pg::ConnectOptions options = target.connect;
  auto connected = co_await pg::Connection::connect_console(loop, std::move(options), clock.steady_now() + kTimeout);
  if (!connected) {
    findings.push_back({Level::kMissing, "connection", connected.error().message, mend_connection(connected.error())});
    co_return findings;
  }
  pg::Connection& connection = **connected;
  auto version = co_await pgbouncer_version(connection, clock.steady_now() + kTimeout);
  if (!version) {
    findings.push_back({Level::kMissing, "connection", version.error().message, mend_connection(version.error())});
    co_return findings;
  }
  findings.push_back({Level::kOk, "connection", "PgBouncer " + *version, ""});
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope != catalog::Scope::kPooler) continue;
    if (!connection.alive()) {
      findings.push_back({Level::kMissing, source.name, "not tried: the connection was lost", ""});
      continue;
    }
    const Reading reading = co_await read_show(source, connection, clock);
    findings.push_back(of_reading(source, reading));
  }
  co_return findings;
}

}  // namespace pga::collect
