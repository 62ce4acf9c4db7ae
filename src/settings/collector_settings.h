// What a collector does as its own file says and, where that says nothing, as its server says. Nothing in here names a host, a file or
// a secret: a server can slow a collector down or quicken it, and make it talk, but not send it anywhere.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/result.h"
#include "settings/mapping.h"

namespace pga::settings {

inline constexpr std::size_t kCollectorSettingsBytesMax = 64 * kKiB;

struct CollectorSettings {
  std::optional<bool> json;  // server.format: the JSON twin instead of binary frames
  std::optional<std::chrono::microseconds> ship_interval;
  std::map<std::string, std::chrono::microseconds> intervals;  // by source
  std::optional<LogLevel> log_level;

  // These, and what `below` says where these say nothing.
  [[nodiscard]] CollectorSettings over(const CollectorSettings& below) const;
};

// The keys server.format, ship_interval, intervals and log.level of a file that may hold others.
Result<CollectorSettings> read_collector_settings(const Mapping& in);

// A text of these keys only, as a server hands it out. `name` is for messages. Empty: nothing is said. kTooLarge beyond the limit above.
Result<CollectorSettings> parse_collector_settings(std::string_view yaml, const std::string& name);

// Refuses intervals of sources that are not in `declared`.
Status check_sources(const CollectorSettings& settings, const std::vector<std::string>& declared);

}  // namespace pga::settings
