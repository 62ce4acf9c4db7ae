#include "collect/remote_filesystems.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/text.h"

namespace pga::collect {

std::optional<FilesystemUse> measure_filesystem(const std::string& mountpoint) {
  struct statvfs fs{};
  if (::statvfs(mountpoint.c_str(), &fs) != 0) return std::nullopt;
  const auto bytes = [&](auto blocks) { return static_cast<std::int64_t>(blocks) * static_cast<std::int64_t>(fs.f_frsize); };
  return FilesystemUse{bytes(fs.f_blocks), bytes(fs.f_bfree), bytes(fs.f_bavail), static_cast<std::int64_t>(fs.f_files),
                       static_cast<std::int64_t>(fs.f_ffree)};
}

// Outlives the collector's loop if it must: the thread holds it as well.
struct RemoteFilesystems::Shared {
  const Measure measure;
  std::mutex mutex;
  bool running = false;
  std::string asking;  // the mount that is being measured
  std::map<std::string, FilesystemUse> found;
};

RemoteFilesystems::RemoteFilesystems(Measure how) : shared_(new Shared{how, {}, false, {}, {}}) {}
RemoteFilesystems::~RemoteFilesystems() = default;

bool RemoteFilesystems::is_remote(std::string_view type) {
  static constexpr std::string_view kTypes[] = {"nfs", "nfs4",      "cifs",   "smb3", "smbfs", "ceph", "afs",
                                                "9p",  "glusterfs", "lustre", "gpfs", "ocfs2", "gfs2", "beegfs"};
  // Programs of this machine that show what is elsewhere already.
  static constexpr std::string_view kViews[] = {"fuse.lxcfs", "fuse.gvfsd-fuse", "fuse.portal", "fuse.snapfuse", "fuse.squashfuse"};
  if (std::find(std::begin(kViews), std::end(kViews), type) != std::end(kViews)) return false;
  return type.starts_with("fuse.") || std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

std::optional<FilesystemUse> RemoteFilesystems::last(const std::string& mountpoint) const {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->running && shared_->asking == mountpoint) return std::nullopt;
  const auto it = shared_->found.find(mountpoint);
  return it == shared_->found.end() ? std::nullopt : std::optional(it->second);
}

std::string RemoteFilesystems::measure(std::vector<std::string> mountpoints) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->running) return "the file system on " + to_valid_utf8(shared_->asking) + " did not answer since the last reading";
    std::erase_if(shared_->found,
                  [&](const auto& known) { return std::find(mountpoints.begin(), mountpoints.end(), known.first) == mountpoints.end(); });
    if (mountpoints.empty()) return "";
    shared_->running = true;
  }
  const auto work = [shared = shared_, mountpoints = std::move(mountpoints)] {
    for (const std::string& mountpoint : mountpoints) {
      {
        const std::lock_guard lock(shared->mutex);
        shared->asking = mountpoint;
      }
      const auto use = shared->measure(mountpoint);
      const std::lock_guard lock(shared->mutex);
      if (use) {
        shared->found[mountpoint] = *use;
      } else {
        shared->found.erase(mountpoint);
      }
    }
    const std::lock_guard lock(shared->mutex);
    shared->asking.clear();
    shared->running = false;
  };
  try {
    std::thread(work).detach();
  } catch (const std::system_error& error) {
    const std::lock_guard lock(shared_->mutex);
    shared_->running = false;
    return std::string("no thread to ask file systems of other machines: ") + error.what();
  }
  return "";
}

}  // namespace pga::collect
