// Looks at a target as a collector will use it and says what is missing, with the SQL that mends it.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "collect/pgbouncer_target.h"
#include "collect/postgres_target.h"
#include "net/loop.h"

namespace pga::collect {

enum class Level { kOk, kAdvice, kMissing };

struct Finding {
  Level level = Level::kOk;
  std::string what;    // "postgres.statements", "track_io_timing"
  std::string detail;  // a sentence
  std::string mend;    // SQL to run, or what to do; empty if nothing is to be done
};

// Connects once, reads every source once, changes nothing. Never fails: an unreachable server is a finding.
net::Task<std::vector<Finding>> examine(net::Loop& loop, const PostgresTargetOptions& target, const catalog::Catalog& catalog,
                                        Clock& clock);
net::Task<std::vector<Finding>> examine(net::Loop& loop, const PgbouncerTargetOptions& target, const catalog::Catalog& catalog,
                                        Clock& clock);

// What cannot be read of this machine; nothing of it is ever needed. Reads every source of scope host once.
std::vector<Finding> examine_host(const catalog::Catalog& catalog);
// The same for the processes of a server that runs on this machine.
std::vector<Finding> examine_processes(const catalog::Catalog& catalog, const LocalServer& server);

}  // namespace pga::collect
