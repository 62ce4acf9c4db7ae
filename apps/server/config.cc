#include "config.h"

#include <unistd.h>

#include "base/files.h"
#include "settings/mapping.h"

namespace pga::server {
namespace {

using settings::Mapping;

constexpr std::size_t kConfigBytesMax = 1 * kMiB;
constexpr std::uint64_t kEngineMemoryMin = 512 * kMiB;  // the engine's own floor

std::filesystem::path beside_this_program(const char* name) {
  std::error_code code;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", code);
  return self.parent_path() / name;
}

// "host:port" with a port of 0 to 65535.
bool is_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size() || text.size() - colon > 6) return false;
  if (text.find_first_not_of("0123456789", colon + 1) != std::string::npos) return false;
  return std::stoul(text.substr(colon + 1)) <= 65'535;
}

Status read_listen(const Mapping& listen, Config& config) {
  PGA_TRY_STATUS(listen.only({"collectors", "people", "people_tls"}));
  PGA_TRY(config.listen_collectors, listen.text("collectors", config.listen_collectors));
  PGA_TRY(config.listen_people, listen.text("people", config.listen_people));
  PGA_TRY(config.people_tls, listen.boolean("people_tls", config.people_tls));
  for (const auto& [key, address] : {std::pair{"collectors", &config.listen_collectors}, std::pair{"people", &config.listen_people}}) {
    if (!is_address(*address))
      return listen.error(key, "listen." + std::string(key) + " is \"" + *address + "\"; it must be an address and a port, 127.0.0.1:8443");
  }
  if (!config.people_tls && !is_loopback(config.listen_people)) {
    return listen.error("people_tls", "people_tls: false would send passwords in plain text from " + config.listen_people +
                                          "; it is allowed on a loopback address only");
  }
  return {};
}

Status read_engine(const Mapping& engine, Config& config) {
  PGA_TRY_STATUS(engine.only({"program", "library", "memory"}));
  PGA_TRY(const std::string program, engine.text("program", ""));
  PGA_TRY(const std::string library, engine.text("library", ""));
  config.engine_program = program.empty() ? beside_this_program("pganalytics-engine") : std::filesystem::path(program);
  config.engine_library = library;
  PGA_TRY(config.engine_memory_bytes, engine.bytes("memory", config.engine_memory_bytes));
  if (config.engine_memory_bytes < kEngineMemoryMin) return engine.error("memory", "engine.memory must be at least 512MiB");
  if (!config.embedded()) return {};
  if (library.empty()) return engine.error("library", "storage is embedded, so engine.library must name libchdb.so");
  if (!config.engine_library.is_absolute()) return engine.error("library", "engine.library must be an absolute path");
  return {};
}

Status read_retention(const Mapping& retention, store::Retention& out) {
  PGA_TRY_STATUS(retention.only({"raw", "five_minutes", "one_hour"}));
  for (const auto& [key, hours] :
       {std::pair{"raw", &out.raw}, std::pair{"five_minutes", &out.five_minutes}, std::pair{"one_hour", &out.one_hour}}) {
    PGA_TRY(const auto kept, retention.duration(key, *hours));
    *hours = std::chrono::ceil<std::chrono::hours>(kept);
    // Days are dropped whole, and the roll-ups are made from what is still there.
    if (*hours < std::chrono::days{2}) return retention.error(key, "retention." + std::string(key) + " must be at least 2d");
  }
  return {};
}

}  // namespace

bool is_loopback(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host == "[::1]" || (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

Result<Config> load_config(const std::filesystem::path& file) {
  PGA_TRY(const std::string text, read_file(file, kConfigBytesMax));
  PGA_TRY(const Mapping in, Mapping::parse(text, file.string(), "the configuration"));
  PGA_TRY_STATUS(
      in.only({"state_dir", "listen", "names", "formats", "storage", "engine", "retention", "certificate_life", "sources_dir", "log"}));
  Config config;
  config.file = file;
  PGA_TRY(const std::string state_dir, in.required_text("state_dir"));
  config.state_dir = state_dir;
  if (!config.state_dir.is_absolute()) return in.error("state_dir", "state_dir must be an absolute path");

  PGA_TRY(const Mapping listen, in.mapping("listen", "listen"));
  PGA_TRY_STATUS(read_listen(listen, config));
  PGA_TRY(const auto names, in.texts("names"));
  if (!names.empty()) config.names = names;

  PGA_TRY(config.takes_binary, in.choice<bool>("formats", {{"all", true}, {"json", false}}, "all"));

  PGA_TRY(const std::string storage, in.text("storage", "embedded"));
  if (storage != "embedded") {
    if (!storage.starts_with("http://") && !storage.starts_with("https://")) {
      return in.error("storage", "storage is \"" + storage + "\"; it must be embedded or the http:// address of a ClickHouse");
    }
    config.storage_url = storage;
  }
  PGA_TRY(const Mapping engine, in.mapping("engine", "engine"));
  PGA_TRY_STATUS(read_engine(engine, config));
  PGA_TRY(const Mapping retention, in.mapping("retention", "retention"));
  PGA_TRY_STATUS(read_retention(retention, config.retention));

  PGA_TRY(config.certificate_life, in.duration("certificate_life", config.certificate_life));
  // A certificate begins five minutes back, for clocks that are behind: less would be past its half life at once.
  if (config.certificate_life < std::chrono::minutes{6} || config.certificate_life > std::chrono::days{30})
    return in.error("certificate_life", "certificate_life must be 6m to 30d");

  PGA_TRY(const std::string sources_dir, in.text("sources_dir", ""));
  config.sources_dir = sources_dir;
  PGA_TRY(const Mapping log, in.mapping("log", "log"));
  PGA_TRY_STATUS(log.only({"level"}));
  PGA_TRY(
      config.log_level,
      log.choice<LogLevel>(
          "level", {{"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo}, {"warning", LogLevel::kWarning}, {"error", LogLevel::kError}},
          "info"));
  return config;
}

}  // namespace pga::server
