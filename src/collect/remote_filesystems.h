// Sizes of file systems that other machines serve. A server that does not answer holds whoever asks for as long as it likes, so a thread
// of its own asks, and the reading takes what was answered to the one before.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pga::collect {

struct FilesystemUse {
  std::int64_t size_bytes = 0;
  std::int64_t free_bytes = 0;
  std::int64_t available_bytes = 0;
  std::int64_t inodes_total = 0;
  std::int64_t inodes_free = 0;
};

// Waits for as long as the file system does.
std::optional<FilesystemUse> measure_filesystem(const std::string& mountpoint);

class RemoteFilesystems {
 public:
  using Measure = std::optional<FilesystemUse> (*)(const std::string&);

  RemoteFilesystems() : RemoteFilesystems(measure_filesystem) {}
  explicit RemoteFilesystems(Measure how);
  ~RemoteFilesystems();  // does not wait for a thread that is held

  static bool is_remote(std::string_view filesystem_type);

  // What the last measurement that came back found; nothing before, or when that mount was being asked ever since.
  [[nodiscard]] std::optional<FilesystemUse> last(const std::string& mountpoint) const;

  // Begins to measure these, unless the measurement before is still held: then the answer says by which mount, else it is empty.
  std::string measure(std::vector<std::string> mountpoints);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace pga::collect
