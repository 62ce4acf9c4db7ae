// Limits of the wire, checked before anything is allocated. docs/wire.md states the same numbers.
#pragma once

#include "base/limits.h"

namespace pga::wire {

inline constexpr std::size_t kFrameBytesMax = 4 * kMiB;     // as sent; larger bodies are refused before decompression
inline constexpr std::size_t kDecodedBytesMax = 16 * kMiB;  // after decompression
inline constexpr int kZstdWindowLogMax = 23;                // 8 MiB of window at most
// Of a compressed payload: what stands in memory is bounded by what was sent.
constexpr std::size_t decoded_bytes_max(std::size_t sent_bytes) { return 4 * sent_bytes + 1 * kMiB; }
inline constexpr std::size_t kDictionaryEntriesMax = 65'536;  // strings, numbers and rows of keys together
inline constexpr std::size_t kDictionaryBytesMax = 4 * kMiB;  // their texts, eight for a number or a cell of a key; with a frame's texts
inline constexpr std::size_t kTextsMax = 65'536;              // strings of one frame only
inline constexpr std::size_t kStringBytesMax = 64 * kKiB;
inline constexpr std::size_t kTargetsMax = 256;
inline constexpr std::size_t kSchemasMax = 512;
inline constexpr std::size_t kColumnsMax = 256;
inline constexpr std::size_t kBatchesMax = 8'192;
inline constexpr std::size_t kGapsMax = 1'024;
inline constexpr std::size_t kRowsMax = 262'144;         // of one batch
inline constexpr std::size_t kCellsMax = 4'194'304;      // of one frame: 32 MiB of values when decoded
inline constexpr std::size_t kColumnCellsMin = 16;       // a column counts as at least so many cells, for what it takes itself
inline constexpr std::size_t kMissingMax = kColumnsMax;  // columns that a batch names as missing
inline constexpr std::size_t kJsonBytesMax = 16 * kMiB;  // of the JSON twin's text
inline constexpr std::size_t kJsonDepthMax = 8;

static_assert(kDictionaryBytesMax <= kDecodedBytesMax);
static_assert(kStringBytesMax <= kDictionaryBytesMax);

inline constexpr std::size_t kScratchBodyKept = 32 * kKiB;  // a frame with more behind its dictionary leaves an encoder without its buffers

}  // namespace pga::wire
