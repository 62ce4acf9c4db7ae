#include "net/simulation.h"

#include <algorithm>

#include "net/loop_internal.h"

namespace pga::net {

bool Simulation::run_one() {
  const std::size_t first = loops_.empty() ? 0 : random_.next_u64() % loops_.size();
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    Loop::Impl& loop = loops_[(first + i) % loops_.size()]->impl();
    if (!loop.crashed && loop.context.poll_one() != 0) return true;
  }
  return false;
}

Deadline Simulation::next_deadline() const {
  Deadline next = Deadline::max();
  for (Loop* loop : loops_) {
    const auto& watches = loop->impl().watches;
    if (!loop->impl().crashed && !watches.empty()) next = std::min(next, watches.begin()->deadline());
  }
  return next;
}

void Simulation::run_until(Deadline until) {
  for (;;) {
    if (run_one()) continue;
    const Deadline next = next_deadline();
    if (next > until) break;
    // A microsecond at a time at least: a deadline between two microseconds must be passed, not approached for ever.
    const auto step = std::chrono::ceil<std::chrono::microseconds>(next - clock_.steady_now());
    clock_.advance(std::max(step, std::chrono::microseconds{0}));
    for (Loop* loop : loops_) {
      if (!loop->impl().crashed) loop->impl().fire_due();
    }
  }
  if (until > clock_.steady_now()) clock_.advance(std::chrono::floor<std::chrono::microseconds>(until - clock_.steady_now()));
}

}  // namespace pga::net
