// Bounds of what is read and kept of a text.
#pragma once

#include "base/limits.h"

namespace pga::sql {
inline constexpr std::size_t kScanBytesMax = kMiB;         // of a statement that are looked at; the rest is dropped, and the text truncated
inline constexpr std::size_t kTextBytesMax = 16 * kKiB;    // of a redacted statement
inline constexpr std::size_t kTagsMax = 8;                 // of one statement
inline constexpr std::size_t kTagValueBytesMax = 100;      // decoded
inline constexpr std::size_t kCommentBytesMax = 4 * kKiB;  // searched for tags
inline constexpr std::size_t kNestingMax = 1000;           // parentheses whose lists are folded in a fingerprint
inline constexpr std::size_t kPlanBytesMax = kMiB;         // of a plan as it was printed
inline constexpr std::size_t kPlanDepthMax = 200;          // nested nodes; PostgreSQL's own planner stays far below
inline constexpr std::size_t kPlanNodesMax = 10'000;       // of one plan, all levels together
inline constexpr std::size_t kPlanConditionBytesMax = 2 * kKiB;  // of one redacted condition
inline constexpr std::size_t kPlanNameBytesMax = 128;            // of a name in a plan; PostgreSQL's have 63
inline constexpr std::size_t kPlanLineBytesMax = 64 * kKiB;  // of a line of a plan in text form, with the lines that a constant in it has
inline constexpr std::size_t kPlanTextBytesMax = 48 * kKiB;  // of a redacted plan; nodes beyond are left out
static_assert(kTextBytesMax < kScanBytesMax && kPlanTextBytesMax < kPlanBytesMax);
}  // namespace pga::sql
