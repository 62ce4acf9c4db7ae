// Whether this server's own clock can be trusted: with a wrong one it would refuse readings for their times, and what it acknowledged
// would be lost; or it would drop what is younger than the retention.
#pragma once

#include <mutex>
#include <optional>

#include "base/clock.h"
#include "base/result.h"

namespace pga::ingest {

inline constexpr std::chrono::minutes kClockSlewMax{1};          // what is no step
inline constexpr std::chrono::hours kClockStepAheadMax{6 * 24};  // a machine may have slept, and fresh readings are not yet too old for it
inline constexpr std::chrono::minutes kClockDoubtedFor{
    10};  // then the new time is taken as right: perhaps it was the old one that was wrong
inline constexpr WallTime kClockEarliest{std::chrono::seconds{1'577'836'800}};  // 2020-01-01: there was no such server before

class ClockGuard {
 public:
  explicit ClockGuard(const Clock& clock) : clock_(clock), trusted_(offset(clock.now())) {}

  // The time to judge frames by. kUnavailable: they should wait in the collectors' spools, with the reason. From any thread.
  Result<WallTime> now() { return now(kClockStepAheadMax); }
  // The time to drop by what is old. kUnavailable after any step: one ahead that frames need not wait for, too. From any thread.
  Result<WallTime> now_for_dropping() { return now(kClockSlewMax); }

 private:
  Result<WallTime> now(std::chrono::microseconds ahead_max);
  [[nodiscard]] std::chrono::microseconds offset(WallTime now) const;  // of the wall clock from the steady one, which nobody sets

  const Clock& clock_;
  std::mutex mutex_;  // of all that follows
  std::chrono::microseconds trusted_;
  std::chrono::microseconds doubted_{};
  std::optional<SteadyTime> doubted_since_;
};

}  // namespace pga::ingest
