// A set of integers as disjoint closed ranges, none touching the next.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace pga {

class IntervalSet {
 public:
  using Range = std::pair<std::uint64_t, std::uint64_t>;

  void add(std::uint64_t first, std::uint64_t last);
  void remove_through(std::uint64_t last);  // everything up to and including it
  [[nodiscard]] bool contains(std::uint64_t value) const;
  [[nodiscard]] std::size_t size() const { return ranges_.size(); }  // ranges
  [[nodiscard]] std::vector<Range> ranges() const { return {ranges_.begin(), ranges_.end()}; }
  // What of the range is not in the set, ascending.
  [[nodiscard]] std::vector<Range> missing(std::uint64_t first, std::uint64_t last) const;
  // The end of the range that holds `value`, or `value` - 1 if none does.
  [[nodiscard]] std::uint64_t last_from(std::uint64_t value) const;
  // The last number of the first range if that starts at 1 or below, else 0: everything up to it is there.
  [[nodiscard]] std::uint64_t contiguous() const { return !ranges_.empty() && ranges_.begin()->first <= 1 ? ranges_.begin()->second : 0; }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // first -> last
};

}  // namespace pga
