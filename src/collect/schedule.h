// Which source is due when, for the sources that share one connection or one thread of reading.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace pga::collect {

// Every entry is due at once and then once an interval, together with the others: a process that wakes for one thing does the rest, too,
// since each waking costs more than a small reading. What could not be read in time is skipped, not made up for.
class Schedule {
 public:
  static constexpr std::chrono::seconds kBeat{10};

  // From its second time on an entry is due at `beat` or a whole number of kBeat (of its interval, if that is shorter) before or after.
  explicit Schedule(SteadyTime beat) : beat_(beat) {}
  // `lead`: by how much the second time comes earlier than an interval after the first, before it is moved to the beat; at most half of
  // the interval.
  std::size_t add(std::chrono::microseconds interval, SteadyTime start, std::chrono::microseconds lead = {});
  struct Due {
    std::size_t entry = 0;
    SteadyTime at{};
  };
  [[nodiscard]] Due next() const;  // the entry that is due first
  [[nodiscard]] SteadyTime due_at(std::size_t entry) const { return entries_[entry].next; }
  void done(std::size_t entry, SteadyTime now);
  void set_interval(std::size_t entry, std::chrono::microseconds interval, SteadyTime now);  // due after about the new one at the latest
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::chrono::microseconds interval;
    SteadyTime next;
    std::chrono::microseconds lead;
    bool on_beat = false;
  };
  [[nodiscard]] SteadyTime on_beat(SteadyTime about, const Entry& entry, SteadyTime now) const;

  SteadyTime beat_;
  std::vector<Entry> entries_;
};

}  // namespace pga::collect
