// Limits of ingest; their relations are checked here.
#pragma once

#include <chrono>

#include "base/limits.h"
#include "journal/journal.h"
#include "wire/limits.h"

namespace pga::ingest {

inline constexpr std::size_t kWaitingFramesMax = 4'096;  // decoded and not yet on disk; beyond, 503
inline constexpr std::size_t kWaitingBytesMax = 64 * kMiB;
inline constexpr std::size_t kGroupFramesMax = 1'024;     // one fdatasync
inline constexpr std::size_t kSegmentRowsMax = 100'000;    // sealed and flushed then, or
inline constexpr std::size_t kCellsPerRow = 25;           // a wider row counts as several
inline constexpr std::chrono::seconds kSettleEvery{10};   // the store is made durable for all that was inserted since, or
inline constexpr std::size_t kInsertedSegmentsMax = 256;  // when so many segments wait for that
inline constexpr std::chrono::seconds kSegmentAgeMax{2};  // so long after its first record
inline constexpr std::size_t kSegmentBytesMax = 16 * kMiB;
inline constexpr std::size_t kJournalBytesMax = 2 * kGiB;         // waiting for a store that is down; beyond, 503
inline constexpr std::size_t kDictionariesBytesMax = 256 * kMiB;  // of all streams; beyond, the one not used for longest is wanted again
inline constexpr std::size_t kRangesPerStreamMax = 4'096;         // holes in a stream's sequence numbers; beyond, 503
inline constexpr std::size_t kStreamsPerCollectorMax = 1'024;     // a new one with every spool; beyond, 503
inline constexpr std::uint64_t kSequenceMax = (1ULL << 63) - 1;   // the directory's integers are signed

inline constexpr std::chrono::hours kTimePastMax{7 * 24};  // of a batch, before its arrival
inline constexpr std::chrono::minutes kTimeFutureMax{5};   // after it

static_assert(wire::kFrameBytesMax + 4 * kKiB <= journal::kRecordBytesMax, "a record is a frame and a little more");
static_assert(kWaitingBytesMax >= 2 * wire::kFrameBytesMax);
static_assert(kSegmentBytesMax >= 4 * wire::kFrameBytesMax, "a segment must amortise its insert over several frames");

}  // namespace pga::ingest
