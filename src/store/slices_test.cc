#include "store/slices.h"

#include <doctest/doctest.h>

namespace pga::store {
namespace {

constexpr std::int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;
constexpr std::int64_t kNow = 20'000 * kDay + 10 * kHour + 7 * kMinute;  // 10:07 of a day
constexpr RolledUntil kRolled{kNow - 7 * kMinute, kNow - 67 * kMinute};  // 10:00 and 9:00

}  // namespace

TEST_CASE("a window is answered by the finest tables that its length and age allow, without overlap") {
  using enum Resolution;
  struct Case {
    const char* what;
    Window window;
    RolledUntil rolled;
    std::vector<Slice> expected;
  };
  const std::int64_t ten = kNow - 7 * kMinute;
  const Case cases[] = {
      {"an hour is raw", {kNow - kHour, kNow}, kRolled, {{kRaw, {kNow - kHour, kNow}}}},
      {"a day is five minutes and a raw tail, from a whole bucket on",
       {kNow - kDay, kNow},
       kRolled,
       {{kFiveMinutes, {kNow - kDay - 2 * kMinute, ten}}, {kRaw, {ten, kNow}}}},
      {"a week is hours, then five minutes, then raw",
       {kNow - 7 * kDay, kNow},
       kRolled,
       {{kOneHour, {ten - 7 * kDay, ten - kHour}}, {kFiveMinutes, {ten - kHour, ten}}, {kRaw, {ten, kNow}}}},
      {"nothing is rolled up yet", {kNow - 7 * kDay, kNow}, {}, {{kRaw, {kNow - 7 * kDay, kNow}}}},
      {"an hour whose raw rows are gone comes from five minutes",
       {kNow - 10 * kDay, kNow - 10 * kDay + kHour},
       kRolled,
       {{kFiveMinutes, {kNow - 10 * kDay - 2 * kMinute, kNow - 10 * kDay + kHour + 3 * kMinute}}}},
      {"an hour whose five minutes are gone comes from hours",
       {kNow - 40 * kDay, kNow - 40 * kDay + kMinute},
       kRolled,
       {{kOneHour, {ten - 40 * kDay, ten - 40 * kDay + kHour}}}},
      {"a day that ended yesterday needs no tail", {ten - 2 * kDay, ten - kDay}, kRolled, {{kFiveMinutes, {ten - 2 * kDay, ten - kDay}}}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const std::vector<Slice> got = plan_slices(c.window, kNow, Retention{}, c.rolled);
    REQUIRE(got.size() == c.expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK(got[i].resolution == c.expected[i].resolution);
      CHECK(got[i].window.from_us == c.expected[i].window.from_us);
      CHECK(got[i].window.to_us == c.expected[i].window.to_us);
    }
  }
}

TEST_CASE("buckets have lengths that people know, and are no finer than the readings and the tables") {
  using enum Resolution;
  struct Case {
    const char* what;
    Slice slice;
    std::size_t points;
    std::int64_t step_min;
    std::int64_t step;
    std::size_t expected;
  };
  const Case cases[] = {
      {"an hour in 300", {kRaw, {0, kHour}}, 300, 2 * kSecond, 15 * kSecond, 240},
      {"not finer than readings", {kRaw, {0, kHour}}, 300, 2 * kMinute, 2 * kMinute, 30},
      {"not finer than a roll-up", {kFiveMinutes, {0, kHour}}, 300, kSecond, 5 * kMinute, 12},
      {"a bucket is begun at both ends", {kRaw, {kSecond / 2, kMinute + kSecond / 2}}, 60, kSecond, 2 * kSecond, 31},
      {"a year in 100 is days", {kOneHour, {0, 365 * kDay}}, 100, kSecond, 4 * kDay, 92},
      {"one point is taken as two", {kRaw, {kDay - kHour, kDay + kHour}}, 1, kSecond, kHour, 2},
      {"an empty window has a bucket", {kRaw, {kHour, kHour}}, 10, kSecond, kSecond, 1},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const Grid grid = plan_grid({c.slice}, c.points, std::chrono::microseconds{c.step_min});
    CHECK(grid.step_us == c.step);
    CHECK(grid.points == c.expected);
    CHECK(grid.start_us % grid.step_us == 0);
    CHECK(grid.start_us <= c.slice.window.from_us);
    CHECK(grid.at(grid.points) >= c.slice.window.to_us);
  }
}

}  // namespace pga::store
