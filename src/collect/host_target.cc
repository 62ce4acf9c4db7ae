#include "collect/host_target.h"

#include <sys/utsname.h>

#include "base/files.h"
#include "base/limits.h"
#include "base/text.h"
#include "collect/host_readers.h"
#include "collect/schedule.h"

namespace pga::collect {
namespace {

std::string machine_id() {
  const auto id = read_file("/etc/machine-id", 4 * kKiB);
  return id ? id->substr(0, id->find('\n')) : std::string();
}

}  // namespace

HostTarget::HostTarget(HostTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals, net::Loop& loop,
                       Outbox& outbox, SelfStats& stats, journal::Journal& spool, Clock& clock)
    : options_(std::move(options)), intervals_(intervals), loop_(loop), outbox_(outbox), stats_(stats), spool_(spool), clock_(clock) {
  struct utsname kernel{};
  ::uname(&kernel);
  host_ = {"host", options_.name, machine_id(), kernel.release};
  // The spool is what makes a collector itself: a second one on the same machine has another.
  self_ = {"collector", options_.collector_name, to_hex(spool.stats().log_id), PGA_VERSION};
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope != catalog::Scope::kCollector && !(options_.host && source.scope == catalog::Scope::kHost)) continue;
    gatherers_.emplace_back(source, "", outbox, stats);
  }
}

void HostTarget::read(Gatherer& gatherer) {
  const catalog::Source& source = gatherer.source();
  const std::int64_t started_us = to_micros(clock_.now());
  const SteadyTime started = clock_.steady_now();
  const bool self = source.scope == catalog::Scope::kCollector;
  Reading reading = self ? read_self(source, stats_, spool_.stats(), started_us) : read_host(source, options_.proc);
  reading.started_us = started_us;
  reading.duration_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - started).count());
  gatherer.add(self ? self_ : host_, std::move(reading));
}

void HostTarget::read_once() {
  for (Gatherer& gatherer : gatherers_) read(gatherer);
}

net::Task<> HostTarget::run() {
  Schedule schedule;
  std::uint64_t intervals_seen = intervals_.version();
  for (const Gatherer& gatherer : gatherers_) schedule.add(intervals_.of(gatherer.source()), clock_.steady_now());
  while (!outbox_.closed() && !loop_.stopping() && !schedule.empty()) {
    if (intervals_seen != intervals_.version()) {
      intervals_seen = intervals_.version();
      for (std::size_t i = 0; i < gatherers_.size(); ++i)
        schedule.set_interval(i, intervals_.of(gatherers_[i].source()), clock_.steady_now());
    }
    const Schedule::Due due = schedule.next();
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(due.at - clock_.steady_now());
    if (pause.count() > 0) {
      const Status slept = co_await loop_.sleep(pause);
      if (!slept || outbox_.closed()) break;
    }
    read(gatherers_[due.entry]);
    schedule.done(due.entry, clock_.steady_now());
  }
}

}  // namespace pga::collect
