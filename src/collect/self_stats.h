// What the collector knows of its own cost: counted where it happens, read by the source collector.self.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "journal/journal.h"

namespace pga::collect {

inline constexpr std::size_t kOutcomes = 8;  // of wire::Outcome

// What one target costs and what came of it.
struct TargetStats {
  std::uint64_t statements = 0;
  std::uint64_t statement_time_us = 0;
  std::uint64_t readings = 0;
  std::array<std::uint64_t, kOutcomes> outcomes{};  // readings by wire::Outcome
  std::uint64_t rows_seen = 0;
  std::uint64_t rows_sent = 0;
  std::optional<std::int64_t> clock_ahead_us;  // of the target's clock over ours
};

struct SelfStats {
  std::uint64_t statements = 0;
  std::uint64_t statement_time_us = 0;
  std::uint64_t readings = 0;
  std::uint64_t readings_failed = 0;
  // By name and kind: as many as the configuration has, and the machine and the collector, which may have the same name.
  std::map<std::pair<std::string, std::string>, TargetStats> targets;

  // Statements sent to a target, and how long it took to answer them.
  void count_statements(const wire::Target& target, std::uint64_t count, std::uint64_t time_us) {
    statements += count;
    statement_time_us += time_us;
    TargetStats& of_target = targets[{target.name, target.kind}];
    of_target.statements += count;
    of_target.statement_time_us += time_us;
  }
  void set_clock(const wire::Target& target, std::int64_t ahead_us) { targets[{target.name, target.kind}].clock_ahead_us = ahead_us; }
  void count_reading(const wire::Target& target, const wire::Batch& batch);

  std::uint64_t rows_lost = 0;  // read, but never written to the spool
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
// collector.targets: a row for each target.
Reading read_targets(const catalog::Source& source, const SelfStats& stats);

// Unmaps code and constants of files: what is used again comes back from the page cache, what only the start needed does not.
void let_go_of_code();
// Gives free pages of the heap back to the system, also those below others that are in use: for after something large.
void let_go_of_memory();

}  // namespace pga::collect
