// What a server says of its logs, and reading them over the connection where their files are out of reach.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/clock.h"
#include "collect/log_options.h"
#include "logs/file_tail.h"
#include "net/task.h"
#include "pg/connection.h"

namespace pga::collect {

struct ServerLog {
  bool known = false;      // the server has been asked
  bool collector = false;  // logging_collector: without it the server knows no file
  std::string destination;
  std::string prefix;
  std::filesystem::path data_directory;  // empty: the role may not see it
  std::filesystem::path log_directory;   // as the setting says, maybe relative to the former
  std::int64_t zone_offset_us = 0;       // of log_timezone, now
  bool may_read = false;                 // EXECUTE on pg_read_binary_file and pg_ls_logdir
  bool has_helper = false;               // pganalytics.read_log
  std::uint64_t system_identifier = 0;   // 0: not known
  bool loopback = false;                 // the connection ends on this machine

  [[nodiscard]] LogFormat format() const;                 // the best that log_destination has
  [[nodiscard]] std::filesystem::path directory() const;  // absolute; empty: not known
  bool operator==(const ServerLog&) const = default;
};

// One statement. `out` stays as it was when it fails.
net::Task<pg::Answer<void>> learn(pg::Connection& connection, Deadline deadline, ServerLog& out);

// The file that `current_logfiles` of this machine names for `format`, if this is the machine of that server: told by the system
// identifier in its control file.
Result<std::filesystem::path> current_local_file(const ServerLog& server, LogFormat format);

std::string_view extension_of(LogFormat format);  // ".csv"
LogFormat format_of(const std::filesystem::path& file);

// Reads the current file through SQL: two statements, then one per piece.
class ServerTail {
 public:
  void resume(logs::Position position) { at_ = std::move(position); }
  // `feed(bytes, other_file)` for each piece; at most kPiecesMax of them.
  template <class Feed>
  net::Task<pg::Answer<void>> read(pg::Connection& connection, const ServerLog& server, Deadline deadline, Feed& feed) {
    std::string bytes;
    bool other_file = false;
    for (int piece = 0; piece < kPiecesMax; ++piece) {
      auto got = co_await next(connection, server, deadline, bytes, other_file);
      if (!got) co_return tl::unexpected(std::move(got).error());
      feed(bytes, other_file);
      if (bytes.empty()) break;
    }
    co_return pg::Answer<void>{};
  }
  [[nodiscard]] logs::Position position(std::uint64_t open_bytes) const;

 private:
  static constexpr int kPiecesMax = 8;
  static constexpr std::size_t kPieceBytesMax = 128 * 1024;
  net::Task<pg::Answer<void>> next(pg::Connection& connection, const ServerLog& server, Deadline deadline, std::string& bytes,
                                   bool& other_file);
  logs::Position at_;
  std::string current_;     // newest file when last asked
  std::uint64_t size_ = 0;  // of the file at hand then
};

}  // namespace pga::collect
