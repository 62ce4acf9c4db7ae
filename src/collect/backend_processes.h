// What each process of a PostgreSQL server on this machine uses, from /proc/PID.
//
// A process that did not run since the last reading cannot have used anything: one small file (schedstat, nanoseconds on a processor)
// tells so, and the numbers of the last reading are given again. Only those that ran cost more.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "collect/row_writer.h"

namespace pga::collect {

class BackendProcesses {
 public:
  // Appends a row for each process whose parent is the postmaster, and for the postmaster; at most `processes_max` + 1. Returns what is
  // missing of a complete reading, or nothing. Fails with kNotFound if the postmaster is gone.
  Result<std::string> read(const std::filesystem::path& proc, int postmaster, std::size_t processes_max, RowWriter& out);

 private:
  enum Number : std::uint8_t {
    kUser,
    kSystem,
    kMinorFaults,
    kMajorFaults,
    kRss,
    kPrivate,
    kRead,
    kWritten,
    kNumbers,
  };
  struct Process {
    std::int64_t started_us = 0;  // since the machine's start
    std::int64_t ran_ns = -1;     // -1: schedstat is not there
    std::int64_t waited_ns = 0;
    std::array<std::int64_t, kNumbers> numbers{};
    bool has_io = false;
    std::string type;
    std::uint64_t pass = 0;
  };
  enum class Found : std::uint8_t { kChild, kOther, kGone };

  Found look(const std::filesystem::path& folder, int pid, int postmaster);
  static void write(int pid, const Process& process, RowWriter& out);

  std::unordered_map<int, Process> known_;
  std::uint64_t pass_ = 0;
  std::size_t without_io_ = 0;  // of the reading at hand
};

// From a process's title: "checkpointer", "client backend", … Never more of it, since it has names, addresses and what users set.
std::string backend_type(std::string_view title);

}  // namespace pga::collect
