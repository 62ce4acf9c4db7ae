// Where the logs of a server are, as far as a person says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace pga::collect {

enum class LogsFrom : std::uint8_t {
  kAuto,    // files if they are here and can be read, else over the connection if the role may
  kFiles,   // files only
  kServer,  // over the connection only
  kNone
};
enum class LogFormat : std::uint8_t { kUnknown, kCsv, kJson, kStderr };

struct LogOptions {
  LogsFrom from = LogsFrom::kAuto;
  std::filesystem::path directory;         // empty: the server's data_directory and log_directory
  std::string pattern;                     // of file names, with *; the newest is the current one
  LogFormat format = LogFormat::kUnknown;  // unknown: by the name, or by log_destination
  std::string prefix;                      // of stderr; empty: the server's log_line_prefix
  std::filesystem::path state_file;        // where the position is kept; empty: nowhere
};

}  // namespace pga::collect
