#include "ingest/streams.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace pga::ingest {
namespace {

constexpr StreamKey kStream{1, 99};
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST_CASE("ranges that touch or overlap become one") {
  struct Case {
    const char* what;
    std::vector<IntervalSet::Range> added;
    std::vector<IntervalSet::Range> expected;
  };
  const Case cases[] = {
      {"apart", {{1, 2}, {4, 5}}, {{1, 2}, {4, 5}}},
      {"touching above", {{1, 2}, {3, 5}}, {{1, 5}}},
      {"touching below", {{3, 5}, {1, 2}}, {{1, 5}}},
      {"inside", {{1, 9}, {3, 4}}, {{1, 9}}},
      {"around", {{3, 4}, {6, 7}, {1, 9}}, {{1, 9}}},
      {"bridging two", {{1, 2}, {6, 7}, {3, 5}}, {{1, 7}}},
      {"overlapping the end of one and the start of the next", {{1, 3}, {6, 8}, {2, 7}}, {{1, 8}}},
      {"at zero", {{1, 1}, {0, 0}}, {{0, 1}}},
      {"at the end of the numbers", {{kMax - 1, kMax - 1}, {kMax, kMax}}, {{kMax - 1, kMax}}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    IntervalSet set;
    for (const auto& [first, last] : c.added) set.add(first, last);
    CHECK(set.ranges() == c.expected);
  }
}

TEST_CASE("in whatever order numbers arrive, the set is what a plain set would be") {
  for (unsigned seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    IntervalSet set;
    std::set<std::uint64_t> model;
    for (int step = 0; step < 200; ++step) {
      const std::uint64_t first = random() % 300;
      const std::uint64_t last = first + (random() % 8 == 0 ? random() % 20 : 0);
      set.add(first, last);
      for (std::uint64_t n = first; n <= last; ++n) model.insert(n);
    }
    std::size_t ranges = 0;
    for (std::uint64_t n = 0; n < 330; ++n) {
      CHECK(set.contains(n) == model.contains(n));
      if (model.contains(n) && (n == 0 || !model.contains(n - 1))) ++ranges;
    }
    CHECK(set.size() == ranges);
  }
}

TEST_CASE("a shuffled stream is accepted once and ends as one range") {
  std::vector<std::uint64_t> numbers(1'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i + 1;
  std::mt19937 random(7);
  std::shuffle(numbers.begin(), numbers.end(), random);
  Streams streams(1'000, 4);
  for (const auto n : numbers) {
    REQUIRE(streams.begin(kStream, n) == Verdict::kNew);
    streams.commit(kStream, n);
  }
  for (const auto n : numbers) CHECK(streams.begin(kStream, n) == Verdict::kDuplicate);
  CHECK(streams.ranges(kStream) == std::vector<IntervalSet::Range>{{1, 1'000}});
  CHECK(streams.contiguous(kStream) == 1'000);
}

TEST_CASE("a number under way is neither new nor a duplicate, and may come again after a failure") {
  Streams streams(8, 4);
  CHECK(streams.begin(kStream, 5) == Verdict::kNew);
  CHECK(streams.begin(kStream, 5) == Verdict::kUnderWay);
  streams.abort(kStream, 5);
  CHECK(streams.begin(kStream, 5) == Verdict::kNew);
  streams.commit(kStream, 5);
  CHECK(streams.begin(kStream, 5) == Verdict::kDuplicate);
  CHECK(streams.contiguous(kStream) == 0);  // 1 to 4 are missing
}

TEST_CASE("holes and streams are bounded, and a gap closes holes") {
  Streams streams(3, 2);
  for (const std::uint64_t n : {1, 3, 5}) {
    REQUIRE(streams.begin(kStream, n) == Verdict::kNew);
    streams.commit(kStream, n);
  }
  CHECK(streams.begin(kStream, 7) == Verdict::kTooMany);
  CHECK(streams.begin(kStream, 6) == Verdict::kNew);  // makes a range longer, not more ranges
  streams.commit(kStream, 6);
  streams.add(kStream, 2, 4);
  CHECK(streams.begin(kStream, 8) == Verdict::kNew);
  streams.abort(kStream, 8);
  CHECK(streams.contiguous(kStream) == 6);

  streams.add({1, 100}, 1, 1);
  CHECK(streams.begin({1, 101}, 1) == Verdict::kTooMany);
  CHECK(streams.begin({2, 101}, 1) == Verdict::kNew);  // another collector
}

}  // namespace
}  // namespace pga::ingest
