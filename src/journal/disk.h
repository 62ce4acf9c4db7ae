// What the journal asks of a file system, so that a test can own the disk: fail, tear, fill up.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace pga::journal {

class DiskFile {
 public:
  virtual ~DiskFile() = default;
  virtual Status write(std::uint64_t offset, ByteView bytes) = 0;                              // on failure a part may have been written
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const = 0;  // fewer bytes only at the end
  virtual Result<std::uint64_t> size() const = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  virtual Status sync() = 0;  // fdatasync; may run while another thread writes
};

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<DiskFile>> create(const std::filesystem::path& path) = 0;  // fails if it exists
  virtual Result<std::unique_ptr<DiskFile>> open(const std::filesystem::path& path) = 0;
  virtual Status remove(const std::filesystem::path& path) = 0;
  virtual Status sync_directory(const std::filesystem::path& path) = 0;
  virtual Result<std::string> read_small(const std::filesystem::path& path, std::size_t bytes_max) = 0;  // kNotFound if absent
  virtual Status replace_small(const std::filesystem::path& path, std::string_view content) = 0;         // atomic and durable
  virtual Status make_directory(const std::filesystem::path& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::filesystem::path& directory) = 0;  // names of regular files, unordered
  // Exclusive among processes and within one; held until the handle dies. Fails with kUnavailable if it is held.
  virtual Result<std::shared_ptr<void>> lock(const std::filesystem::path& path) = 0;
};

// The real one; it has no state.
Disk& posix_disk();

}  // namespace pga::journal
