// Watches one PostgreSQL server: one connection per database, one reading in flight on each.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "catalog/catalog.h"
#include "collect/connection_gate.h"
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
  std::size_t connections_max = 10;    // to all databases together; with more databases than that they take turns
  bool explain = false;                // slow statements may be planned: functions of others then run with our rights
  LogOptions logs;
  SteadyTime beat{};  // of the Schedules of its main connection and of its log
};

// Of one target, for people.
struct TargetState {
  struct Waiting {
    std::string database;
    std::string why;
  };
  struct Stretched {
    std::string database;  // empty: the main connection's
    std::string sources;
    std::chrono::microseconds interval{};
    std::chrono::microseconds usual_interval{};
    std::string why;
  };
  std::string name;
  std::size_t databases = 0;
  std::size_t connections = 0;
  std::size_t connections_max = 0;
  std::vector<Waiting> waiting;
  std::vector<Stretched> stretched;
};

inline constexpr const char* kTooManyConnections = "53300";  // SQLSTATE

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
  net::Task<> hand_over();

  // One pass over every source of every database; false if the server could not be reached.
  net::Task<bool> read_once();

  [[nodiscard]] TargetState state() const;

 private:
  class Database;
  Database& add_database(const std::string& name, bool main);
  net::Task<> run_database(Database& database);
  net::Task<> follow_databases(Database& main);
  net::Task<> ask_for_connections(Database& main);
  net::Task<bool> may_connect(Database& database, std::chrono::milliseconds& again);
  net::Task<> let_go(Database& database);

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
  ConnectionGate gate_;
  net::Event wanted_;          // somebody waits for what the main connection is to find out
  std::size_t suffering_ = 0;  // cheap readings that have become a strain
  std::string suffers_why_;
  pg::Failure main_failure_;
  bool watching_ = true;  // false: read_once()
  std::unique_ptr<LogTarget> logs_;
  std::vector<std::unique_ptr<Database>> databases_;
};

}  // namespace pga::collect
