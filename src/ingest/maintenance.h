// What has to happen now and then: roll-ups, retention, and forgetting what the directory no longer needs.
#pragma once

#include "base/clock.h"
#include "directory/database.h"
#include "ingest/clock_guard.h"
#include "net/loop.h"
#include "store/store.h"

namespace pga::ingest {

inline constexpr std::chrono::seconds kRollupEvery{30};
inline constexpr std::chrono::minutes kRetentionEvery{10};
inline constexpr std::chrono::days kWindowsKept{60};  // far more than a row may be late (kTimePastMax)

// Runs until the loop stops. Failures are logged and tried again; nothing is done while the guard doubts the clock. All outlives it.
net::Task<> maintain(net::Loop& loop, const Clock& clock, ClockGuard& guard, directory::Database& database, store::Store& store,
                     std::uint64_t log_id);

// Calls look() now and then; until the loop stops.
net::Task<> look_at_store(net::Loop& loop, store::Store& store);

}  // namespace pga::ingest
