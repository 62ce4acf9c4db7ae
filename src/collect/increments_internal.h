// What the comparison of readings (increments.cc) and what is kept of them (increments_entries.cc) share.
#pragma once

#include <cstring>
#include <vector>

#include "collect/cells.h"

namespace pga::collect {

inline bool is_there(const CellColumn& in, std::size_t row) { return !in.values.empty() && in.present[row] != 0; }

inline bool all_set(const std::vector<std::uint8_t>& flags) {
  return flags.empty() || std::memchr(flags.data(), 0, flags.size()) == nullptr;
}

}  // namespace pga::collect
