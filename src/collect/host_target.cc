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

HostTarget::HostTarget(HostTargetOptions options, const catalog::Catalog& catalog, net::Loop& loop, Outbox& outbox, SelfStats& stats,
                       journal::Journal& spool, Clock& clock)
    : options_(std::move(options)), loop_(loop), outbox_(outbox), stats_(stats), spool_(spool), clock_(clock) {
  struct utsname kernel{};
  ::uname(&kernel);
  host_ = {"host", options_.name, machine_id(), kernel.release};
  // The spool is what makes a collector itself: a second one on the same machine has another.
  self_ = {"collector", options_.collector_name, to_hex(spool.stats().log_id), PGA_VERSION};
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope != catalog::Scope::kCollector && !(options_.host && source.scope == catalog::Scope::kHost)) continue;
    const auto interval = options_.intervals.find(source.name);
    items_.push_back({Gatherer(source, "", outbox, stats), interval == options_.intervals.end() ? source.interval : interval->second});
  }
}

void HostTarget::read(Item& item) {
  const catalog::Source& source = item.gatherer.source();
  const std::int64_t started_us = to_micros(clock_.now());
  const SteadyTime started = clock_.steady_now();
  const bool self = source.scope == catalog::Scope::kCollector;
  Reading reading = self ? read_self(source, stats_, spool_.stats(), started_us) : read_host(source, options_.proc);
  reading.started_us = started_us;
  reading.duration_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - started).count());
  item.gatherer.add(self ? self_ : host_, std::move(reading));
}

void HostTarget::read_once() {
  for (Item& item : items_) read(item);
}

net::Task<> HostTarget::run() {
  Schedule schedule;
  for (const Item& item : items_) schedule.add(item.interval, clock_.steady_now());
  while (!outbox_.closed() && !loop_.stopping() && !schedule.empty()) {
    const Schedule::Due due = schedule.next();
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(due.at - clock_.steady_now());
    if (pause.count() > 0) {
      const Status slept = co_await loop_.sleep(pause);
      if (!slept || outbox_.closed()) break;
    }
    read(items_[due.entry]);
    schedule.done(due.entry, clock_.steady_now());
  }
}

}  // namespace pga::collect
