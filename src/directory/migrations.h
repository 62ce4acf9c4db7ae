// The schema, one numbered step after the other. A step that was released never changes; a new one goes to the end.
#pragma once

#include <span>

namespace pga::directory {
std::span<const char* const> migrations();
}  // namespace pga::directory
