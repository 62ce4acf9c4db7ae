// Limits of the store.
#pragma once

#include <chrono>

#include "base/limits.h"
#include "wire/limits.h"

namespace pga::store {

inline constexpr std::size_t kBlockRowsMax = 65'536;      // of one insert; a larger segment is several, each with its token
inline constexpr std::size_t kBlockBytesMax = 16 * kMiB;  // the same in bytes; the engine takes bodies of 64 MiB
inline constexpr std::size_t kBatchTextBytesMax =
    64 * kMiB;                                  // texts of one batch as they would be stored: repetition of a string multiplies it
inline constexpr std::size_t kSliceRows = 256;  // rows between two looks at kBlockBytesMax
inline constexpr std::size_t kResultRowsMax = 500'000;
inline constexpr std::size_t kPointsMax = 2'000;
inline constexpr std::size_t kErrorTextMax = 400;  // of the engine's words in our messages

// How far the clock of a reading may be from ours before we take the time of arrival instead: it bounds the partitions of one insert (100
// by default).
inline constexpr std::chrono::hours kClockBehindMax{24 * 31};
inline constexpr std::chrono::hours kClockAheadMax{24};

// A block that is cut at kBlockBytesMax overshoots by one slice of the longest strings at most, and still fits the body limit.
static_assert(kBlockBytesMax + 2 * kSliceRows * wire::kStringBytesMax <= 64 * kMiB);

}  // namespace pga::store
