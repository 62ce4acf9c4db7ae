#include "collect/self_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>

#include "base/files.h"
#include "base/limits.h"
#include "collect/host_readers.h"

namespace pga::collect {

std::int64_t resident_bytes() {
  const auto statm = read_file("/proc/self/statm", 4 * kKiB);
  if (!statm) return 0;
  std::int64_t pages = 0;
  const std::size_t at = statm->find(' ') + 1;
  std::from_chars(statm->data() + at, statm->data() + statm->size(), pages);
  return pages * ::sysconf(_SC_PAGESIZE);
}

std::int64_t cpu_time_ns() {
  struct rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& t) {
    return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::int64_t>(t.tv_usec) * 1'000;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

Reading read_self(const catalog::Source& source, const SelfStats& stats, const journal::Stats& spool, std::int64_t now_us) {
  Reading reading;
  RowWriter out(source, reading.cells);
  out.row();
  out.set("rss_bytes", resident_bytes());
  out.set("cpu_ns", cpu_time_ns());
  out.set("statements", static_cast<std::int64_t>(stats.statements));
  out.set("statement_time_us", static_cast<std::int64_t>(stats.statement_time_us));
  out.set("readings", static_cast<std::int64_t>(stats.readings));
  out.set("readings_failed", static_cast<std::int64_t>(stats.readings_failed));
  out.set("frames_acknowledged", static_cast<std::int64_t>(stats.frames_acknowledged));
  out.set("bytes_sent", static_cast<std::int64_t>(stats.bytes_sent));
  out.set("push_failures", static_cast<std::int64_t>(stats.push_failures));
  out.set("frames_quarantined", static_cast<std::int64_t>(stats.frames_quarantined));
  out.set("frames_dropped", static_cast<std::int64_t>(spool.dropped_records + spool.corrupt_records));
  out.set("spool_records", static_cast<std::int64_t>(spool.records));
  out.set("spool_bytes", static_cast<std::int64_t>(spool.bytes));
  out.set("spool_oldest_us", spool.oldest_us == 0 ? 0 : now_us - spool.oldest_us);
  return reading;
}

}  // namespace pga::collect
