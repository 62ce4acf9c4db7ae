// Block devices and the file systems on them.
#include <sys/statvfs.h>

#include <set>

#include "base/files.h"
#include "base/text.h"
#include "collect/host_context.h"

namespace pga::collect {
namespace {

constexpr std::int64_t kSectorBytes = 512;  // of /proc/diskstats, whatever the device's own

// Whole devices only: a partition's counters are in its disk's too.
bool is_whole_disk(std::string_view name) {
  if (name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram") || name.starts_with("sr")) return false;
  const bool partition_marked = name.starts_with("nvme") || name.starts_with("mmcblk");
  if (partition_marked) return name.find('p', name.starts_with("nvme") ? 4 : 6) == std::string_view::npos;
  if (name.starts_with("dm-") || name.starts_with("md")) return true;
  return name.empty() || name.back() < '0' || name.back() > '9';
}

// What a volume manager calls a device that the kernel only numbers.
std::string volume_name(const std::filesystem::path& sys, std::string_view device) {
  if (!device.starts_with("dm-")) return "";
  const auto name = read_file(sys / "block" / device / "dm" / "name", kProcFileBytesMax);
  return name ? to_valid_utf8(name->substr(0, name->find('\n'))) : std::string();
}

// File systems that hold data of their own. Others are views of the kernel's, or another's mounted once more.
bool holds_data(std::string_view device, std::string_view type) {
  if (device.starts_with("/dev/loop")) return false;
  return device.starts_with("/dev/") || type == "zfs" || type == "bcachefs" || type == "overlay";
}

}  // namespace

Status read_disks(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string diskstats, read_file(host.proc / "diskstats", kProcFileBytesMax));
  each_line(diskstats, [&](std::string_view line) {
    const auto w = words(line);
    if (w.size() < 14 || !is_whole_disk(w[2])) return;
    out.row();
    out.set_text("device", std::string(w[2]));
    if (std::string name = volume_name(host.sys, w[2]); !name.empty()) out.set_text("volume", std::move(name));
    out.set("reads", number(w[3]));
    out.set("reads_merged", number(w[4]));
    out.set("read_bytes", number(w[5]) * kSectorBytes);
    out.set("read_time_ns", number(w[6]) * kNanosPerMilli);
    out.set("writes", number(w[7]));
    out.set("writes_merged", number(w[8]));
    out.set("write_bytes", number(w[9]) * kSectorBytes);
    out.set("write_time_ns", number(w[10]) * kNanosPerMilli);
    out.set("in_progress", number(w[11]));
    out.set("busy_ns", number(w[12]) * kNanosPerMilli);
    out.set("weighted_time_ns", number(w[13]) * kNanosPerMilli);
    if (w.size() >= 18) {  // Linux 4.18
      out.set("discards", number(w[14]));
      out.set("discard_bytes", number(w[16]) * kSectorBytes);
      out.set("discard_time_ns", number(w[17]) * kNanosPerMilli);
    }
    if (w.size() >= 20) {  // Linux 5.5
      out.set("flushes", number(w[18]));
      out.set("flush_time_ns", number(w[19]) * kNanosPerMilli);
    }
  });
  return {};
}

Status read_filesystems(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string mounts, read_file(host.proc / "self" / "mounts", kProcFileBytesMax));
  std::set<std::string> seen;  // a device that is mounted twice is reported once
  std::vector<std::string> remote;
  each_line(mounts, [&](std::string_view line) {
    const auto w = words(line);
    if (w.size() < 4) return;
    const bool over_network = RemoteFilesystems::is_remote(w[2]);
    if (!over_network && !holds_data(w[0], w[2])) return;
    const std::string device = unescape_mount(w[0]);
    const std::string mountpoint = unescape_mount(w[1]);
    // Every container has an overlay of its own; a node of them has hundreds, all on the same device.
    if (w[2] == "overlay" ? mountpoint != "/" : !seen.insert(device).second) return;
    std::optional<FilesystemUse> use;
    if (over_network) {
      remote.push_back(mountpoint);
      use = host.remote_filesystems.last(mountpoint);
    } else {
      use = measure_filesystem(mountpoint);
      if (!use) return;
    }
    out.row();
    out.set_text("mountpoint", to_valid_utf8(mountpoint));
    out.set_text("device", to_valid_utf8(device));
    out.set_text("fstype", std::string(w[2]));
    out.set("read_only", w[3] == "ro" || w[3].starts_with("ro,") ? 1 : 0);
    if (!use) return;  // that it is mounted is known all the same
    out.set("size_bytes", use->size_bytes);
    out.set("free_bytes", use->free_bytes);
    out.set("available_bytes", use->available_bytes);
    out.set("inodes_total", use->inodes_total);
    out.set("inodes_free", use->inodes_free);
  });
  host.note = host.remote_filesystems.measure(std::move(remote));
  return {};
}

}  // namespace pga::collect
