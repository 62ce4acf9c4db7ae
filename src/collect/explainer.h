// Plans of slow statements: asks the server, within a budget, how it would execute them. Nothing is ever executed.
//
// Planning runs functions (immutable ones, those of indexes and of types) that others may have written, with our rights. A superuser
// therefore never explains, everybody else only in a read-only transaction that is rolled back, and only where a person allowed it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "collect/cells.h"
#include "net/task.h"
#include "pg/connection.h"
#include "sql/explainable.h"

namespace pga::collect {

struct ExplainOptions {
  std::chrono::microseconds mean_min = std::chrono::milliseconds{20};  // statements that take less on average are not slow
  std::size_t per_reading = 3;                                         // of one database
  std::size_t per_hour = 30;                                           // of the whole server
  std::chrono::hours again{6};  // one statement is explained again after that, in case its plan changed
};

// Of one server; its databases take turns. Not for several threads.
class Explainer {
 public:
  Explainer(ExplainOptions options, Clock& clock) : options_(options), clock_(clock) {}

  static constexpr const char* kReader = "postgres.plans";        // of the source that read() fills
  static constexpr const char* kFollows = "postgres.statements";  // readings of this source go to observe()

  // Which statements are slow and were not explained lately. Takes no time worth mentioning and asks nothing.
  void observe(const catalog::Source& statements, const Reading& reading);

  // On the connection to `database`: explains what waits there. `main`: on this connection pg_stat_statements is installed, so that the
  // texts of what observe() chose are asked for first. Never fails: what went wrong is in the reading, without any text of a statement.
  net::Task<Reading> read(const catalog::Source& source, pg::Connection& connection, std::string database, bool main);

  // Another server answers, or it was restarted.
  void forget();

  // Statements sent since it was asked before.
  std::uint64_t take_statements() { return std::exchange(statements_, 0); }

 private:
  using Key = std::pair<std::string, std::int64_t>;  // database, queryid
  struct Statement {
    std::int64_t query_id = 0;
    sql::Explainable text;  // as the server has it: never leaves
    std::uint64_t fingerprint = 0;
    std::string search_path;
  };
  struct Failures {
    std::map<std::string, std::size_t> by_reason;  // SQLSTATE, or ours
    std::string first_sqlstate;
  };

  net::Task<pg::Answer<void>> fetch_texts(pg::Connection& connection, Deadline deadline);
  net::Task<pg::Answer<bool>> may_explain(pg::Connection& connection, Deadline deadline, Failures& failures);
  net::Task<pg::Answer<std::string>> explain(pg::Connection& connection, const Statement& statement, Deadline deadline);
  [[nodiscard]] std::vector<Statement> take(const std::string& database);
  [[nodiscard]] bool is_new(std::int64_t query_id, std::uint64_t fingerprint);

  const ExplainOptions options_;
  Clock& clock_;
  std::vector<Key> wanted_;                                 // slowest first, without a text yet
  std::map<std::string, std::deque<Statement>> waiting_;    // by database
  std::map<Key, SteadyTime> chosen_;                        // when; not again before options_.again
  std::deque<SteadyTime> spent_;                            // explained within the last hour
  std::set<std::pair<std::int64_t, std::uint64_t>> known_;  // plans that have been sent
  std::string extension_schema_;
  std::uint64_t statements_ = 0;
};

}  // namespace pga::collect
