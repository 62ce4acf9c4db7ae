// Follows the log files of a server on this machine: through rotation by name, by size and by copy-truncate, truncation, files that go,
// and restarts of ours. Blocking; never more than it is asked for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace pga::logs {

// Where reading goes on: a byte of a file that is known again by its inode and the hash of how it begins, whatever its name is by then.
struct Position {
  std::string file;
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;
  std::uint64_t head_bytes = 0;
  std::uint64_t head_hash = 0;

  bool operator==(const Position&) const = default;
  [[nodiscard]] std::string to_text() const;
  static Result<Position> parse(std::string_view text);
};

// What a read() gave.
struct Piece {
  std::string_view bytes;        // valid until the next call; empty: nothing new
  bool other_file = false;       // these are of another file, or of this one anew: what was open in the one before will not go on
  std::uint64_t lost_bytes = 0;  // skipped, because the log grew faster than it may be read
};

class FileTail {
 public:
  // `current`: which file the server writes now. Others of the same directory and extension are its elder ones.
  using Current = std::function<Result<std::filesystem::path>()>;
  explicit FileTail(Current current) : current_(std::move(current)) {}

  // Before begin(): go on there, if that file is still to be found.
  void resume(Position position) { resumed_ = std::move(position); }

  // Before begin(): a log that was never seen is all new, because the server has only just turned to it.
  void from_beginning() { from_beginning_ = true; }

  // Takes its place: everything that is written from now on will be read. The first read() does it otherwise.
  Status begin();

  // At most kReadBytesAtOnce. A log that was never seen is read from where it ended at begin(). kNotFound: there is no file.
  Result<Piece> read();
  // More than this behind: the oldest is skipped.
  static constexpr std::uint64_t kBehindBytesMax = 256 * 1024 * 1024;

  // `open_bytes` before what was read last: of an event that is not whole yet.
  [[nodiscard]] Position position(std::uint64_t open_bytes) const;
  [[nodiscard]] const std::filesystem::path& file() const { return path_; }

 private:
  Status open(const std::filesystem::path& path);
  // The file that follows the one at hand: the eldest that was written to after it, or the current one.
  Result<bool> move_on(const std::filesystem::path& current);
  [[nodiscard]] std::filesystem::path successor(const std::filesystem::path& current) const;
  Status hash_head();

  const Current current_;
  Position resumed_;
  FileDescriptor fd_;
  std::filesystem::path path_;
  Position at_;
  std::string buffer_;
  bool begun_ = false;
  bool from_beginning_ = false;
};

}  // namespace pga::logs
