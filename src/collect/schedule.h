// Which source is due when, for the sources that share one connection or one thread of reading.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace pga::collect {

// Every entry is due at once, a little apart, and then once an interval. What could not be read in time is skipped, not made up for.
class Schedule {
 public:
  // `lead`: by how much the second time comes earlier than an interval after the first; at most half of the interval.
  std::size_t add(std::chrono::microseconds interval, SteadyTime start, std::chrono::microseconds lead = {});
  struct Due {
    std::size_t entry = 0;
    SteadyTime at{};
  };
  [[nodiscard]] Due next() const;  // the entry that is due first
  [[nodiscard]] SteadyTime due_at(std::size_t entry) const { return entries_[entry].next; }
  void done(std::size_t entry, SteadyTime now);
  void set_interval(std::size_t entry, std::chrono::microseconds interval, SteadyTime now);  // due after the new one at the latest
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::chrono::microseconds interval;
    SteadyTime next;
    std::chrono::microseconds lead;
  };
  std::vector<Entry> entries_;
};

}  // namespace pga::collect
