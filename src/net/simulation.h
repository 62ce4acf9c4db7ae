// Loops in simulated time: several "processes" on one thread, under one clock that moves only when nobody has anything to do. What runs on
// such a loop depends on nothing but the seed.
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "net/loop.h"

namespace pga::net {

// Thrown by a simulated disk in the middle of whatever the process does: the loop then counts as crashed and runs nothing any more.
struct SimulatedCrash {};

class Simulation {
 public:
  explicit Simulation(Random& random, WallTime start = WallTime{std::chrono::seconds{1'700'000'000}}) : random_(random), clock_(start) {}
  Simulation(const Simulation&) = delete;

  [[nodiscard]] FakeClock& clock() { return clock_; }
  // Until the clock is there. Which loop goes next, and how long run_blocking() takes, is random.
  void run_until(Deadline until);

  // What run_blocking() and Worker::run() wait before and after their work.
  [[nodiscard]] std::chrono::microseconds blocking_pause() { return std::chrono::microseconds(random_.next_u64() % 500); }

 private:
  friend class Loop;
  bool run_one();
  [[nodiscard]] Deadline next_deadline() const;

  Random& random_;
  FakeClock clock_;
  std::vector<Loop*> loops_;
};

}  // namespace pga::net
