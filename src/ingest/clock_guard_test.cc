#include "ingest/clock_guard.h"

#include <doctest/doctest.h>

#include "base/log.h"

namespace pga::ingest {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  Fixture() { set_log_level(LogLevel::kOff); }
  ~Fixture() { set_log_level(LogLevel::kInfo); }
  FakeClock clock{kClockEarliest + 24h * 300};
  ClockGuard guard{clock};
};

TEST_CASE_FIXTURE(Fixture, "a clock that runs, is slewed, or wakes up after a night is trusted") {
  for (const std::chrono::microseconds step :
       {0us, std::chrono::microseconds(50s), -std::chrono::microseconds(50s), std::chrono::microseconds(12h)}) {
    clock.advance(1min);
    clock.step_wall(step);
    CHECK(guard.now());
  }
}

TEST_CASE_FIXTURE(Fixture, "a step ahead that is taken back costs nothing") {
  clock.step_wall(1h);
  CHECK(guard.now());
  clock.advance(5min);
  clock.step_wall(-1h);
  CHECK(guard.now());
}

TEST_CASE_FIXTURE(Fixture, "after any step nothing is dropped for its age, until it is undone or ten minutes old") {
  clock.step_wall(1h);
  CHECK(guard.now());
  CHECK_FALSE(guard.now_for_dropping());
  clock.step_wall(-1h);
  CHECK(guard.now_for_dropping());
  clock.step_wall(1h);
  CHECK_FALSE(guard.now_for_dropping());
  clock.advance(10min);
  CHECK(guard.now_for_dropping());
}

TEST_CASE_FIXTURE(Fixture, "a step back, or far ahead, makes frames wait until it is undone") {
  for (const std::chrono::microseconds step :
       {-std::chrono::microseconds(1h), std::chrono::microseconds(24h * 10), std::chrono::microseconds(24h * 365 * 12)}) {
    CAPTURE(step.count());
    clock.step_wall(step);
    const auto doubted = guard.now();
    REQUIRE_FALSE(doubted);
    CHECK(doubted.error().code == ErrorCode::kUnavailable);
    clock.advance(9min);
    CHECK_FALSE(guard.now());
    clock.step_wall(-step);
    CHECK(guard.now());
  }
}

TEST_CASE_FIXTURE(Fixture, "after ten minutes the new time is the right one, and a further step begins anew") {
  clock.step_wall(-1h);
  CHECK_FALSE(guard.now());
  clock.advance(6min);
  clock.step_wall(-1h);
  CHECK_FALSE(guard.now());
  clock.advance(6min);
  CHECK_FALSE(guard.now());
  clock.advance(4min);
  CHECK(guard.now());
  CHECK(guard.now());
}

TEST_CASE_FIXTURE(Fixture, "a time before there was such a server is never right") {
  clock.step_wall(WallTime{} - clock.now());
  CHECK_FALSE(guard.now());
  clock.advance(1h);
  CHECK(guard.now().error().message.find("before 2020") != std::string::npos);
}

}  // namespace
}  // namespace pga::ingest
