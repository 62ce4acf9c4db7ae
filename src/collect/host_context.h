// What the functions that read the machine share. Internal to the library.
#pragma once

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "collect/backend_processes.h"
#include "collect/host_readers.h"
#include "collect/remote_filesystems.h"
#include "collect/row_writer.h"

namespace pga::collect {

inline constexpr std::size_t kProcFileBytesMax = 1 * kMiB;
inline constexpr std::int64_t kNanosPerMilli = 1'000'000;

struct HostContext {
  const std::filesystem::path proc;
  const std::filesystem::path sys;
  const LocalServers& servers;
  RemoteFilesystems remote_filesystems;
  std::map<std::string, BackendProcesses> backends;  // by the name of the target
  std::string note;                                  // what the reading at hand lacks, although it is complete
};

// Each appends the rows of its source. kNotFound: this kernel or machine does not have it.
Status read_cpu(HostContext& host, RowWriter& out);
Status read_cores(HostContext& host, RowWriter& out);
Status read_pressure(HostContext& host, RowWriter& out);
Status read_memory(HostContext& host, RowWriter& out);
Status read_paging(HostContext& host, RowWriter& out);
Status read_numa(HostContext& host, RowWriter& out);
Status read_disks(HostContext& host, RowWriter& out);
Status read_filesystems(HostContext& host, RowWriter& out);
Status read_network(HostContext& host, RowWriter& out);
Status read_tcp(HostContext& host, RowWriter& out);
Status read_system(HostContext& host, RowWriter& out);
Status read_settings(HostContext& host, RowWriter& out);
Status read_cgroups(HostContext& host, RowWriter& out);

// What this kernel or machine does not have.
inline Error not_here(std::string message) { return {ErrorCode::kNotFound, std::move(message)}; }

// The words of a line, between blanks and tabs.
std::vector<std::string_view> words(std::string_view line);

// As far as it is one: "12 kB" is 12, "max" is 0.
inline std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

template <class F>
void each_line(std::string_view text, F visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// Which column a name in a kernel's file becomes, and by what its number is multiplied.
struct Field {
  std::string_view name;
  std::string_view column;
  std::int64_t factor = 1;
};

// For files of lines "name number": sets the columns whose names are there.
void set_fields(std::string_view text, std::span<const Field> fields, RowWriter& out);

// /proc/mounts writes blanks and backslashes of a path as octal escapes.
std::string unescape_mount(std::string_view text);

}  // namespace pga::collect
