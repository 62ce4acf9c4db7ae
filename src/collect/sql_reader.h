// Reads one SQL source of one database.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "collect/cells.h"
#include "collect/server_facts.h"
#include "net/task.h"
#include "pg/connection.h"

namespace pga::collect {

class SqlReader {
 public:
  // `facts` of the server and database of every connection given below; all outlive this.
  SqlReader(const catalog::Source& source, ServerFacts& facts, Clock& clock) : source_(source), facts_(facts), clock_(clock) {}

  // Never fails: what went wrong is in the reading. `new_keys` only for sources of shape texts. `marks`: those of all rows that are
  // known, so that rows that have one of them need not be read again; empty: all are read.
  net::Task<Reading> read(pg::Connection& connection, std::string new_keys = "", std::vector<std::int64_t> marks = {});

  // The first half of read(): afterwards there is a plan(), or the failed reading says why not. Asks the server which columns it has
  // when that is not known, and now and then after the source was found absent.
  net::Task<std::optional<Reading>> prepare(pg::Connection& connection, Deadline deadline);
  // The second half: those `rows` whose numbers are in `chosen`, the plan's columns from `first` on.
  [[nodiscard]] Reading convert(std::shared_ptr<const pg::Rows> rows, std::span<const std::uint32_t> chosen, std::size_t first) const;

  // Ask again which columns there are: another server, or a restarted one.
  void forget();

  // The plan in use, for reports; nothing before the first successful probe.
  [[nodiscard]] const std::optional<catalog::ReadPlan>& plan() const { return plan_; }
  [[nodiscard]] const catalog::Source& source() const { return source_; }

 private:
  [[nodiscard]] std::optional<Reading> convert_moved(pg::Rows rows, std::size_t known) const;
  net::Task<std::optional<Reading>> probe(pg::Connection& connection, Deadline deadline);
  void ask_again();
  bool set_aside(const Reading& failure);

  const catalog::Source& source_;
  ServerFacts& facts_;
  Clock& clock_;
  std::optional<catalog::ReadPlan> plan_;
  std::uint64_t plan_facts_ = 0;  // version of the facts that it was made with
  std::size_t alternative_ = 0;   // of the plan
  // Alternatives that could be asked which columns they have, and whose reading was refused: a function may be seen and not run.
  std::map<std::size_t, Reading> refused_;
  SteadyTime refused_until_{};
  std::uint64_t refused_facts_ = 0;
  std::optional<Reading> absent_;  // what the last probe found
  SteadyTime absent_until_{};
  std::uint64_t absent_facts_ = 0;  // version of the facts that it was found with
};

// What a failed statement means for a reading.
wire::Outcome outcome_of(const pg::Failure& failure);
Reading failed_reading(const pg::Failure& failure);

}  // namespace pga::collect
