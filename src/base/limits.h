// Byte units for limits; each library states its own limits in its own limits.h.
#pragma once

#include <cstddef>

namespace pga {
inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::size_t kGiB = 1024 * kMiB;
}  // namespace pga
