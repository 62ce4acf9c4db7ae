// Which sequence numbers of which stream were accepted. A stream is (collector, epoch); its numbers start at 1.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/interval_set.h"

namespace pga::ingest {

struct StreamKey {
  std::uint32_t collector = 0;
  std::uint64_t epoch = 0;
  auto operator<=>(const StreamKey&) const = default;
};

enum class Verdict : std::uint8_t {
  kNew,        // now under way: commit() or abort() must follow
  kDuplicate,  // accepted before
  kUnderWay,   // begun and neither committed nor aborted
  kTooMany,    // the stream has too many holes, or the collector too many streams
};

// Not thread-safe: one loop owns it.
class Streams {
 public:
  Streams(std::size_t ranges_max, std::size_t streams_per_collector_max)
      : ranges_max_(ranges_max), streams_max_(streams_per_collector_max) {}

  Verdict begin(StreamKey key, std::uint64_t sequence);
  void commit(StreamKey key, std::uint64_t sequence);
  void abort(StreamKey key, std::uint64_t sequence);

  // Without begin(): from the directory, from replay, and numbers that a gap says will never come.
  void add(StreamKey key, std::uint64_t first, std::uint64_t last) { streams_[key].add(first, last); }
  [[nodiscard]] bool contains(StreamKey key, std::uint64_t sequence) const;
  [[nodiscard]] std::uint64_t contiguous(StreamKey key) const;
  [[nodiscard]] std::vector<IntervalSet::Range> ranges(StreamKey key) const;

 private:
  const std::size_t ranges_max_;
  const std::size_t streams_max_;
  std::map<StreamKey, IntervalSet> streams_;
  std::set<std::pair<StreamKey, std::uint64_t>> under_way_;  // bounded by the number of waiting frames
};

}  // namespace pga::ingest
