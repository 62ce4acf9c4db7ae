#include "collect/schedule.h"

#include <doctest/doctest.h>

namespace pga::collect {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("entries are due together, once an interval, and late ones are skipped") {
  const SteadyTime start{seconds{100}};
  Schedule schedule(start);
  const auto fast = schedule.add(seconds{1}, start);
  const auto slow = schedule.add(seconds{10}, start);
  CHECK(schedule.next().entry == fast);
  schedule.done(fast, start);
  CHECK(schedule.next().entry == slow);
  CHECK(schedule.next().at == start);
  schedule.done(slow, start + milliseconds{30});
  CHECK(schedule.due_at(slow) == start + seconds{10});
  CHECK(schedule.next().entry == fast);
  CHECK(schedule.next().at == start + seconds{1});
  schedule.done(fast, start + milliseconds{4500});  // it took three and a half seconds: 2, 3 and 4 are gone
  CHECK(schedule.next().at == start + seconds{5});
  schedule.done(fast, start + milliseconds{5900});  // late, but not too late for the next one
  CHECK(schedule.next().at == start + seconds{6});
}

TEST_CASE("a shorter interval takes effect within itself, a longer one after what is due") {
  const SteadyTime start{seconds{100}};
  Schedule schedule(start);
  const auto entry = schedule.add(seconds{60}, start);
  schedule.done(entry, start);
  schedule.set_interval(entry, seconds{5}, start + seconds{10});
  CHECK(schedule.next().at == start + seconds{15});
  schedule.set_interval(entry, seconds{100}, start + seconds{11});
  CHECK(schedule.next().at == start + seconds{15});
  schedule.done(entry, start + seconds{15});
  CHECK(schedule.next().at == start + seconds{115});
}

TEST_CASE("after the first time all entries keep to the beat, wherever they began") {
  const SteadyTime start{seconds{100}};
  Schedule schedule(start - seconds{997});  // ..., 93, 103, 113, ... and for the fastest each second
  const auto sample = schedule.add(seconds{1}, start + milliseconds{400});
  const auto tens = schedule.add(seconds{10}, start + milliseconds{400});
  const auto minute = schedule.add(seconds{60}, start + milliseconds{400}, seconds{25});
  const auto odd = schedule.add(seconds{15}, start + milliseconds{400});
  for (const auto entry : {sample, tens, minute, odd}) schedule.done(entry, start + milliseconds{450});
  CHECK(schedule.due_at(sample) == start + seconds{1});
  CHECK(schedule.due_at(tens) == start + seconds{13});  // 3 would be too soon
  CHECK(schedule.due_at(minute) == start + seconds{33});
  CHECK(schedule.due_at(odd) == start + seconds{13});
  schedule.done(minute, start + seconds{33});
  CHECK(schedule.due_at(minute) == start + seconds{93});  // the lead was for once
  schedule.set_interval(minute, seconds{10}, start + seconds{35});
  CHECK(schedule.due_at(minute) == start + seconds{43});
}

TEST_CASE("the second time is at least half an interval after a first one that came late") {
  const SteadyTime start{seconds{100}};
  Schedule late(start);
  const auto entry = late.add(seconds{60}, start, seconds{25});
  late.done(entry, start + seconds{50});
  CHECK(late.next().at == start + seconds{80});  // not 30, and not at once
}

}  // namespace
}  // namespace pga::collect
