// The log of a process: one line an event on standard error, "time level [component] message". Messages follow the rules
// of error messages and carry no secret; what would forge or hide a line is escaped here, and what looks like a password in the wrong place
// is hidden. Text from outside in the middle of a message is in_quotes() (text.h), or its quotes would end ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pga {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };  // off: for tests that break things on purpose

void set_log_level(LogLevel level);
void log(LogLevel level, std::string_view component, std::string_view message);
std::string log_line(std::string_view component, std::string_view message);  // what stands behind time and level

inline void log_debug(std::string_view component, std::string_view message) { log(LogLevel::kDebug, component, message); }
inline void log_info(std::string_view component, std::string_view message) { log(LogLevel::kInfo, component, message); }
inline void log_warning(std::string_view component, std::string_view message) { log(LogLevel::kWarning, component, message); }
inline void log_error(std::string_view component, std::string_view message) { log(LogLevel::kError, component, message); }

}  // namespace pga
