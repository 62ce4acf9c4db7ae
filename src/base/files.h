// Durable file operations of POSIX as Results, with the path in every message.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace pga {

// Owns a file descriptor. close() may fail and says so; the destructor closes silently.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }  // the caller closes it from now on
  Status close();

 private:
  int fd_ = -1;
};

// Whole file, refused with kTooLarge above `bytes_max`; kNotFound if it does not exist.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);

// Written to a temporary file beside it, fsynced, renamed, directory fsynced: old or new content, never a mixture.
Status write_file_atomic(const std::filesystem::path& path, std::string_view content, unsigned mode = 0600);
// The same without any fsync, for what is written anew all the time: a reader sees old or new content, but a power cut may leave none.
Status replace_file(const std::filesystem::path& path, std::string_view content, unsigned mode = 0600);

Status make_directories(const std::filesystem::path& path, unsigned mode = 0700);
Status fsync_directory(const std::filesystem::path& path);
// Everything that was written to the file system that the directory is on, by whomever.
Status sync_filesystem(const std::filesystem::path& directory);

}  // namespace pga
