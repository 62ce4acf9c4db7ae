#include "collect/self_stats.h"

#include <malloc.h>
#include <sys/mman.h>

#include <sys/resource.h>
#include <unistd.h>
#include <cstdio>
#include <fstream>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/files.h"
#include "base/limits.h"
#include "base/text.h"
#include "collect/row_writer.h"

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

namespace {

// Descriptors open in this process, this one not counted.
std::int64_t open_files() {
  std::int64_t files = -1;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end; it.increment(error)) ++files;
  return std::max<std::int64_t>(files, 0);
}

std::int64_t threads() {
  std::int64_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/task", error), end; !error && it != end; it.increment(error)) ++count;
  return count;
}

}  // namespace

void SelfStats::count_reading(const wire::Target& target, const wire::Batch& batch) {
  ++readings;
  if (batch.outcome != wire::Outcome::kComplete) ++readings_failed;
  TargetStats& of_target = targets[{target.name, target.kind}];
  ++of_target.readings;
  ++of_target.outcomes[static_cast<std::size_t>(batch.outcome)];
  of_target.rows_seen += batch.rows_seen;
  of_target.rows_sent += batch.rows;
}

Reading read_targets(const catalog::Source& source, const SelfStats& stats) {
  Reading reading;
  RowWriter out(source, reading.cells);
  for (const auto& [name, target] : stats.targets) {
    out.row();
    out.set_text("target", to_valid_utf8(name.first));
    out.set_text("kind", name.second);
    out.set("statements", static_cast<std::int64_t>(target.statements));
    out.set("statement_time_us", static_cast<std::int64_t>(target.statement_time_us));
    out.set("readings", static_cast<std::int64_t>(target.readings));
    for (std::size_t i = 0; i < kOutcomes; ++i)
      out.set(wire::to_string(static_cast<wire::Outcome>(i)), static_cast<std::int64_t>(target.outcomes[i]));
    out.set("rows_seen", static_cast<std::int64_t>(target.rows_seen));
    out.set("rows_sent", static_cast<std::int64_t>(target.rows_sent));
    if (target.clock_ahead_us) out.set("clock_ahead_us", *target.clock_ahead_us);
  }
  return reading;
}

Reading read_self(const catalog::Source& source, const SelfStats& stats, const journal::Stats& spool, std::int64_t now_us) {
  Reading reading;
  RowWriter out(source, reading.cells);
  out.row();
  out.set("rss_bytes", resident_bytes());
  struct rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  struct rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  out.set("rss_max_bytes", usage.ru_maxrss * 1024);
  out.set("cpu_ns", cpu_time_ns());
  out.set("major_faults", usage.ru_majflt);
  out.set("minor_faults", usage.ru_minflt);
  out.set("waits", usage.ru_nvcsw);
  out.set("preemptions", usage.ru_nivcsw);
  out.set("threads", threads());
  out.set("files_open", open_files());
  out.set("files_max", static_cast<std::int64_t>(files.rlim_cur));
  out.set("targets", static_cast<std::int64_t>(stats.targets.size()));
  out.set("statements", static_cast<std::int64_t>(stats.statements));
  out.set("statement_time_us", static_cast<std::int64_t>(stats.statement_time_us));
  out.set("readings", static_cast<std::int64_t>(stats.readings));
  out.set("readings_failed", static_cast<std::int64_t>(stats.readings_failed));
  out.set("frames_acknowledged", static_cast<std::int64_t>(stats.frames_acknowledged));
  out.set("bytes_sent", static_cast<std::int64_t>(stats.bytes_sent));
  out.set("push_failures", static_cast<std::int64_t>(stats.push_failures));
  out.set("frames_quarantined", static_cast<std::int64_t>(stats.frames_quarantined));
  out.set("frames_dropped", static_cast<std::int64_t>(spool.dropped_records));
  out.set("frames_corrupt", static_cast<std::int64_t>(spool.corrupt_records));
  out.set("rows_lost", static_cast<std::int64_t>(stats.rows_lost));
  out.set("spool_records", static_cast<std::int64_t>(spool.records));
  out.set("spool_bytes", static_cast<std::int64_t>(spool.bytes));
  out.set("spool_oldest_us", spool.oldest_us == 0 ? 0 : now_us - spool.oldest_us);
  return reading;
}

void let_go_of_memory() { ::malloc_trim(0); }

void let_go_of_code() {
  struct Mapping {
    std::uintptr_t begin = 0, end = 0;
    bool droppable = false;
  } mapping;
  std::ifstream smaps("/proc/self/smaps");
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t begin = 0, end = 0;
    char rights[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, rights) == 3) {
      const std::string_view may = rights;
      mapping = {begin, end, (may == "r-xp" || may == "r--p") && line.find('/') != std::string::npos};
    } else if (line.starts_with("Anonymous:")) {
      // Nothing in it was ever written (as the loader writes into tables of addresses before it protects them): the file has all of it.
      const bool written = line.find(" 0 kB") == std::string::npos;
      if (mapping.droppable && !written)  // a refusal only means that it stays
        ::madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED);
    }
  }
}

}  // namespace pga::collect
