#include "collect/host_target.h"

#include <sys/utsname.h>

#include <utility>

#include "base/files.h"
#include "base/limits.h"
#include "base/text.h"
#include "collect/schedule.h"

namespace pga::collect {
namespace {

std::string machine_id() {
  const auto id = read_file("/etc/machine-id", 4 * kKiB);
  return id ? id->substr(0, id->find('\n')) : std::string();
}

}  // namespace

HostTarget::HostTarget(HostTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals, const LocalServers& servers,
                       net::Loop& loop, Outbox& outbox, SelfStats& stats, journal::Journal& spool, Clock& clock)
    : options_(std::move(options)),
      intervals_(intervals),
      loop_(loop),
      outbox_(outbox),
      stats_(stats),
      spool_(spool),
      clock_(clock),
      readers_(options_.proc, options_.sys, servers),
      servers_(servers) {
  struct utsname kernel{};
  ::uname(&kernel);
  host_ = {"host", options_.name, machine_id(), kernel.release};
  // The spool is what makes a collector itself: a second one on the same machine has another.
  self_ = {"collector", options_.collector_name, to_hex(spool.stats().log_id), PGA_VERSION};
  for (const catalog::Source& source : catalog.sources()) {
    const bool of_machine = source.scope == catalog::Scope::kHost || source.scope == catalog::Scope::kProcesses;
    if (source.scope != catalog::Scope::kCollector && !(options_.host && of_machine)) continue;
    items_.push_back({Gatherer(source, "", outbox, stats), {}, {}});
  }
}

void HostTarget::add(Gatherer& gatherer, const wire::Target& target, std::int64_t started_us, SteadyTime started, Reading reading) {
  reading.started_us = started_us;
  reading.duration_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - started).count());
  gatherer.add(target, std::move(reading));
}

void HostTarget::read(Item& item) {
  const catalog::Source& source = item.gatherer.source();
  if (source.scope == catalog::Scope::kProcesses) return read_processes(item);
  const std::int64_t started_us = to_micros(clock_.now());
  const SteadyTime started = clock_.steady_now();
  const bool self = source.scope == catalog::Scope::kCollector;
  Reading reading = !self                                  ? readers_.read(source)
                    : source.reader == "collector.targets" ? read_targets(source, stats_)
                                                           : read_self(source, stats_, spool_.stats(), started_us);
  add(item.gatherer, self ? self_ : host_, started_us, started, std::move(reading));
}

void HostTarget::read_processes(Item& item) {
  const catalog::Source& source = item.gatherer.source();
  for (const LocalServer& server : servers_.all()) {
    Gatherer& gatherer = item.by_server.try_emplace(server.target.name, source, "", outbox_, stats_).first->second;
    // Another postmaster: none of the processes is one that was seen before.
    if (std::exchange(item.postmasters[server.target.name], server.postmaster) != server.postmaster) gatherer.forget(true);
    const std::int64_t started_us = to_micros(clock_.now());
    const SteadyTime started = clock_.steady_now();
    add(gatherer, server.target, started_us, started, readers_.read(source, server));
  }
}

void HostTarget::read_once() {
  for (Item& item : items_) read(item);
}

net::Task<> HostTarget::run() {
  Schedule schedule(options_.beat);
  std::uint64_t intervals_seen = intervals_.version();
  for (const Item& item : items_) schedule.add(intervals_.of(item.gatherer.source()), clock_.steady_now());
  while (!outbox_.closed() && !loop_.stopping() && !schedule.empty()) {
    if (intervals_seen != intervals_.version()) {
      intervals_seen = intervals_.version();
      for (std::size_t i = 0; i < items_.size(); ++i)
        schedule.set_interval(i, intervals_.of(items_[i].gatherer.source()), clock_.steady_now());
    }
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
