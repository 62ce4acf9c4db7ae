#include "collect/backend_processes.h"

#include <unistd.h>

#include <vector>

#include "base/files.h"
#include "collect/host_context.h"

namespace pga::collect {
namespace {

constexpr const char* kPostmaster = "postmaster";
constexpr std::size_t kProcessesScannedMax = 20'000;

std::int64_t tick_ns() {
  static const std::int64_t ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  return ns;
}

std::int64_t page_bytes() {
  static const std::int64_t bytes = ::sysconf(_SC_PAGESIZE);
  return bytes;
}

// The fields of /proc/PID/stat behind the name, which may have blanks and brackets: [0] is the state, the third field of proc(5).
std::vector<std::string_view> stat_fields(std::string_view stat) {
  const std::size_t end = stat.rfind(')');
  auto fields = end == std::string_view::npos ? std::vector<std::string_view>() : words(stat.substr(end + 1));
  if (fields.size() < 22) fields.clear();
  return fields;
}

// The children as the kernel lists them, or every process there is: which of them are children is seen later.
std::vector<int> candidates(const std::filesystem::path& proc, int postmaster) {
  std::vector<int> pids;
  const std::string name = std::to_string(postmaster);
  if (const auto children = read_file(proc / name / "task" / name / "children", kProcFileBytesMax)) {
    for (const auto& word : words(*children)) pids.push_back(static_cast<int>(number(word)));
    return pids;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator it(proc, error), end; !error && it != end; it.increment(error)) {
    const std::string entry = it->path().filename().string();
    if (entry[0] < '1' || entry[0] > '9') continue;
    pids.push_back(static_cast<int>(number(entry)));
    if (pids.size() >= kProcessesScannedMax) break;
  }
  return pids;
}

}  // namespace

std::string backend_type(std::string_view title) {
  if (!title.starts_with("postgres: ")) return kPostmaster;
  title.remove_prefix(10);
  // With a cluster_name, that stands first.
  static constexpr std::string_view kTypes[] = {"checkpointer",
                                                "background writer",
                                                "walwriter",
                                                "walreceiver",
                                                "walsender",
                                                "wal sender",
                                                "autovacuum launcher",
                                                "autovacuum worker",
                                                "archiver",
                                                "startup",
                                                "stats collector",
                                                "logger",
                                                "logical replication launcher",
                                                "logical replication worker",
                                                "logical replication apply worker",
                                                "logical replication parallel apply worker",
                                                "logical replication tablesync worker",
                                                "parallel worker",
                                                "io worker",
                                                "walsummarizer",
                                                "slotsync worker",
                                                "wal writer"};
  for (const std::string_view type : kTypes) {
    const std::size_t at = title.find(type);
    const bool first = at == 0 || (at != std::string_view::npos && at >= 2 && title.substr(at - 2, 2) == ": ");
    if (!first) continue;
    // A user may have such a name: theirs is followed by a database and an address.
    std::string_view rest = title.substr(at + type.size());
    if (rest.empty() || rest[0] == ' ' || rest[0] == '\0') return std::string(type);
  }
  return "client backend";
}

BackendProcesses::Found BackendProcesses::look(const std::filesystem::path& folder, int pid, int postmaster) {
  Process seen;
  if (const auto schedstat = read_file(folder / "schedstat", kProcFileBytesMax)) {
    const auto w = words(*schedstat);
    if (w.size() >= 2) {
      seen.ran_ns = number(w[0]);
      seen.waited_ns = number(w[1]);
    }
  }
  const auto known = known_.find(pid);
  if (known != known_.end() && seen.ran_ns >= 0 && known->second.ran_ns == seen.ran_ns) {
    known->second.pass = pass_;
    if (!known->second.has_io) ++without_io_;
    return Found::kChild;
  }
  const auto stat = read_file(folder / "stat", kProcFileBytesMax);
  if (!stat) return Found::kGone;
  const auto f = stat_fields(*stat);
  if (f.empty()) return Found::kGone;
  if (pid != postmaster && number(f[1]) != postmaster) return Found::kOther;
  seen.started_us = number(f[19]) * tick_ns() / 1'000;
  seen.numbers[kMinorFaults] = number(f[7]);
  seen.numbers[kMajorFaults] = number(f[9]);
  seen.numbers[kUser] = number(f[11]) * tick_ns();
  seen.numbers[kSystem] = number(f[12]) * tick_ns();
  seen.numbers[kRss] = number(f[21]) * page_bytes();
  if (const auto statm = read_file(folder / "statm", kProcFileBytesMax)) {
    const auto w = words(*statm);
    if (w.size() >= 3) seen.numbers[kPrivate] = (number(w[1]) - number(w[2])) * page_bytes();
  }
  if (const auto io = read_file(folder / "io", kProcFileBytesMax)) {
    seen.has_io = true;
    each_line(*io, [&](std::string_view line) {
      if (line.starts_with("read_bytes: ")) seen.numbers[kRead] = number(line.substr(12));
      if (line.starts_with("write_bytes: ")) seen.numbers[kWritten] = number(line.substr(13));
    });
  } else {
    ++without_io_;
  }
  const bool same = known != known_.end() && known->second.started_us == seen.started_us;
  if (same && known->second.type != kPostmaster) {  // a child has its parent's title until it sets its own
    seen.type = std::move(known->second.type);
  } else if (const auto title = read_file(folder / "cmdline", kProcFileBytesMax)) {
    seen.type = backend_type(std::string_view(*title).substr(0, title->find('\0')));
  }
  if (pid == postmaster) seen.type = kPostmaster;
  seen.pass = pass_;
  known_[pid] = std::move(seen);
  return Found::kChild;
}

void BackendProcesses::write(int pid, const Process& process, RowWriter& out) {
  out.row();
  out.set("pid", pid);
  out.set("started_us", process.started_us);
  out.set_text("type", process.type);
  out.set("cpu_user_ns", process.numbers[kUser]);
  out.set("cpu_system_ns", process.numbers[kSystem]);
  if (process.ran_ns >= 0) {
    out.set("cpu_ns", process.ran_ns);
    out.set("cpu_wait_ns", process.waited_ns);
  } else {
    out.set("cpu_ns", process.numbers[kUser] + process.numbers[kSystem]);
  }
  out.set("minor_faults", process.numbers[kMinorFaults]);
  out.set("major_faults", process.numbers[kMajorFaults]);
  out.set("rss_bytes", process.numbers[kRss]);
  out.set("private_bytes", process.numbers[kPrivate]);
  if (!process.has_io) return;
  out.set("read_bytes", process.numbers[kRead]);
  out.set("write_bytes", process.numbers[kWritten]);
}

Result<std::string> BackendProcesses::read(const std::filesystem::path& proc, int postmaster, std::size_t processes_max, RowWriter& out) {
  ++pass_;
  without_io_ = 0;
  if (look(proc / std::to_string(postmaster), postmaster, postmaster) != Found::kChild) {
    known_.clear();
    return not_here("the postmaster, process " + std::to_string(postmaster) + ", is gone, or hidden from us (hidepid, ProtectProc)");
  }
  write(postmaster, known_[postmaster], out);
  for (const int pid : candidates(proc, postmaster)) {
    if (pid == postmaster) continue;
    if (look(proc / std::to_string(pid), pid, postmaster) != Found::kChild) continue;
    write(pid, known_[pid], out);
    if (out.rows() > processes_max) break;
  }
  std::erase_if(known_, [&](const auto& process) { return process.second.pass != pass_; });
  if (without_io_ == 0) return std::string();
  return std::string("bytes read and written are missing for " + std::to_string(without_io_) +
                     " processes: the kernel shows them to the servers' own user and to whoever has CAP_SYS_PTRACE");
}

}  // namespace pga::collect
