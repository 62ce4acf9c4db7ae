#include "ingest/clock_guard.h"

#include "base/log.h"

namespace pga::ingest {

using std::chrono::microseconds;

namespace {

bool is_slew(microseconds step) { return -step <= kClockSlewMax && step <= kClockSlewMax; }

std::string said(microseconds step) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(step).count();
  return "the server's clock was set " + std::to_string(seconds < 0 ? -seconds : seconds) + " s " + (seconds < 0 ? "back" : "ahead");
}

}  // namespace

microseconds ClockGuard::offset(WallTime now) const {
  return now.time_since_epoch() - std::chrono::duration_cast<microseconds>(clock_.steady_now().time_since_epoch());
}

Result<WallTime> ClockGuard::now(microseconds ahead_max) {
  const WallTime wall = clock_.now();
  if (wall < kClockEarliest) return unavailable("the server's clock says a time before 2020: set it, frames wait with the collectors");
  const std::scoped_lock lock(mutex_);
  const microseconds now = offset(wall);
  const microseconds step = now - trusted_;
  if (is_slew(step)) {
    if (doubted_since_) log_warning("ingest", "the server's clock is what it was before");
    trusted_ = now;
    doubted_since_.reset();
    return wall;
  }
  if (!doubted_since_ || !is_slew(now - doubted_)) {  // a further step begins the doubt anew
    doubted_since_ = clock_.steady_now();
    doubted_ = now;
    log_warning("ingest", said(step));
  } else if (clock_.steady_now() - *doubted_since_ >= kClockDoubtedFor) {
    log_warning("ingest", "the server's clock is taken as right as it is");
    trusted_ = now;
    doubted_since_.reset();
    return wall;
  }
  if (step.count() > 0 && step <= ahead_max) return wall;
  return unavailable(said(step) + "; frames wait with the collectors until it is set right, or for " +
                     std::to_string(kClockDoubtedFor.count()) + " minutes");
}

}  // namespace pga::ingest
