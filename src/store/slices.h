// Which table answers which part of a window, and how a series is cut into buckets.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "store/queries.h"
#include "store/rollup.h"
#include "store/store.h"

namespace pga::store {

// A part of a window that one table answers.
struct Slice {
  Resolution resolution = Resolution::kRaw;
  Window window;
  bool operator==(const Slice&) const = default;
};

// Watermarks as plain numbers: until when each roll-up is complete.
struct RolledUntil {
  std::int64_t five_minutes_us = 0;
  std::int64_t one_hour_us = 0;
};

inline constexpr std::chrono::hours kRawWindowMax{6};
inline constexpr std::chrono::hours kFiveMinutesWindowMax{72};

// Parts of the window in order of time, without overlap. The finest table whose window length allows it and whose retention still has the
// start: raw up to `raw_max`, five minutes up to kFiveMinutesWindowMax, else one hour; what is not rolled up yet comes from the next finer
// table. Where a roll-up answers, the bounds move outwards to whole buckets: the window that is answered is [front().from, back().to).
std::vector<Slice> plan_slices(Window window, std::int64_t now_us, const Retention& retention, RolledUntil rolled,
                               std::chrono::microseconds raw_max = kRawWindowMax);

Window covered(const std::vector<Slice>& slices);

// Buckets for `window`: at most `points` (taken as 2 to kPointsMax: a window may straddle any boundary), of a length that people know (1,
// 2, 5, 10, 15, 30 s and min, 1, 2, 3, 6, 12 h, days), at least `step_min` and the coarsest resolution of the slices; the first starts at a
// multiple of the step.
Grid plan_grid(const std::vector<Slice>& slices, std::size_t points, std::chrono::microseconds step_min);

}  // namespace pga::store
