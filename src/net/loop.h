// One event loop, driven by the thread that calls run().
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

#include "base/clock.h"
#include "base/result.h"
#include "net/task.h"

namespace pga::net {

enum class Readiness : std::uint8_t { kRead, kWrite };

class Simulation;

class Loop {
 public:
  Loop();
  explicit Loop(Simulation& simulation);  // in simulated time (simulation.h): run() is the simulation's, workers are the loop's own thread
  ~Loop();
  Loop(const Loop&) = delete;

  // Starts an activity; it is counted, and run() returns only when all activities have ended. An exception that leaves it stops the
  // process. From any thread; on the loop's own thread it begins at once, up to its first wait. Everything below that waits is called on
  // that thread.
  void spawn(Task<> task);
  // The same for a lambda that is a coroutine: it is kept until the activity ends, so its captures stay valid.
  template <class F>
    requires std::is_same_v<std::invoke_result_t<F&>, Task<>>
  void spawn(F activity) {
    spawn([](F kept) -> Task<> { co_await kept(); }(std::move(activity)));
  }
  void post(std::function<void()> work);  // from any thread
  void run();                             // until every activity ended
  // Asks every sleep(), wait() and accept to end with kCancelled, now and from now on. From any thread, also twice.
  void stop();
  [[nodiscard]] bool stopping() const;
  [[nodiscard]] bool crashed() const;  // only in a simulation

  // kCancelled when the loop is stopping.
  Task<Status> sleep(std::chrono::microseconds duration);
  // Waits until the descriptor (not owned, non-blocking) is ready; kTimeout at the deadline, kCancelled when stopping.
  Task<Status> wait(int fd, Readiness readiness, Deadline deadline);
  // Runs `work` on this loop's two worker threads and resumes here: for compression, fsync, files, password hashes, SQLite. Not ended by
  // stop(). An exception of `work` comes out here.
  template <class F>
  auto run_blocking(F work) -> Task<std::invoke_result_t<F>>;

  // Calls `on_signal` once on the loop for SIGTERM or SIGINT; a second signal exits the process at once with 130.
  void on_terminate(std::function<void()> on_signal);
  // Calls `on_signal` on the loop for each SIGHUP.
  void on_reload(std::function<void()> on_signal);

  struct Impl;
  Impl& impl() { return *impl_; }  // net's own use

 private:
  Task<> run_blocking_erased(std::function<void()> work);
  std::unique_ptr<Impl> impl_;
};

// As `top -H` shows it; 15 characters at most.
void name_this_thread(const char* name);

// One thread of its own for a loop, which does one thing after the other: what must not wait for the loop's shared workers. Ends what it
// was given before it goes.
class Worker {
 public:
  Worker(Loop& loop, const char* name);
  ~Worker();
  template <class F>
  auto run(F work) -> Task<std::invoke_result_t<F>>;  // as Loop::run_blocking

 private:
  Task<> run_erased(std::function<void()> work);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <class F>
auto Worker::run(F work) -> Task<std::invoke_result_t<F>> {
  std::optional<std::invoke_result_t<F>> result;
  co_await run_erased([&] { result.emplace(work()); });
  co_return std::move(*result);
}

template <class F>
auto Loop::run_blocking(F work) -> Task<std::invoke_result_t<F>> {
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    co_await run_blocking_erased(std::move(work));
  } else {
    std::optional<std::invoke_result_t<F>> result;
    co_await run_blocking_erased([&] { result.emplace(work()); });
    co_return std::move(*result);
  }
}

// Lets activities of one loop wait for each other: set() wakes everybody who waits; a wait after set() returns at once until reset().
// Belongs to its loop's thread.
class Event {
 public:
  explicit Event(Loop& loop);
  ~Event();
  void set();
  void reset();
  Task<Status> wait(Deadline deadline);  // kTimeout, kCancelled

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pga::net
