#include "ingest/streams.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/check.h"
#include "base/planted.h"

namespace pga::ingest {

Verdict Streams::begin(StreamKey key, std::uint64_t sequence) {
  const auto stream = streams_.find(key);
  if (stream != streams_.end()) {
    if (stream->second.contains(sequence) && !planted("no-deduplication")) return Verdict::kDuplicate;
    const bool extends = sequence > 0 && stream->second.contains(sequence - 1);
    if (!extends && stream->second.size() >= ranges_max_) return Verdict::kTooMany;
  } else {
    const auto first = streams_.lower_bound({key.collector, 0});
    const auto last = streams_.upper_bound({key.collector, std::numeric_limits<std::uint64_t>::max()});
    if (static_cast<std::size_t>(std::distance(first, last)) >= streams_max_) return Verdict::kTooMany;
  }
  return under_way_.emplace(key, sequence).second ? Verdict::kNew : Verdict::kUnderWay;
}

void Streams::commit(StreamKey key, std::uint64_t sequence) {
  PGA_CHECK(under_way_.erase({key, sequence}) == 1);
  streams_[key].add(sequence, sequence);
}

void Streams::abort(StreamKey key, std::uint64_t sequence) { PGA_CHECK(under_way_.erase({key, sequence}) == 1); }

bool Streams::contains(StreamKey key, std::uint64_t sequence) const {
  const auto found = streams_.find(key);
  return found != streams_.end() && found->second.contains(sequence);
}

std::uint64_t Streams::contiguous(StreamKey key) const {
  const auto found = streams_.find(key);
  return found == streams_.end() ? 0 : found->second.contiguous();
}

std::vector<IntervalSet::Range> Streams::ranges(StreamKey key) const {
  const auto found = streams_.find(key);
  return found == streams_.end() ? std::vector<IntervalSet::Range>() : found->second.ranges();
}

}  // namespace pga::ingest
