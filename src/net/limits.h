// Limits of net that are not options, each with what happens when it is hit.
#pragma once

#include "base/limits.h"

namespace pga::net {

inline constexpr std::size_t kBlockBytes = 32 * kKiB;            // read buffer of a burst; the header of a message must fit
inline constexpr std::size_t kBlocksKept = 16;                   // free read buffers kept per loop; more are given back to the heap
inline constexpr std::size_t kHeaderBytesMax = 24 * kKiB;        // header of an answer, as read by the client: kCorrupt
inline constexpr std::size_t kHeaderFieldsMax = 100;             // 431 or kCorrupt
inline constexpr std::size_t kBodyReserveBytesMax = 256 * kKiB;  // a declared length is believed this far before bytes came
inline constexpr std::size_t kJoinedBodyBytesMax = 64 * kKiB;  // up to here header and body leave in one write, so that the peer wakes once
inline constexpr std::size_t kLingerBytesMax = 1 * kMiB;       // read and thrown away after a refusal, so that its answer arrives
inline constexpr int kListenBacklog = 1'024;

static_assert(kHeaderBytesMax < kBlockBytes, "a header is parsed from one block");

}  // namespace pga::net
