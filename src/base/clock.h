// Time enters through a constructor, so that a test or a simulation owns it.
#pragma once

#include <chrono>

namespace pga {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() const = 0;           // may step
  virtual SteadyTime steady_now() const = 0;  // never goes back
};

class SystemClock final : public Clock {
 public:
  WallTime now() const override { return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()); }
  SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
};

// Stands still until a test moves it.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(WallTime start = WallTime{std::chrono::seconds{1'700'000'000}}) : wall_(start) {}
  WallTime now() const override { return wall_; }
  SteadyTime steady_now() const override { return steady_; }
  void advance(std::chrono::microseconds step) {
    wall_ += step;
    steady_ += step;
  }
  void step_wall(std::chrono::microseconds step) { wall_ += step; }  // a clock step: steady time does not move

 private:
  WallTime wall_;
  SteadyTime steady_{std::chrono::hours{1}};
};

// A point in steady time until which work may go on; passing it down needs no arithmetic.
using Deadline = SteadyTime;

inline std::int64_t to_micros(WallTime t) { return t.time_since_epoch().count(); }
inline WallTime from_micros(std::int64_t us) { return WallTime{std::chrono::microseconds{us}}; }

}  // namespace pga
