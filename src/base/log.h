// The log of a process: one line an event on standard error, "time level [component] message". Messages follow the rules
// of error messages and carry no secret; text from outside is escaped here, so that it cannot forge a line.
#pragma once

#include <cstdint>
#include <string_view>

namespace pga {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };  // off: for tests that break things on purpose

void set_log_level(LogLevel level);
void log(LogLevel level, std::string_view component, std::string_view message);

inline void log_debug(std::string_view component, std::string_view message) { log(LogLevel::kDebug, component, message); }
inline void log_info(std::string_view component, std::string_view message) { log(LogLevel::kInfo, component, message); }
inline void log_warning(std::string_view component, std::string_view message) { log(LogLevel::kWarning, component, message); }
inline void log_error(std::string_view component, std::string_view message) { log(LogLevel::kError, component, message); }

}  // namespace pga
