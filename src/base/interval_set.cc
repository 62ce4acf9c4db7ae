#include "base/interval_set.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/check.h"

namespace pga {

void IntervalSet::add(std::uint64_t first, std::uint64_t last) {
  PGA_CHECK(first <= last);
  // From the range before `first` on, everything that touches [first, last] becomes one range.
  auto at = ranges_.upper_bound(first);
  if (at != ranges_.begin()) {
    const auto before = std::prev(at);
    if (before->second >= first - (first == 0 ? 0 : 1)) at = before;
  }
  const std::uint64_t beyond = last == std::numeric_limits<std::uint64_t>::max() ? last : last + 1;
  while (at != ranges_.end() && at->first <= beyond) {
    first = std::min(first, at->first);
    last = std::max(last, at->second);
    at = ranges_.erase(at);
  }
  ranges_.emplace_hint(at, first, last);
}

void IntervalSet::remove_through(std::uint64_t last) {
  while (!ranges_.empty() && ranges_.begin()->first <= last) {
    const std::uint64_t end = ranges_.begin()->second;
    ranges_.erase(ranges_.begin());
    if (end > last) ranges_.emplace(last + 1, end);
  }
}

bool IntervalSet::contains(std::uint64_t value) const {
  const auto after = ranges_.upper_bound(value);
  return after != ranges_.begin() && std::prev(after)->second >= value;
}

std::uint64_t IntervalSet::last_from(std::uint64_t value) const {
  const auto after = ranges_.upper_bound(value);
  return after != ranges_.begin() && std::prev(after)->second >= value ? std::prev(after)->second : value - 1;
}

std::vector<IntervalSet::Range> IntervalSet::missing(std::uint64_t first, std::uint64_t last) const {
  std::vector<Range> out;
  while (first <= last) {
    const std::uint64_t known = last_from(first);
    if (known + 1 > first) {
      if (known >= last) break;
      first = known + 1;
    }
    const auto next = ranges_.upper_bound(first);
    const std::uint64_t end = next == ranges_.end() ? last : std::min(last, next->first - 1);
    out.emplace_back(first, end);
    if (end == last) break;
    first = end + 1;
  }
  return out;
}

}  // namespace pga
