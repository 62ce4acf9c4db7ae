// Watches one PgBouncer through its console: one connection, one command at a time.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "catalog/catalog.h"
#include "collect/gatherer.h"
#include "collect/intervals.h"
#include "collect/outbox.h"
#include "collect/self_stats.h"
#include "net/loop.h"
#include "pg/connection.h"

namespace pga::collect {

struct PgbouncerTargetOptions {
  std::string name;
  pg::ConnectOptions connect;  // its dbname is the console's, "pgbouncer"
  SteadyTime beat{};           // of its Schedule
};

// Everything outlives the task that run() is.
class PgbouncerTarget {
 public:
  PgbouncerTarget(PgbouncerTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals, net::Loop& loop,
                  Outbox& outbox, SelfStats& stats, Clock& clock, Random& random);

  // Until the loop stops. A pooler that cannot be reached is tried again with pauses; meanwhile every source that is due yields an
  // unreachable batch.
  net::Task<> run();

  // One pass over every source; false if the pooler could not be reached.
  net::Task<bool> read_once();

 private:
  struct Item {
    Gatherer gatherer;
    SteadyTime unreachable_at{};
  };
  net::Task<pg::Answer<void>> connect();
  net::Task<> read(Item& item);
  void unreachable(Item& item, const std::string& why);

  const PgbouncerTargetOptions options_;
  const Intervals& intervals_;
  net::Loop& loop_;
  Outbox& outbox_;
  SelfStats& stats_;
  Clock& clock_;
  Random& random_;
  wire::Target target_;
  std::vector<Item> items_;
  std::unique_ptr<pg::Connection> connection_;
};

// What the console answers to SHOW VERSION: "1.18.0". Fails if it is not that of a PgBouncer.
net::Task<pg::Answer<std::string>> pgbouncer_version(pg::Connection& connection, Deadline deadline);

}  // namespace pga::collect
