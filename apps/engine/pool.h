// The threads that talk to chDB. Each owns one connection for life; calls block there and never on the event loop.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "chdb_api.h"
#include "statement.h"

namespace pga::engine {

inline constexpr std::size_t kAnswerBytesMax = 64 * kMiB;  // larger answers are an error that says so

// Per lane: workers, and how many statements may wait for one; beyond, the front answers 503.
struct LaneLimits {
  std::size_t workers = 1;
  std::size_t waiting_max = 1;
};
inline constexpr std::array<LaneLimits, 3> kLanes{LaneLimits{4, 64}, LaneLimits{2, 16}, LaneLimits{1, 64}};  // indexed by Lane

struct Job {
  Statement statement;
  std::string data;  // of an INSERT
  Parameters parameters;
  Answer answer;               // written by the worker before `done`
  std::function<void()> done;  // called on the worker's thread
};

class Pool {
 public:
  // Opens all connections, one after the other, and starts the threads.
  static Result<std::unique_ptr<Pool>> open(const Library& library, const std::vector<std::string>& arguments);
  ~Pool();
  Pool(const Pool&) = delete;

  [[nodiscard]] bool submit(std::shared_ptr<Job> job);                // false: the lane's queue is full, or the pool stops
  [[nodiscard]] std::uint64_t finished() const { return finished_; }  // statements so far
  [[nodiscard]] bool busy() const { return running_ > 0; }
  // Lets what runs end for at most `patience`; true if all threads ended. After false the process must leave by _exit: closing a
  // connection with a running statement aborts.
  bool stop(std::chrono::seconds patience);

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::shared_ptr<Job>> jobs;
    bool closing = false;
  };
  Pool() = default;
  void work(Queue& queue, Connection connection);

  std::array<Queue, kLanes.size()> queues_;
  std::vector<std::thread> threads_;
  std::atomic<std::uint64_t> finished_{0};
  std::atomic<std::size_t> running_{0};
  std::atomic<std::size_t> alive_{0};
};

}  // namespace pga::engine
