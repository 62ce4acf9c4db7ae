// The heap of this process, counted between a mark and the question: it costs time, so not while anything is timed.
#pragma once

#include <cstddef>

namespace pga::bench {
void heap_mark();
std::size_t heap_peak();  // the most bytes above the mark; ends the count
}  // namespace pga::bench
