// Supervises `pganalytics-engine`: starts it, waits until it answers, starts it again with growing pauses when it ends, ends it with us.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/task.h"

namespace pga::store {

struct EngineOptions {
  std::filesystem::path program;    // pganalytics-engine
  std::filesystem::path library;    // libchdb.so
  std::filesystem::path directory;  // data, absolute; one engine per directory
  std::filesystem::path socket;     // at most 107 bytes
  std::uint64_t memory_bytes = 1ULL << 30;
  std::chrono::seconds start_timeout{60};
  std::chrono::seconds refused_patience{15};  // an engine that outlives its killed server for a moment still holds the directory
};

// The child dies with the thread that starts it (PR_SET_PDEATHSIG), so the loop must be run by a thread that lives as long as the process.
class EngineChild {
 public:
  EngineChild(net::Loop& loop, Random& random, EngineOptions options);
  ~EngineChild();  // kills what still runs

  // Starts the child and returns when it answers; then keeps it running until the loop stops or stop() is called. Fails with kInvalid when
  // it cannot run at all (program or library missing, directory in use), with its own words.
  net::Task<Status> start();
  // Kills it, so that it starts again. From any thread.
  void restart(std::string why);
  // SIGTERM, SIGKILL after 10 s; returns when it is gone.
  net::Task<Status> stop();

  [[nodiscard]] int pid() const;  // -1 while it does not run
  [[nodiscard]] std::uint64_t restarts() const;
  [[nodiscard]] std::string last_end() const;  // why it ended last; empty: it never did

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pga::store
