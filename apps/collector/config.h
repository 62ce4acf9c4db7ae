// collector.yaml. docs/configuration.md explains each key.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "collect/postgres_target.h"

namespace pga::collector {

struct Config {
  std::filesystem::path file;
  std::string name;  // what the collector calls itself; empty: the host's name
  // https://host:port of the server's collectors' port, the preferred one first; empty: nothing is sent (--once)
  std::vector<std::string> server_urls;
  std::filesystem::path token_file;  // enrolment token, needed once
  bool json = false;                 // send the JSON twin instead of binary frames
  std::filesystem::path state_dir;   // identity, spool, status.json
  std::size_t spool_bytes_max = 256 * kMiB;
  std::chrono::microseconds ship_interval = std::chrono::seconds{10};
  bool host = true;
  std::filesystem::path sources_dir;
  std::map<std::string, std::chrono::microseconds> intervals;  // by source, instead of the declaration's
  std::vector<collect::PostgresTargetOptions> targets;
  LogLevel log_level = LogLevel::kInfo;
};

// Fails with kInvalid; the message names file, line, key and the nearest valid key. Passwords are read from their files here.
Result<Config> load_config(const std::filesystem::path& file);

// Refuses intervals of sources that are not declared.
Status check_intervals(const Config& config, const catalog::Catalog& catalog);

}  // namespace pga::collector
