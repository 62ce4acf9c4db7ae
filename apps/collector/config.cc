#include "config.h"

#include <sys/stat.h>

#include <cctype>
#include <set>

#include "base/files.h"
#include "base/text.h"
#include "settings/mapping.h"

namespace pga::collector {
namespace {

using settings::Mapping;

constexpr std::size_t kConfigBytesMax = 1 * kMiB;
constexpr std::size_t kTargetsMax = 64;
constexpr std::size_t kServerUrlsMax = 16;

// One line of a file that nobody else may read.
Result<Secret<std::string>> read_secret(const std::filesystem::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    return invalid(path.string() + " can be read by others than its owner: chmod 600 " + path.string());
  }
  PGA_TRY(std::string text, read_file(path, 64 * kKiB));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) return invalid(path.string() + " is empty");
  return Secret<std::string>(std::move(text));
}

// libpq would take it for a name and repeat it, password and all.
bool is_connection_string(std::string_view value) {
  return value.starts_with("postgres://") || value.starts_with("postgresql://") || value.find("password=") != std::string_view::npos;
}

// A name for a file that no other target has, whatever stands in `name`.
std::string file_name_of(std::string_view name) {
  std::string out;
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    if (out.size() < 40) out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return out + "-" + to_hex(hash);
}

Result<collect::LogOptions> parse_logs(const Mapping& in) {
  PGA_TRY_STATUS(in.only({"from", "directory", "pattern", "format", "prefix"}));
  using collect::LogFormat;
  using collect::LogsFrom;
  collect::LogOptions logs;
  PGA_TRY(logs.from,
          in.choice<LogsFrom>(
              "from", {{"auto", LogsFrom::kAuto}, {"files", LogsFrom::kFiles}, {"server", LogsFrom::kServer}, {"none", LogsFrom::kNone}},
              "auto"));
  PGA_TRY(const std::string directory, in.text("directory", ""));
  logs.directory = directory;
  if (!directory.empty() && !logs.directory.is_absolute()) return in.error("directory", "logs.directory must be an absolute path");
  if (!directory.empty() && logs.from == LogsFrom::kServer)
    return in.error("directory", "logs.directory is a directory of this machine; with from: server the server says where its log is");
  PGA_TRY(logs.pattern, in.text("pattern", ""));
  if (!logs.pattern.empty() && directory.empty()) return in.error("pattern", "logs.pattern needs logs.directory");
  if (logs.pattern.find('/') != std::string::npos) return in.error("pattern", "logs.pattern is of names in the directory and has no slash");
  PGA_TRY(logs.format,
          in.choice<LogFormat>(
              "format",
              {{"auto", LogFormat::kUnknown}, {"csvlog", LogFormat::kCsv}, {"jsonlog", LogFormat::kJson}, {"stderr", LogFormat::kStderr}},
              "auto"));
  PGA_TRY(logs.prefix, in.text("prefix", ""));
  return logs;
}

Result<std::string> parse_name(const Mapping& in) {
  PGA_TRY(std::string name, in.required_text("name"));
  if (name.empty() || name.size() > 200) return in.error("name", "a target's name is 1 to 200 bytes");
  return name;
}

Result<pg::ConnectOptions> parse_connection(const Mapping& in) {
  pg::ConnectOptions connect;
  for (const char* key : {"host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "service"}) {
    PGA_TRY(const std::string value, in.text(key, ""));
    if (is_connection_string(value)) {
      return in.error(
          key, "key \"" + std::string(key) +
                   "\" of a target is a connection string: its parts go into host, port, user and dbname, its password into the file "
                   "that password_file names");
    }
    if (!value.empty()) connect.parameters[key] = value;
  }
  // Our sessions are read-only by their own choice, so that libpq would find no server for "read-write" and take any for "read-only".
  if (in.has("target_session_attrs")) {
    PGA_TRY(connect.parameters["target_session_attrs"],
            in.choice<std::string>("target_session_attrs",
                                   {{"any", "any"}, {"primary", "primary"}, {"standby", "standby"}, {"prefer-standby", "prefer-standby"}},
                                   "any"));
  }
  if (in.has("password_file")) {
    PGA_TRY(const std::string path, in.text("password_file", ""));
    auto secret = read_secret(path);
    if (!secret) return in.error("password_file", secret.error().message);
    connect.password = std::move(*secret);
  }
  return connect;
}

Result<collect::PostgresTargetOptions> parse_postgres(const Mapping& in) {
  PGA_TRY_STATUS(in.only({"name", "kind", "host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "service",
                          "target_session_attrs", "password_file", "databases", "connections_max", "explain", "logs"}));
  collect::PostgresTargetOptions target;
  PGA_TRY(target.name, parse_name(in));
  PGA_TRY(target.connect, parse_connection(in));
  PGA_TRY(target.databases, in.texts("databases"));
  target.all_databases = target.databases.empty() || target.databases == std::vector<std::string>{"all"};
  if (target.all_databases) target.databases.clear();
  PGA_TRY(target.connections_max, in.number("connections_max", target.connections_max, 2, 100));
  PGA_TRY(target.explain, in.boolean("explain", false));
  PGA_TRY(const Mapping logs, in.mapping("logs", "logs of a target"));
  PGA_TRY(target.logs, parse_logs(logs));
  return target;
}

Result<collect::PgbouncerTargetOptions> parse_pgbouncer(const Mapping& in) {
  PGA_TRY_STATUS(in.only({"name", "kind", "host", "port", "user", "sslmode", "sslrootcert", "sslcert", "sslkey", "password_file"}));
  collect::PgbouncerTargetOptions target;
  PGA_TRY(target.name, parse_name(in));
  PGA_TRY(target.connect, parse_connection(in));
  target.connect.parameters["dbname"] = "pgbouncer";
  target.connect.parameters.try_emplace("port", "6432");
  return target;
}

}  // namespace

Result<Config> load_config(const std::filesystem::path& file) {
  PGA_TRY(const std::string text, read_file(file, kConfigBytesMax));
  PGA_TRY(const Mapping in, Mapping::parse(text, file.string(), "the configuration"));
  PGA_TRY_STATUS(in.only({"server", "name", "state_dir", "spool", "ship_interval", "host", "intervals", "sources_dir", "targets", "log"}));
  Config config;
  config.file = file;

  PGA_TRY(const Mapping server, in.mapping("server", "server"));
  PGA_TRY_STATUS(server.only({"url", "token_file", "format"}));
  PGA_TRY(config.server_urls, server.texts("url"));
  for (const std::string& url : config.server_urls) {
    if (!url.starts_with("https://")) return server.error("url", "server.url must begin with https://");
    if (url.find('@') != std::string::npos) return server.error("url", "server.url has no user name or password");
  }
  if (config.server_urls.size() > kServerUrlsMax)
    return server.error("url",
                        std::to_string(config.server_urls.size()) + " addresses exceed the limit of " + std::to_string(kServerUrlsMax));
  PGA_TRY(const std::string token_file, server.text("token_file", ""));
  config.token_file = token_file;

  PGA_TRY(config.name, in.text("name", ""));
  if (config.name.size() > 200) return in.error("name", "the collector's name is at most 200 bytes");
  PGA_TRY(const std::string state_dir, in.required_text("state_dir"));
  config.state_dir = state_dir;
  if (!config.state_dir.is_absolute()) return in.error("state_dir", "state_dir must be an absolute path");
  PGA_TRY(const Mapping spool, in.mapping("spool", "spool"));
  PGA_TRY_STATUS(spool.only({"size"}));
  PGA_TRY(config.spool_bytes_max, spool.bytes("size", config.spool_bytes_max));
  if (config.spool_bytes_max < 16 * kMiB) return spool.error("size", "spool.size must be at least 16MiB");
  PGA_TRY(config.host, in.boolean("host", true));
  PGA_TRY(const std::string sources_dir, in.text("sources_dir", ""));
  config.sources_dir = sources_dir;

  PGA_TRY(const auto targets, in.mappings("targets", "a target"));
  if (targets.size() > kTargetsMax)
    return in.error("targets", std::to_string(targets.size()) + " targets exceed the limit of " + std::to_string(kTargetsMax));
  std::set<std::string> names;
  for (const Mapping& mapping : targets) {
    PGA_TRY(const bool pooler, mapping.choice<bool>("kind", {{"postgres", false}, {"pgbouncer", true}}, "postgres"));
    std::string name;
    if (pooler) {
      PGA_TRY(auto target, parse_pgbouncer(mapping));
      name = target.name;
      config.poolers.push_back(std::move(target));
    } else {
      PGA_TRY(auto target, parse_postgres(mapping));
      name = target.name;
      target.logs.state_file = config.state_dir / "logs" / file_name_of(target.name);
      config.targets.push_back(std::move(target));
    }
    if (!names.insert(name).second) return mapping.error("name", "two targets have the name \"" + name + "\"");
  }
  if (targets.empty() && !config.host) return in.error("", "there is nothing to watch: no targets, and host is false");

  PGA_TRY(const Mapping log, in.mapping("log", "log"));
  PGA_TRY_STATUS(log.only({"level"}));
  PGA_TRY(config.settings, settings::read_collector_settings(in));
  return config;
}

}  // namespace pga::collector
