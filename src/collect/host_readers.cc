#include "collect/host_readers.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/check.h"
#include "base/files.h"
#include "base/limits.h"
#include "base/text.h"

namespace pga::collect {
namespace {

constexpr std::size_t kProcFileBytesMax = 1 * kMiB;
constexpr std::int64_t kSectorBytes = 512;  // of /proc/diskstats, whatever the device's own
constexpr std::int64_t kNanosPerMilli = 1'000'000;

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

template <class F>
void each_line(std::string_view text, F visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Status read_cpu(const std::filesystem::path& proc, RowWriter& out) {
  PGA_TRY(const std::string stat, read_file(proc / "stat", kProcFileBytesMax));
  PGA_TRY(const std::string loadavg, read_file(proc / "loadavg", kProcFileBytesMax));
  const std::int64_t tick_ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  out.row();
  std::int64_t cores = 0;
  each_line(stat, [&](std::string_view line) {
    const auto w = words(line);
    if (w.empty()) return;
    const auto ticks = [&](std::size_t i) { return i < w.size() ? number(w[i]) * tick_ns : 0; };
    if (w[0] == "cpu") {
      out.set("user_ns", ticks(1));
      out.set("nice_ns", ticks(2));
      out.set("system_ns", ticks(3));
      out.set("idle_ns", ticks(4));
      out.set("iowait_ns", ticks(5));
      out.set("irq_ns", ticks(6) + ticks(7));
      out.set("steal_ns", ticks(8));
    } else if (w[0].starts_with("cpu")) {
      ++cores;
    } else if (w.size() > 1) {
      if (w[0] == "ctxt") out.set("context_switches", number(w[1]));
      if (w[0] == "processes") out.set("processes_created", number(w[1]));
      if (w[0] == "procs_running") out.set("processes_running", number(w[1]));
      if (w[0] == "procs_blocked") out.set("processes_blocked", number(w[1]));
    }
  });
  out.set("cores", cores);
  const auto load = words(loadavg);
  const char* names[] = {"load1", "load5", "load15"};
  for (std::size_t i = 0; i < 3 && i < load.size(); ++i) {
    double value = 0;
    std::from_chars(load[i].data(), load[i].data() + load[i].size(), value);
    out.set_double(names[i], value);
  }
  return {};
}

Status read_memory(const std::filesystem::path& proc, RowWriter& out) {
  PGA_TRY(const std::string meminfo, read_file(proc / "meminfo", kProcFileBytesMax));
  static const std::map<std::string_view, std::pair<const char*, std::int64_t>> kLines = {{"MemTotal:", {"total_bytes", 1024}},
                                                                                          {"MemFree:", {"free_bytes", 1024}},
                                                                                          {"MemAvailable:", {"available_bytes", 1024}},
                                                                                          {"Buffers:", {"buffers_bytes", 1024}},
                                                                                          {"Cached:", {"cached_bytes", 1024}},
                                                                                          {"Shmem:", {"shared_bytes", 1024}},
                                                                                          {"Dirty:", {"dirty_bytes", 1024}},
                                                                                          {"SwapTotal:", {"swap_total_bytes", 1024}},
                                                                                          {"SwapFree:", {"swap_free_bytes", 1024}},
                                                                                          {"HugePages_Total:", {"huge_pages_total", 1}},
                                                                                          {"HugePages_Free:", {"huge_pages_free", 1}}};
  out.row();
  each_line(meminfo, [&](std::string_view line) {
    const auto w = words(line);
    if (w.size() < 2) return;
    if (const auto it = kLines.find(w[0]); it != kLines.end()) out.set(it->second.first, number(w[1]) * it->second.second);
  });
  return {};
}

// Whole devices only: a partition's counters are in its disk's too.
bool is_whole_disk(std::string_view name) {
  if (name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram") || name.starts_with("sr")) return false;
  const bool partition_marked = name.starts_with("nvme") || name.starts_with("mmcblk");
  if (partition_marked) return name.find('p', name.starts_with("nvme") ? 4 : 6) == std::string_view::npos;
  if (name.starts_with("dm-") || name.starts_with("md")) return true;
  return name.empty() || name.back() < '0' || name.back() > '9';
}

Status read_disks(const std::filesystem::path& proc, RowWriter& out) {
  PGA_TRY(const std::string diskstats, read_file(proc / "diskstats", kProcFileBytesMax));
  each_line(diskstats, [&](std::string_view line) {
    const auto w = words(line);
    if (w.size() < 14 || !is_whole_disk(w[2])) return;
    out.row();
    out.set_text("device", std::string(w[2]));
    out.set("reads", number(w[3]));
    out.set("read_bytes", number(w[5]) * kSectorBytes);
    out.set("read_time_ns", number(w[6]) * kNanosPerMilli);
    out.set("writes", number(w[7]));
    out.set("write_bytes", number(w[9]) * kSectorBytes);
    out.set("write_time_ns", number(w[10]) * kNanosPerMilli);
    out.set("in_progress", number(w[11]));
    out.set("busy_ns", number(w[12]) * kNanosPerMilli);
    out.set("weighted_time_ns", number(w[13]) * kNanosPerMilli);
  });
  return {};
}

// /proc/mounts writes blanks and backslashes of a path as octal escapes.
std::string unescape_mount(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3') {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

Status read_filesystems(const std::filesystem::path& proc, RowWriter& out) {
  PGA_TRY(const std::string mounts, read_file(proc / "self" / "mounts", kProcFileBytesMax));
  std::set<std::string> seen;  // a device that is mounted twice is reported once
  each_line(mounts, [&](std::string_view line) {
    const auto w = words(line);
    if (w.size() < 3 || !w[0].starts_with("/dev/") || w[0].starts_with("/dev/loop")) return;
    const std::string device = unescape_mount(w[0]);
    const std::string mountpoint = unescape_mount(w[1]);
    struct statvfs fs{};
    if (!seen.insert(device).second || ::statvfs(mountpoint.c_str(), &fs) != 0) return;
    const auto bytes = [&](auto blocks) { return static_cast<std::int64_t>(blocks) * static_cast<std::int64_t>(fs.f_frsize); };
    out.row();
    out.set_text("mountpoint", to_valid_utf8(mountpoint));
    out.set_text("device", to_valid_utf8(device));
    out.set_text("fstype", std::string(w[2]));
    out.set("size_bytes", bytes(fs.f_blocks));
    out.set("free_bytes", bytes(fs.f_bfree));
    out.set("available_bytes", bytes(fs.f_bavail));
    out.set("inodes_total", static_cast<std::int64_t>(fs.f_files));
    out.set("inodes_free", static_cast<std::int64_t>(fs.f_ffree));
  });
  return {};
}

}  // namespace

RowWriter::RowWriter(const catalog::Source& source, Cells& cells) : source_(source), cells_(cells) {
  cells_.columns.resize(source.columns.size());
}

void RowWriter::row() {
  ++cells_.rows;
  for (std::size_t i = 0; i < source_.columns.size(); ++i) {
    cells_.columns[i].values.push_back(0);
    cells_.columns[i].present.push_back(0);
    if (source_.columns[i].wire_type == wire::ColumnType::kString) cells_.columns[i].texts.emplace_back();
  }
}

CellColumn& RowWriter::at(std::string_view column) {
  const catalog::Column* declared = source_.find(column);
  PGA_CHECK(declared != nullptr && cells_.rows > 0);
  CellColumn& out = cells_.columns[static_cast<std::size_t>(declared - source_.columns.data())];
  out.present.back() = 1;
  return out;
}

void RowWriter::set(std::string_view column, std::int64_t value) { at(column).values.back() = value; }
void RowWriter::set_double(std::string_view column, double value) { at(column).values.back() = std::bit_cast<std::int64_t>(value); }
void RowWriter::set_text(std::string_view column, std::string value) {
  at(column).texts.back() = cells_.storage.emplace_back(std::move(value));
}

Reading read_host(const catalog::Source& source, const std::filesystem::path& proc) {
  using Read = Status (*)(const std::filesystem::path&, RowWriter&);
  static const std::map<std::string_view, Read> kReaders = {
      {"host.cpu", read_cpu}, {"host.memory", read_memory}, {"host.disks", read_disks}, {"host.filesystems", read_filesystems}};
  const auto reader = kReaders.find(source.reader);
  if (reader == kReaders.end()) return Reading::failed(wire::Outcome::kAbsent, "this collector has no reader \"" + source.reader + "\"");
  Reading reading;
  RowWriter out(source, reading.cells);
  if (auto read = reader->second(proc, out); !read) {
    const bool absent = read.error().code == ErrorCode::kNotFound;
    return Reading::failed(absent ? wire::Outcome::kAbsent : wire::Outcome::kError, read.error().message);
  }
  return reading;
}

}  // namespace pga::collect
