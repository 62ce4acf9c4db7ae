// Control groups (version 2) of the collector and of the PostgreSQL servers on this machine: what holds them back that is not the machine.
#include <optional>

#include "base/files.h"
#include "base/text.h"
#include "collect/host_context.h"

namespace pga::collect {
namespace {

constexpr int kDepthMax = 32;

// Where the version 2 hierarchy is mounted. Beside version 1 it may be, but then without controllers.
std::string find_mount(std::string_view mounts) {
  std::string mount;
  each_line(mounts, [&](std::string_view line) {
    const auto w = words(line);
    if (w.size() >= 3 && w[2] == "cgroup2" && mount.empty()) mount = unescape_mount(w[1]);
  });
  return mount;
}

// "/system.slice/postgresql.service"; nothing if the process is gone or outside of our namespace of groups.
std::optional<std::string> group_of(const std::filesystem::path& proc, const std::string& process) {
  const auto text = read_file(proc / process / "cgroup", kProcFileBytesMax);
  std::optional<std::string> group;
  if (!text) return group;
  each_line(*text, [&](std::string_view line) {
    if (line.starts_with("0::/") && line.find("/..") == std::string_view::npos) group = line.substr(3);
  });
  return group;
}

std::optional<std::int64_t> number_in(const std::filesystem::path& file) {
  const auto text = read_file(file, kProcFileBytesMax);
  if (!text || text->starts_with("max")) return std::nullopt;
  return number(*text);
}

void set_pressure(const std::filesystem::path& folder, const char* resource, RowWriter& out) {
  const auto text = read_file(folder / (std::string(resource) + ".pressure"), kProcFileBytesMax);
  if (!text) return;
  each_line(*text, [&](std::string_view line) {
    const std::size_t total = line.find("total=");
    if (total != std::string_view::npos && (line.starts_with("some ") || line.starts_with("full ")))
      out.set(std::string(resource) + (line.starts_with("some ") ? "_pressure_some_us" : "_pressure_full_us"),
              number(line.substr(total + 6)));
  });
}

// A group is held to the limits of those that it is in as well: the tightest counts.
void set_limits(const std::filesystem::path& mount, const std::filesystem::path& folder, RowWriter& out) {
  std::optional<std::int64_t> memory;
  std::optional<double> cores;
  std::filesystem::path at = folder;
  for (int depth = 0; depth < kDepthMax; ++depth, at = at.parent_path()) {
    if (const auto here = number_in(at / "memory.max"); here && (!memory || *here < *memory)) memory = here;
    if (const auto text = read_file(at / "cpu.max", kProcFileBytesMax); text && !text->starts_with("max")) {
      const auto w = words(std::string_view(*text).substr(0, text->find('\n')));
      const double here = w.size() < 2 || number(w[1]) == 0 ? 0 : static_cast<double>(number(w[0])) / static_cast<double>(number(w[1]));
      if (here > 0 && (!cores || here < *cores)) cores = here;
    }
    if (at == mount || !at.has_parent_path()) break;
  }
  if (memory) out.set("memory_max_bytes", *memory);
  if (cores) out.set_double("cpu_max_cores", *cores);
}

void set_disks(const std::filesystem::path& sys, const std::filesystem::path& folder, RowWriter& out) {
  const auto text = read_file(folder / "io.stat", kProcFileBytesMax);
  if (!text) return;
  static constexpr Field kFields[] = {{"rbytes", "read_bytes"}, {"wbytes", "write_bytes"}, {"rios", "reads"}, {"wios", "writes"}};
  std::int64_t sums[std::size(kFields)] = {};
  each_line(*text, [&](std::string_view line) {  // 8:0 rbytes=1 wbytes=2 …
    const auto w = words(line);
    if (w.empty()) return;
    // What goes to a volume or an array is counted for the disks under it, too.
    const auto device = sys / "dev" / "block" / std::string(w[0]);
    std::error_code error;
    if (std::filesystem::exists(device / "dm", error) || std::filesystem::exists(device / "md", error)) return;
    for (const auto& word : w) {
      const std::size_t equals = word.find('=');
      for (std::size_t i = 0; equals != std::string_view::npos && i < std::size(kFields); ++i) {
        if (kFields[i].name == word.substr(0, equals)) sums[i] += number(word.substr(equals + 1));
      }
    }
  });
  for (std::size_t i = 0; i < std::size(kFields); ++i) out.set(kFields[i].column, sums[i]);
}

void add_group(const std::filesystem::path& sys, const std::filesystem::path& mount, const std::string& group, const std::string& holds,
               RowWriter& out) {
  const std::filesystem::path folder = mount / group.substr(1);
  out.row();
  out.set_text("cgroup", to_valid_utf8(group));
  out.set_text("holds", to_valid_utf8(holds));
  set_limits(mount, folder, out);
  static constexpr Field kCpu[] = {
      {"usage_usec", "cpu_us"},      {"user_usec", "cpu_user_us"},          {"system_usec", "cpu_system_us"},
      {"nr_periods", "cpu_periods"}, {"nr_throttled", "throttled_periods"}, {"throttled_usec", "throttled_us"}};
  if (const auto text = read_file(folder / "cpu.stat", kProcFileBytesMax)) set_fields(*text, kCpu, out);
  static constexpr Field kEvents[] = {
      {"high", "memory_high_events"}, {"max", "memory_max_events"}, {"oom", "oom_events"}, {"oom_kill", "oom_kills"}};
  if (const auto text = read_file(folder / "memory.events", kProcFileBytesMax)) set_fields(*text, kEvents, out);
  static constexpr Field kMemory[] = {{"anon", "anonymous_bytes"},    {"file", "file_bytes"},
                                      {"shmem", "shared_bytes"},      {"file_dirty", "dirty_bytes"},
                                      {"pgmajfault", "major_faults"}, {"workingset_refault_file", "refaulted_file_pages"}};
  if (const auto text = read_file(folder / "memory.stat", kProcFileBytesMax)) set_fields(*text, kMemory, out);
  const std::pair<const char*, const char*> gauges[] = {{"memory.current", "memory_bytes"},    {"memory.high", "memory_high_bytes"},
                                                        {"memory.swap.current", "swap_bytes"}, {"memory.swap.max", "swap_max_bytes"},
                                                        {"pids.current", "processes"},         {"pids.max", "processes_max"}};
  for (const auto& [file, column] : gauges) {
    if (const auto value = number_in(folder / file)) out.set(column, *value);
  }
  set_disks(sys, folder, out);
  for (const char* resource : {"cpu", "memory", "io"}) set_pressure(folder, resource, out);
}

}  // namespace

Status read_cgroups(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string mounts, read_file(host.proc / "self" / "mounts", kProcFileBytesMax));
  const std::string mount = find_mount(mounts);
  if (mount.empty()) return not_here("control groups of version 2 are not mounted here");
  std::map<std::string, std::string> groups;  // to whom is in it
  const auto add = [&](const std::string& process, const std::string& who) {
    const auto group = group_of(host.proc, process);
    if (!group) return;
    std::string& holds = groups[*group];
    holds += (holds.empty() ? "" : ", ") + who;
  };
  add("self", "collector");
  for (const LocalServer& server : host.servers.all()) add(std::to_string(server.postmaster), server.target.name);
  for (const auto& [group, holds] : groups) {
    // The root of the machine has no limits and says so by not having this file; that of a container has it.
    const std::filesystem::path folder = std::filesystem::path(mount) / group.substr(1);
    std::error_code error;
    if (std::filesystem::exists(folder / "memory.current", error)) add_group(host.sys, mount, group, holds, out);
  }
  if (out.rows() == 0)
    return not_here("neither the collector nor a server that it watches is in a control group of version 2 with a memory controller");
  return {};
}

}  // namespace pga::collect
