#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace pga {

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Status FileDescriptor::close() {
  if (fd_ < 0) return {};
  const int rc = ::close(std::exchange(fd_, -1));
  if (rc != 0) return errno_error("close");
  return {};
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    Error error = errno_error("open " + path.string());
    if (errno == ENOENT) error.code = ErrorCode::kNotFound;
    return error;
  }
  std::string content;
  char block[16384];
  while (true) {
    const ssize_t n = ::read(file.get(), block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read " + path.string());
    if (n == 0) return content;
    if (content.size() + static_cast<std::size_t>(n) > bytes_max)
      return too_large(path.string() + " exceeds the limit of " + std::to_string(bytes_max) + " bytes");
    content.append(block, static_cast<std::size_t>(n));
  }
}

namespace {

Status replace(const std::filesystem::path& path, std::string_view content, unsigned mode, bool durable) {
  const std::string temporary = path.string() + ".tmp";
  FileDescriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!file) return errno_error("create " + temporary);
  if (::fchmod(file.get(), mode) != 0) return errno_error("chmod " + temporary);
  while (!content.empty()) {
    const ssize_t n = ::write(file.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return errno_error("write " + temporary);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (durable && ::fsync(file.get()) != 0) return errno_error("fsync " + temporary);
  PGA_TRY_STATUS(file.close());
  if (::rename(temporary.c_str(), path.c_str()) != 0) return errno_error("rename " + temporary + " to " + path.string());
  return durable ? fsync_directory(path.parent_path()) : Status{};
}

}  // namespace

Status write_file_atomic(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  return replace(path, content, mode, true);
}

Status replace_file(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  return replace(path, content, mode, false);
}

Status make_directories(const std::filesystem::path& path, unsigned mode) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  if (path.has_parent_path() && path.parent_path() != path) PGA_TRY_STATUS(make_directories(path.parent_path(), mode));
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return errno_error("create directory " + path.string());
  return {};
}

Status fsync_directory(const std::filesystem::path& path) {
  const std::filesystem::path directory = path.empty() ? "." : path;
  const FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) return errno_error("open directory " + directory.string());
  if (::fsync(file.get()) != 0) return errno_error("fsync directory " + directory.string());
  return {};
}

Status sync_filesystem(const std::filesystem::path& directory) {
  const FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file) return errno_error("open directory " + directory.string());
  if (::syncfs(file.get()) != 0) return errno_error("syncfs of " + directory.string());
  return {};
}

}  // namespace pga
