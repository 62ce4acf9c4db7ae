// collector.yaml. docs/configuration.md explains each key.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/limits.h"
#include "collect/pgbouncer_target.h"
#include "collect/postgres_target.h"
#include "settings/collector_settings.h"

namespace pga::collector {

struct Config {
  std::filesystem::path file;
  std::string name;  // what the collector calls itself; empty: the host's name
  // https://host:port of the server's collectors' port, the preferred one first; empty: nothing is sent (--once)
  std::vector<std::string> server_urls;
  std::filesystem::path token_file;  // enrolment token, needed once
  std::filesystem::path state_dir;   // identity, spool, status.json
  std::size_t spool_bytes_max = 256 * kMiB;
  bool host = true;
  std::filesystem::path sources_dir;
  std::vector<collect::PostgresTargetOptions> targets;
  std::vector<collect::PgbouncerTargetOptions> poolers;  // targets, too, with a kind of their own
  settings::CollectorSettings settings;                  // what the server may say too, where this file does not
};

// Fails with kInvalid; the message names file, line, key and the nearest valid key. Passwords are read from their files here.
Result<Config> load_config(const std::filesystem::path& file);

// Settings with their defaults.
inline constexpr std::chrono::microseconds kShipInterval = std::chrono::seconds{10};
inline constexpr LogLevel kLogLevel = LogLevel::kInfo;

}  // namespace pga::collector
