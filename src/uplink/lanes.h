// Which frame of the spool goes next: the newest first, and what piled up behind them, oldest first, at a bounded share of the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"

namespace pga::uplink {

class Lanes {
 public:
  // More fresh frames than this waiting: there was an outage, or the server is slow. All but the newest become backlog.
  static constexpr std::uint64_t kFreshMax = 2;

  explicit Lanes(journal::Journal& spool) : spool_(spool) {}

  struct Pick {
    std::optional<journal::Record> record;
    bool backlog = false;                   // of `record`
    Deadline wait_until = Deadline::max();  // without a record: when there may be one of the backlog again
  };
  Result<Pick> next(SteadyTime now);

  // A frame of the backlog took so long, from `now` - `took` to `now`; the next one waits as long, so that the backlog takes half of the
  // time at most.
  void backlog_sent(SteadyTime now, SteadyTime::duration took) { backlog_from_ = now + took; }
  void hurry() { hurrying_ = true; }  // the process ends: no pauses

  [[nodiscard]] bool catching_up() const { return spool_.acknowledged_index() < boundary_; }

 private:
  Result<std::optional<journal::Record>> fresh();

  journal::Journal& spool_;
  std::uint64_t boundary_ = 0;  // records up to it are backlog
  SteadyTime backlog_from_{};
  bool hurrying_ = false;
};

}  // namespace pga::uplink
