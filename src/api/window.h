// The window of time that a request asks about.
#pragma once

#include "api/router.h"
#include "base/clock.h"
#include "store/queries.h"

namespace pga::api {

inline constexpr std::chrono::hours kWindowDefault{1};
inline constexpr std::chrono::days kWindowMax{400};  // the longest retention by default

// from and to, the last hour by default. kInvalid: from is not before to, or the window is longer than kWindowMax.
Result<store::Window> window_of(const Call& call, WallTime now);

// compare_from and compare_to: both or none.
Result<std::optional<store::Window>> compare_window_of(const Call& call);

}  // namespace pga::api
