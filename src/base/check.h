// PGA_CHECK states an invariant of ours: if it does not hold the process stops, in release builds too. Never on input.
#pragma once

namespace pga {
[[noreturn]] void check_failed(const char* expression, const char* file, int line);
}  // namespace pga

#define PGA_CHECK(expression) ((expression) ? void(0) : ::pga::check_failed(#expression, __FILE__, __LINE__))
