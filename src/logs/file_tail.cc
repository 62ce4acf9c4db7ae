#include "logs/file_tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/text.h"
#include "logs/limits.h"

namespace pga::logs {
namespace {

constexpr std::size_t kFilesMax = 5'000;  // of a directory, looked at when the log was rotated

std::int64_t modified_ns(const struct stat& info) { return std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec; }

struct Elder {
  std::filesystem::path path;
  std::uint64_t inode;
  std::int64_t modified_ns;
};

// The files beside `current` that have its extension, the eldest first.
std::vector<Elder> family(const std::filesystem::path& current) {
  std::vector<Elder> out;
  std::error_code error;
  std::filesystem::directory_iterator files(current.parent_path(), error);
  for (; !error && files != std::filesystem::directory_iterator() && out.size() < kFilesMax; files.increment(error)) {
    const std::filesystem::path path = files->path();
    // "postgresql.csv" may be rotated to "postgresql.csv.1".
    const bool related = path.extension() == current.extension() || path.filename().string().starts_with(current.filename().string() + ".");
    struct stat info{};
    if (related && ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) out.push_back({path, info.st_ino, modified_ns(info)});
  }
  std::sort(out.begin(), out.end(), [](const Elder& a, const Elder& b) {
    return a.modified_ns != b.modified_ns ? a.modified_ns < b.modified_ns : a.path < b.path;
  });
  return out;
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t bytes) {
  std::string out(bytes, '\0');
  const ssize_t got = ::pread(fd, out.data(), bytes, static_cast<off_t>(offset));
  if (got < 0) return errno_error("read");
  out.resize(static_cast<std::size_t>(got));
  return out;
}

std::uint64_t hash(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace

std::string Position::to_text() const {
  return std::to_string(inode) + " " + std::to_string(offset) + " " + std::to_string(head_bytes) + " " + to_hex(head_hash) + " " + file +
         "\n";
}

Result<Position> Position::parse(std::string_view text) {
  Position out;
  const auto number = [&](std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end == text.data() + text.size() || *end != ' ') return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return true;
  };
  const bool numbers = number(out.inode) && number(out.offset) && number(out.head_bytes);
  const auto head = numbers && text.size() > 17 ? parse_hex_u64(text.substr(0, 16)) : std::nullopt;
  if (!head || text[16] != ' ' || text.back() != '\n' || out.head_bytes > kHeadBytes) return corrupt("the position in the log is not one");
  out.head_hash = *head;
  out.file = std::string(text.substr(17, text.size() - 18));
  return out;
}

Position FileTail::position(std::uint64_t open_bytes) const {
  Position out = at_;
  out.file = path_.string();
  out.offset -= std::min(open_bytes, out.offset);
  return out;
}

Status FileTail::open(const std::filesystem::path& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    const bool absent = errno == ENOENT;
    Error error = errno_error("open " + path.string());
    if (absent) error.code = ErrorCode::kNotFound;
    return error;
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return errno_error("stat " + path.string());
  if (!S_ISREG(info.st_mode)) return invalid(path.string() + " is no file");
  fd_ = std::move(fd);
  path_ = path;
  at_ = {};
  at_.inode = info.st_ino;
  return hash_head();
}

// Of what is there by now; a file that has only just begun has a longer head later.
Status FileTail::hash_head() {
  if (at_.head_bytes >= kHeadBytes) return {};
  PGA_TRY(const std::string head, read_at(fd_.get(), 0, kHeadBytes));
  at_.head_bytes = head.size();
  at_.head_hash = hash(head);
  return {};
}

Status FileTail::begin() {
  if (begun_) return {};
  PGA_TRY(const std::filesystem::path current, current_());
  const auto is_resumed = [&] {
    const auto head = at_.inode == resumed_.inode ? read_at(fd_.get(), 0, resumed_.head_bytes) : Result<std::string>(std::string());
    struct stat info{};
    return at_.inode == resumed_.inode && head && head->size() == resumed_.head_bytes && hash(*head) == resumed_.head_hash &&
           ::fstat(fd_.get(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) >= resumed_.offset;
  };
  if (resumed_.file.empty()) {
    PGA_TRY_STATUS(open(current));
    struct stat info{};
    if (!from_beginning_ && ::fstat(fd_.get(), &info) == 0) at_.offset = static_cast<std::uint64_t>(info.st_size);
  } else {
    bool found = false;
    if (open(resumed_.file)) found = is_resumed();
    for (const Elder& elder : found ? std::vector<Elder>() : family(current)) {
      if (!found && elder.inode == resumed_.inode && open(elder.path)) found = is_resumed();
    }
    if (found)
      at_.offset = resumed_.offset;
    else
      PGA_TRY_STATUS(open(current));  // another file since: all of it is new
  }
  begun_ = true;
  return {};
}

std::filesystem::path FileTail::successor(const std::filesystem::path& current) const {
  struct stat mine{};
  if (::fstat(fd_.get(), &mine) != 0) return current;
  for (const Elder& elder : family(current)) {
    if (elder.inode != at_.inode && elder.modified_ns > modified_ns(mine)) return elder.path;
  }
  return current;
}

Result<bool> FileTail::move_on(const std::filesystem::path& current) {
  struct stat there{};
  if (::stat(current.c_str(), &there) == 0 && there.st_ino == at_.inode) {
    struct stat mine{};
    if (::fstat(fd_.get(), &mine) != 0 || static_cast<std::uint64_t>(mine.st_size) >= at_.offset) return false;
    PGA_TRY_STATUS(open(current));  // truncated: it begins anew
    return true;
  }
  const std::filesystem::path next = successor(current);
  const Status opened = open(next);
  if (!opened && opened.error().code == ErrorCode::kNotFound) return false;  // it is about to be made
  PGA_TRY_STATUS(opened);
  return true;
}

Result<Piece> FileTail::read() {
  PGA_TRY_STATUS(begin());
  Piece piece;
  for (int file = 0; file < 2; ++file) {
    // Truncated below what was read, whether or not it has grown again since: its head tells.
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return errno_error("stat " + path_.string());
    const auto size = static_cast<std::uint64_t>(info.st_size);
    bool anew = size < at_.offset;
    if (!anew && at_.head_bytes > 0 && at_.offset > 0) {
      PGA_TRY(const std::string head, read_at(fd_.get(), 0, at_.head_bytes));
      anew = hash(head) != at_.head_hash;
    }
    if (anew) {
      at_.offset = at_.head_bytes = at_.head_hash = 0;
      piece.other_file = true;
    }
    PGA_TRY_STATUS(hash_head());
    if (size > at_.offset + kBehindBytesMax) {
      piece.lost_bytes = size - at_.offset - kBehindBytesMax / 16;
      at_.offset += piece.lost_bytes;
      piece.other_file = true;
    }
    PGA_TRY(buffer_, read_at(fd_.get(), at_.offset, kReadBytesAtOnce));
    at_.offset += buffer_.size();
    piece.bytes = buffer_;
    if (!buffer_.empty()) return piece;
    auto current = current_();
    if (!current) return current.error().code == ErrorCode::kNotFound ? Result<Piece>(piece) : Result<Piece>(current.error());
    PGA_TRY(const bool moved, move_on(*current));
    if (!moved) return piece;
    piece.other_file = true;
  }
  return piece;
}

}  // namespace pga::logs
