// What the collector knows of its own cost: counted where it happens, read by the source collector.self.
#pragma once

#include <cstdint>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "journal/journal.h"

namespace pga::collect {

struct SelfStats {
  std::uint64_t statements = 0;
  std::uint64_t statement_time_us = 0;
  std::uint64_t readings = 0;
  std::uint64_t readings_failed = 0;
  // Written by the uplink:
  std::uint64_t frames_acknowledged = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t push_failures = 0;
  std::uint64_t frames_quarantined = 0;
};

std::int64_t resident_bytes();  // of this process, from /proc/self/statm
std::int64_t cpu_time_ns();     // of this process

// `now_us`: wall clock, for the age of the spool's oldest record.
Reading read_self(const catalog::Source& source, const SelfStats& stats, const journal::Stats& spool, std::int64_t now_us);

}  // namespace pga::collect
