// The machine as a whole: since when it runs, what it has left of things that run out, and how it is set up.
#include <sys/utsname.h>

#include <set>

#include "base/files.h"
#include "base/text.h"
#include "collect/host_context.h"

namespace pga::collect {
namespace {

constexpr std::size_t kValueBytesMax = 200;
constexpr std::size_t kDisksMax = 64;

// The first line of a small file, empty without one.
std::string line_of(const std::filesystem::path& path) {
  const auto text = read_file(path, kProcFileBytesMax);
  if (!text) return "";
  std::string line = to_valid_utf8(std::string_view(*text).substr(0, std::min(text->find('\n'), kValueBytesMax)));
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.pop_back();
  return line;
}

// Files that list all choices and put the one in force in brackets: "always [madvise] never".
std::string chosen(std::string text) {
  const std::size_t open = text.find('['), close = text.find(']');
  return open < close && close != std::string::npos ? text.substr(open + 1, close - open - 1) : text;
}

void add(RowWriter& out, const std::string& name, std::string value) {
  if (value.empty()) return;
  out.row();
  out.set_text("name", name);
  out.set_text("value", std::move(value));
}

void add_identity(HostContext& host, RowWriter& out) {
  struct utsname kernel{};
  ::uname(&kernel);
  add(out, "kernel.release", kernel.release);
  add(out, "kernel.version", to_valid_utf8(kernel.version));
  add(out, "machine", kernel.machine);
  add(out, "boot_id", line_of(host.proc / "sys" / "kernel" / "random" / "boot_id"));
  if (const auto release = read_file("/etc/os-release", kProcFileBytesMax)) {
    each_line(*release, [&](std::string_view line) {
      if (!line.starts_with("PRETTY_NAME=")) return;
      std::string name(line.substr(12));
      std::erase(name, '"');
      add(out, "os", to_valid_utf8(name));
    });
  }
  if (const auto cpuinfo = read_file(host.proc / "cpuinfo", kProcFileBytesMax)) {
    const std::string_view text = *cpuinfo;
    if (const std::size_t at = text.find("model name"); at != std::string_view::npos) {
      const std::string_view line = text.substr(at, text.find('\n', at) - at);
      const std::size_t colon = line.find(": ");
      if (colon != std::string_view::npos) add(out, "cpu.model", to_valid_utf8(line.substr(colon + 2)));
    }
    add(out, "hypervisor", text.find(" hypervisor") == std::string_view::npos ? "none" : "yes");
  }
  add(out, "product", line_of(host.sys / "class" / "dmi" / "id" / "product_name"));
}

// How a disk is driven; what a rotating one or a wrong scheduler costs is seen in host.disks.
void add_disks(HostContext& host, RowWriter& out) {
  std::error_code error;
  std::set<std::string> devices;
  for (std::filesystem::directory_iterator it(host.sys / "block", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("loop") && !name.starts_with("ram") && !name.starts_with("zram")) devices.insert(name);
    if (devices.size() >= kDisksMax) break;
  }
  for (const std::string& device : devices) {
    const auto queue = host.sys / "block" / device / "queue";
    for (const char* name : {"scheduler", "rotational", "read_ahead_kb", "nr_requests", "write_cache", "physical_block_size"})
      add(out, "disk." + to_valid_utf8(device) + "." + name, chosen(line_of(queue / name)));
  }
}

}  // namespace

Status read_system(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string uptime, read_file(host.proc / "uptime", kProcFileBytesMax));
  double seconds = 0;
  std::from_chars(uptime.data(), uptime.data() + uptime.size(), seconds);
  out.row();
  out.set("uptime_us", static_cast<std::int64_t>(seconds * 1e6));
  if (const auto files = read_file(host.proc / "sys" / "fs" / "file-nr", kProcFileBytesMax)) {
    const auto w = words(*files);
    if (w.size() >= 3) {
      out.set("files_open", number(w[0]));
      out.set("files_max", number(w[2]));
    }
  }
  if (const auto loadavg = read_file(host.proc / "loadavg", kProcFileBytesMax)) {
    const std::size_t slash = loadavg->find('/');  // 0.50 1.25 2.00 1/100 4242
    if (slash != std::string::npos) out.set("threads", number(std::string_view(*loadavg).substr(slash + 1)));
  }
  const auto set_number = [&](const char* column, const std::filesystem::path& path) {
    if (const auto text = read_file(path, kProcFileBytesMax)) out.set(column, number(*text));
  };
  set_number("threads_max", host.proc / "sys" / "kernel" / "threads-max");
  set_number("pid_max", host.proc / "sys" / "kernel" / "pid_max");
  set_number("connections_tracked", host.proc / "sys" / "net" / "netfilter" / "nf_conntrack_count");
  set_number("connections_tracked_max", host.proc / "sys" / "net" / "netfilter" / "nf_conntrack_max");
  return {};
}

Status read_settings(HostContext& host, RowWriter& out) {
  add_identity(host, out);
  for (const char* name : {"vm/swappiness",
                           "vm/overcommit_memory",
                           "vm/overcommit_ratio",
                           "vm/dirty_ratio",
                           "vm/dirty_background_ratio",
                           "vm/dirty_bytes",
                           "vm/dirty_background_bytes",
                           "vm/dirty_expire_centisecs",
                           "vm/dirty_writeback_centisecs",
                           "vm/nr_hugepages",
                           "vm/zone_reclaim_mode",
                           "vm/min_free_kbytes",
                           "vm/vfs_cache_pressure",
                           "vm/max_map_count",
                           "kernel/numa_balancing",
                           "kernel/shmmax",
                           "kernel/shmall",
                           "kernel/sem",
                           "kernel/sched_autogroup_enabled",
                           "kernel/randomize_va_space",
                           "fs/file-max",
                           "fs/aio-max-nr",
                           "kernel/io_uring_disabled",
                           "net/core/somaxconn",
                           "net/ipv4/tcp_max_syn_backlog",
                           "net/ipv4/tcp_keepalive_time",
                           "net/ipv4/tcp_keepalive_intvl",
                           "net/ipv4/tcp_keepalive_probes",
                           "net/ipv4/tcp_retries2",
                           "net/ipv4/tcp_congestion_control",
                           "net/ipv4/ip_local_port_range",
                           "net/ipv4/tcp_tw_reuse"}) {
    std::string dotted = name;
    std::replace(dotted.begin(), dotted.end(), '/', '.');
    add(out, dotted, line_of(host.proc / "sys" / name));
  }
  const auto huge = host.sys / "kernel" / "mm" / "transparent_hugepage";
  add(out, "transparent_hugepage.enabled", chosen(line_of(huge / "enabled")));
  add(out, "transparent_hugepage.defrag", chosen(line_of(huge / "defrag")));
  const auto cpu = host.sys / "devices" / "system" / "cpu";
  add(out, "cpu.governor", line_of(cpu / "cpu0" / "cpufreq" / "scaling_governor"));
  add(out, "cpu.smt_active", line_of(cpu / "smt" / "active"));
  add(out, "clocksource", line_of(host.sys / "devices" / "system" / "clocksource" / "clocksource0" / "current_clocksource"));
  add_disks(host, out);
  return {};
}

}  // namespace pga::collect
