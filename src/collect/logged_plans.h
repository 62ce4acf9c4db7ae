// Plans that auto_explain wrote to the log: each plan once, and what every logged execution did.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "sql/plan.h"

namespace pga::collect {

// Of one server. What add() took waits for the next reading of its source; not for several threads.
class LoggedPlans {
 public:
  static constexpr const char* kPlansReader = "postgres.logged_plans";
  static constexpr const char* kSamplesReader = "postgres.plan_samples";

  // Both outlive this. Either may be null: then nothing waits for it.
  LoggedPlans(const catalog::Source* plans, const catalog::Source* samples);

  // A message of auto_explain, from "duration:" on, as the server wrote it: no text of it leaves but what sql::parse_plan made safe.
  // `logged_us`: wall clock of the server, 0: not known. What cannot be read is counted; the next reading says how many and why.
  void add(std::string_view database, std::int64_t logged_us, std::string_view message);

  // A plan that was logged and that there is no message of.
  void add_unreadable(std::string why);

  // What has come since the last reading of this source.
  Reading take(const catalog::Source& source, std::int64_t now_us);

  // How many rows were added since the start, and whether the first `up_to` of them were taken.
  [[nodiscard]] std::uint64_t added() const { return added_; }
  [[nodiscard]] bool are_taken(std::uint64_t up_to) const {
    return (waiting_plans_.rows == 0 || plans_taken_ >= up_to) && (waiting_samples_.rows == 0 || samples_taken_ >= up_to);
  }

  // The plans that were sent are sent again when they are logged again: another server writes this log.
  void forget() { known_.clear(); }

 private:
  void add_plan(std::string_view database, sql::Plan& plan);
  void add_sample(std::string_view database, std::int64_t logged_us, const sql::Plan& plan);

  const catalog::Source* const plans_;
  const catalog::Source* const samples_;
  Cells waiting_plans_;
  Cells waiting_samples_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> known_;  // fingerprints of statement and plan
  std::uint64_t added_ = 0;
  std::uint64_t plans_taken_ = 0;    // of added_, when the plans were taken last
  std::uint64_t samples_taken_ = 0;  // the same of samples
  std::size_t dropped_ = 0;          // samples beyond the limit of their source
  std::size_t unreadable_ = 0;
  std::string why_;  // of the first that was unreadable
};

}  // namespace pga::collect
