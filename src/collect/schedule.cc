#include "collect/schedule.h"

#include <algorithm>

#include "base/check.h"

namespace pga::collect {
namespace {

constexpr std::chrono::milliseconds kApart{20};

}  // namespace

std::size_t Schedule::add(std::chrono::microseconds interval, SteadyTime start, std::chrono::microseconds lead) {
  PGA_CHECK(interval.count() > 0);
  PGA_CHECK(lead.count() >= 0 && lead <= interval / 2);
  entries_.push_back({interval, start + kApart * entries_.size(), lead});
  return entries_.size() - 1;
}

Schedule::Due Schedule::next() const {
  PGA_CHECK(!entries_.empty());
  const auto first = std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.next < b.next; });
  return {static_cast<std::size_t>(first - entries_.begin()), first->next};
}

void Schedule::done(std::size_t entry, SteadyTime now) {
  Entry& e = entries_[entry];
  const auto behind = now - e.next;
  const auto steps = behind.count() < 0 ? 1 : behind / std::chrono::duration_cast<SteadyTime::duration>(e.interval) + 1;
  e.next += steps * std::chrono::duration_cast<SteadyTime::duration>(e.interval);
  if (e.lead.count() == 0) return;
  e.next = std::max<SteadyTime>(e.next - e.lead, now + e.interval / 2);  // not at once where the first time came late
  e.lead = {};
}

void Schedule::set_interval(std::size_t entry, std::chrono::microseconds interval, SteadyTime now) {
  PGA_CHECK(interval.count() > 0);
  Entry& e = entries_[entry];
  e.interval = interval;
  e.next = std::min(e.next, now + interval);
}

}  // namespace pga::collect
