// The small sources of one database that are due together, read in one statement: one more source costs the server no statement, no
// round trip and, since the statement is prepared, no planning.
#pragma once

#include <string>
#include <vector>

#include "collect/sql_reader.h"

namespace pga::collect {

class SqlPass {
 public:
  SqlPass(std::vector<SqlReader*> readers, Clock& clock) : readers_(std::move(readers)), alone_until_(readers_.size()), clock_(clock) {}

  // One reading per reader, in their order. If the statement fails each source is read alone, so that what is wrong with one is its own
  // reason and nobody else's; for some minutes it then stays alone. All together take no longer than the pass's budget.
  net::Task<std::vector<Reading>> read(pg::Connection& connection);

 private:
  net::Task<bool> read_together(pg::Connection& connection, Deadline deadline, std::vector<Reading>& readings, std::vector<bool>& done);

  const std::vector<SqlReader*> readers_;
  std::vector<SteadyTime> alone_until_;  // by reader
  Clock& clock_;
};

}  // namespace pga::collect
