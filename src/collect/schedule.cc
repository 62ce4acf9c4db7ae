#include "collect/schedule.h"

#include <algorithm>

#include "base/check.h"

namespace pga::collect {

std::size_t Schedule::add(std::chrono::microseconds interval, SteadyTime start, std::chrono::microseconds lead) {
  PGA_CHECK(interval.count() > 0);
  PGA_CHECK(lead.count() >= 0 && lead <= interval / 2);
  entries_.push_back({interval, start, lead});
  return entries_.size() - 1;
}

Schedule::Due Schedule::next() const {
  PGA_CHECK(!entries_.empty());
  const auto first = std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.next < b.next; });
  return {static_cast<std::size_t>(first - entries_.begin()), first->next};
}

// The last beat before `about`, but none that is sooner than half of an interval from now.
SteadyTime Schedule::on_beat(SteadyTime about, const Entry& entry, SteadyTime now) const {
  const SteadyTime::duration step = std::min<SteadyTime::duration>(entry.interval, kBeat);
  const auto beat_before = [&](SteadyTime time) {
    const SteadyTime::duration past = (time - beat_) % step;
    return time - past - (past.count() < 0 ? step : SteadyTime::duration{});
  };
  const SteadyTime soonest = now + entry.interval / 2;
  return std::max(beat_before(about), beat_before(soonest - SteadyTime::duration{1}) + step);
}

void Schedule::done(std::size_t entry, SteadyTime now) {
  Entry& e = entries_[entry];
  const auto behind = now - e.next;
  const auto steps = behind.count() < 0 ? 1 : behind / std::chrono::duration_cast<SteadyTime::duration>(e.interval) + 1;
  e.next += steps * std::chrono::duration_cast<SteadyTime::duration>(e.interval);
  if (e.on_beat) return;
  e.next = on_beat(e.next - e.lead, e, now);
  e.on_beat = true;
}

void Schedule::set_interval(std::size_t entry, std::chrono::microseconds interval, SteadyTime now) {
  PGA_CHECK(interval.count() > 0);
  Entry& e = entries_[entry];
  e.interval = interval;
  e.next = std::min(e.next, on_beat(now + interval, e, now));
}

}  // namespace pga::collect
