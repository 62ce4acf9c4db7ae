// Reads one SQL source of one database.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "collect/cells.h"
#include "net/task.h"
#include "pg/connection.h"

namespace pga::collect {

class SqlReader {
 public:
  SqlReader(const catalog::Source& source, Clock& clock) : source_(source), clock_(clock) {}

  // Never fails: what went wrong is in the reading. `new_keys` only for sources of shape texts. On the first call, and again
  // some minutes after the source was found absent, the server is asked which columns it has.
  net::Task<Reading> read(pg::Connection& connection, std::string new_keys = "");

  // Ask again which columns there are: another server, or a restarted one.
  void forget();

  // The plan in use, for reports; nothing before the first successful probe.
  [[nodiscard]] const std::optional<catalog::ReadPlan>& plan() const { return plan_; }

 private:
  net::Task<std::optional<Reading>> probe(pg::Connection& connection, Deadline deadline);
  Reading convert(std::shared_ptr<const pg::Rows> rows) const;

  const catalog::Source& source_;
  Clock& clock_;
  std::optional<catalog::ReadPlan> plan_;
  std::optional<Reading> absent_;  // what the last probe found
  SteadyTime absent_until_{};
};

// What a failed statement means for a reading.
wire::Outcome outcome_of(const pg::Failure& failure);

}  // namespace pga::collect
