#include "collect/schedule.h"

#include <doctest/doctest.h>

namespace pga::collect {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("entries are due in turn, once an interval, and late ones are skipped") {
  const SteadyTime start{seconds{100}};
  Schedule schedule;
  const auto fast = schedule.add(seconds{1}, start);
  const auto slow = schedule.add(seconds{10}, start);
  CHECK(schedule.next().entry == fast);
  schedule.done(fast, start);
  CHECK(schedule.next().entry == slow);
  CHECK(schedule.next().at == start + milliseconds{20});
  schedule.done(slow, start + milliseconds{30});
  CHECK(schedule.next().entry == fast);
  CHECK(schedule.next().at == start + seconds{1});
  schedule.done(fast, start + milliseconds{4500});  // it took three and a half seconds: 2, 3 and 4 are gone
  CHECK(schedule.next().at == start + seconds{5});
}

TEST_CASE("a shorter interval takes effect within itself, a longer one after what is due") {
  const SteadyTime start{seconds{100}};
  Schedule schedule;
  const auto entry = schedule.add(seconds{60}, start);
  schedule.done(entry, start);
  schedule.set_interval(entry, seconds{5}, start + seconds{10});
  CHECK(schedule.next().at == start + seconds{15});
  schedule.set_interval(entry, seconds{100}, start + seconds{11});
  CHECK(schedule.next().at == start + seconds{15});
  schedule.done(entry, start + seconds{15});
  CHECK(schedule.next().at == start + seconds{115});
}

TEST_CASE("the second time comes earlier where it is to, and only the second") {
  const SteadyTime start{seconds{100}};
  Schedule schedule;
  const auto entry = schedule.add(seconds{60}, start, seconds{25});
  CHECK(schedule.next().at == start);
  schedule.done(entry, start + milliseconds{100});
  CHECK(schedule.next().at == start + seconds{35});
  schedule.done(entry, start + seconds{35});
  CHECK(schedule.next().at == start + seconds{95});

  Schedule late;
  const auto other = late.add(seconds{60}, start, seconds{25});
  late.done(other, start + seconds{50});
  CHECK(late.next().at == start + seconds{80});  // not 35, and not at once
}

}  // namespace
}  // namespace pga::collect
