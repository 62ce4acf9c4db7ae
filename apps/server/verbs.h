// The verbs of pganalytics-server. Each prints what it has to say and returns the exit code.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "config.h"

namespace pga::server {

// Of the process; printed by --help.
enum ExitCode : int { kDone = 0, kFailed = 1, kBadConfiguration = 2, kBadState = 3, kCannotServe = 4 };

int print_error(ExitCode code, const std::string& message);  // "pganalytics-server: ..." on standard error; returns the code

int init(const Config& config, const std::string& administrator, bool json);
int check(const Config& config);
int create_token(const Config& config, std::int64_t uses, std::chrono::microseconds life, bool needs_approval, bool json);
int list_collectors(const Config& config, bool json);
int revoke_collector(const Config& config, const std::string& uuid, bool json);   // kBadState if there is none
int unlock_collector(const Config& config, const std::string& uuid, bool json);   // the same
int approve_collector(const Config& config, const std::string& uuid, bool json);  // the same
// Without uuid: for all that have none of their own. Without file: what was said before is withdrawn. kBadConfiguration: not a good one.
int configure_collectors(const Config& config, const std::string& uuid, const std::filesystem::path& file, bool json);
int rotate_key(const Config& config);
int rotate_authority(const Config& config, bool force, bool json);  // kBadState: collectors are not ready for the next step
int print_sources(const std::filesystem::path& sources_dir, bool markdown);
int run(const Config& config);  // runtime.cc

}  // namespace pga::server
