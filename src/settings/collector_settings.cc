#include "settings/collector_settings.h"

#include <algorithm>

#include "base/text.h"

namespace pga::settings {

CollectorSettings CollectorSettings::over(const CollectorSettings& below) const {
  CollectorSettings both = *this;
  if (!both.json) both.json = below.json;
  if (!both.ship_interval) both.ship_interval = below.ship_interval;
  if (!both.log_level) both.log_level = below.log_level;
  both.intervals.insert(below.intervals.begin(), below.intervals.end());
  return both;
}

Result<CollectorSettings> read_collector_settings(const Mapping& in) {
  CollectorSettings out;
  PGA_TRY(const Mapping server, in.mapping("server", "server"));
  if (server.has("format")) {
    PGA_TRY(out.json, server.choice<bool>("format", {{"binary", false}, {"json", true}}, "binary"));
  }
  if (in.has("ship_interval")) {
    PGA_TRY(out.ship_interval, in.required_duration("ship_interval"));
    if (*out.ship_interval < std::chrono::seconds{1} || *out.ship_interval > std::chrono::minutes{10})
      return in.error("ship_interval", "ship_interval must be 1s to 10m");
  }
  PGA_TRY(const Mapping intervals, in.mapping("intervals", "intervals"));
  for (const std::string& source : intervals.keys()) {
    PGA_TRY(const auto interval, intervals.required_duration(source));
    if (interval < std::chrono::milliseconds{100}) return intervals.error(source, "the interval of " + source + " must be at least 100ms");
    out.intervals[source] = interval;
  }
  PGA_TRY(const Mapping log, in.mapping("log", "log"));
  if (log.has("level")) {
    PGA_TRY(
        out.log_level,
        log.choice<LogLevel>(
            "level", {{"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo}, {"warning", LogLevel::kWarning}, {"error", LogLevel::kError}},
            "info"));
  }
  return out;
}

Result<CollectorSettings> parse_collector_settings(std::string_view yaml, const std::string& name) {
  if (yaml.size() > kCollectorSettingsBytesMax)
    return too_large(name + " of " + std::to_string(yaml.size()) + " bytes exceeds the limit of " +
                     std::to_string(kCollectorSettingsBytesMax));
  if (yaml.find_first_not_of(" \t\r\n") == std::string_view::npos) return CollectorSettings();
  PGA_TRY(const Mapping in, Mapping::parse(yaml, name, "the configuration"));
  PGA_TRY_STATUS(in.only({"server", "ship_interval", "intervals", "log"}));
  PGA_TRY(const Mapping server, in.mapping("server", "server"));
  PGA_TRY_STATUS(server.only({"format"}));
  PGA_TRY(const Mapping log, in.mapping("log", "log"));
  PGA_TRY_STATUS(log.only({"level"}));
  return read_collector_settings(in);
}

Status check_sources(const CollectorSettings& settings, const std::vector<std::string>& declared) {
  for (const auto& [name, interval] : settings.intervals) {
    if (std::find(declared.begin(), declared.end(), name) != declared.end()) continue;
    const auto near = nearest(name, declared);
    return invalid("intervals: source \"" + name + "\" is not declared" + (near ? "; did you mean \"" + *near + "\"?" : ""));
  }
  return {};
}

}  // namespace pga::settings
