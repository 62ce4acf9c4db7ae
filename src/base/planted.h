// Bugs on purpose, for the test of the tests: in a build with PGA_PLANTED_BUGS the one that is named is there, and the suite must find it. In
// every other build planted() is false at compile time and nothing of it is left.
#pragma once

#include <string_view>

namespace pga {

#ifdef PGA_PLANTED_BUGS
bool planted(std::string_view bug);
void plant(std::string_view bug);  // empty: none
#else
constexpr bool planted(std::string_view) { return false; }
#endif

}  // namespace pga
