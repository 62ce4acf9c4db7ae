#include "base/interval_set.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

namespace pga {
namespace {

TEST_CASE("an interval set says what a plain set says") {
  std::mt19937 random(7);
  for (int run = 0; run < 300; ++run) {
    IntervalSet set;
    std::set<std::uint64_t> plain;
    for (int step = 0; step < 20; ++step) {
      const std::uint64_t first = random() % 60, last = first + random() % 6;
      if (random() % 6 == 0) {
        set.remove_through(first);
        plain.erase(plain.begin(), plain.upper_bound(first));
      } else {
        set.add(first, last);
        for (std::uint64_t v = first; v <= last; ++v) plain.insert(v);
      }
    }
    for (std::uint64_t v = 1; v < 70; ++v) {
      CHECK(set.contains(v) == plain.contains(v));
      std::uint64_t end = v - 1;
      while (plain.contains(end + 1) && plain.contains(v)) ++end;
      CHECK(set.last_from(v) == end);
    }
    const std::uint64_t low = random() % 40, high = low + random() % 30;
    std::set<std::uint64_t> missing;
    for (const auto& [first, last] : set.missing(low, high)) {
      for (std::uint64_t v = first; v <= last; ++v) CHECK(missing.insert(v).second);
    }
    for (std::uint64_t v = low; v <= high; ++v) CHECK(missing.contains(v) != plain.contains(v));
    const auto ranges = set.ranges();
    for (std::size_t i = 1; i < ranges.size(); ++i) CHECK(ranges[i].first > ranges[i - 1].second + 1);
  }
}

}  // namespace
}  // namespace pga
