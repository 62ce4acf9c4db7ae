// What one event may cost, whatever stands in the log. What is beyond is counted, not kept.
#pragma once

#include <cstddef>

#include "base/limits.h"

namespace pga::logs {

inline constexpr std::size_t kTextBytesMax = 32 * kKiB;   // kept of a message, detail, context, statement or hint
inline constexpr std::size_t kNameBytesMax = 256;         // kept of every other field: names are at most 63 bytes, some are wider in UTF-8
inline constexpr std::size_t kPrefixBytesMax = 1 * kKiB;  // of a line of stderr in which its prefix must end
inline constexpr std::size_t kPrefixTokensMax = 64;       // of a log_line_prefix
inline constexpr std::size_t kPrefixStepsMax = 20'000;    // tries for one line; names with blanks and colons make a prefix ambiguous
inline constexpr std::size_t kContextLinesMax = 20;       // kept of the stack of one event
inline constexpr std::size_t kRedactedBytesMax = 4 * kKiB;   // of a message, detail or context that leaves
inline constexpr std::size_t kStatementBytesMax = 8 * kKiB;  // of a statement that leaves
inline constexpr std::size_t kReadBytesAtOnce = 64 * kKiB;   // one read() of a file
inline constexpr std::size_t kHeadBytes = 256;               // of a file, which with its inode say that it is still the same
static_assert(kTextBytesMax >= 2 * kStatementBytesMax, "a statement is cut after its literals were found, not before");

}  // namespace pga::logs
