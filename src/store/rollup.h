// Roll-ups: closed windows of raw rows, aggregated once by INSERT SELECT. A statement is named by its step and carries a token made
// of it, so that repeating a step after a crash stores nothing twice.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/result.h"

namespace pga::store {

// Written to the ledger; the values never change.
enum class Resolution : std::uint8_t { kRaw = 0, kFiveMinutes = 1, kOneHour = 2 };

constexpr std::chrono::microseconds width(Resolution resolution) {
  switch (resolution) {
    case Resolution::kRaw:
      break;
    case Resolution::kFiveMinutes:
      return std::chrono::minutes{5};
    case Resolution::kOneHour:
      return std::chrono::hours{1};
  }
  return {};
}

// Rolls up what lies in [window_us, window_us + width) and came in segments (after_segment, through_segment]. The first step of a window
// has after_segment 0; rows that come later make another step, whose rows stand beside the first one's. Reads always sum.
struct RollupStep {
  Resolution resolution = Resolution::kFiveMinutes;
  std::int64_t window_us = 0;
  std::uint64_t after_segment = 0;
  std::uint64_t through_segment = 0;
  bool operator==(const RollupStep&) const = default;
};

// Remembers durably which windows hold rows of which segments, and what was rolled up. One ledger belongs to one log. Calls may block and
// come from worker threads, one at a time. Whoever commits a segment writes InsertSummary::windows_us with it, and commits segments in
// order: `through` of a window is the newest committed segment that touches it.
class RollupLedger {
 public:
  virtual ~RollupLedger() = default;
  // Steps that were intended and not finished, in the order in which they were intended.
  virtual Result<std::vector<RollupStep>> unfinished() = 0;
  // Windows of `resolution` that end at or before `ended_before_us` and are touched by a segment beyond what was rolled up, oldest first.
  virtual Result<std::vector<RollupStep>> due(Resolution resolution, std::int64_t ended_before_us, std::size_t limit) = 0;
  // Durable before it returns: afterwards `unfinished` has the step until it is finished.
  virtual Status intend(const std::vector<RollupStep>& steps) = 0;
  // The window is rolled up through step.through_segment.
  virtual Status finish(const RollupStep& step) = 0;
};

struct RollupSummary {
  std::size_t steps = 0;  // windows rolled up
  bool more = false;      // the pass hit its limit; call again
};

}  // namespace pga::store
