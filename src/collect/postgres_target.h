// Watches one PostgreSQL server: one connection per database, one reading in flight on each.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "catalog/catalog.h"
#include "collect/explainer.h"
#include "collect/intervals.h"
#include "collect/local_servers.h"
#include "collect/log_options.h"
#include "collect/outbox.h"
#include "collect/self_stats.h"
#include "net/loop.h"
#include "pg/connection.h"

namespace pga::collect {

struct PostgresTargetOptions {
  std::string name;
  pg::ConnectOptions connect;  // its dbname is where sources of scope instance are read
  bool all_databases = true;
  std::vector<std::string> databases;  // when not all
  bool explain = false;                // slow statements may be planned: functions of others then run with our rights
  LogOptions logs;
};

class LogTarget;

// Everything outlives the tasks that run() starts.
class PostgresTarget {
 public:
  PostgresTarget(PostgresTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals, LocalServers& local_servers,
                 net::Loop& loop, Outbox& outbox, SelfStats& stats, Clock& clock, Random& random);
  ~PostgresTarget();

  // Until the loop stops. A server that cannot be reached is tried again with pauses; meanwhile every source that is due
  // yields an unreachable batch.
  net::Task<> run();

  // The process ends: what waits goes to the outbox.
  void hand_over();

  // One pass over every source of every database; false if the server could not be reached.
  net::Task<bool> read_once();

 private:
  class Database;
  Database& add_database(const std::string& name, bool main);
  net::Task<> run_database(Database& database);
  net::Task<> follow_databases(Database& main);

  const PostgresTargetOptions options_;
  const catalog::Catalog& catalog_;
  const Intervals& intervals_;
  LocalServers& local_servers_;
  net::Loop& loop_;
  Outbox& outbox_;
  SelfStats& stats_;
  Clock& clock_;
  Random& random_;
  wire::Target target_;
  std::string main_database_;
  Explainer explainer_;
  bool watching_ = true;  // false: read_once()
  std::unique_ptr<LogTarget> logs_;
  std::vector<std::unique_ptr<Database>> databases_;
};

}  // namespace pga::collect
