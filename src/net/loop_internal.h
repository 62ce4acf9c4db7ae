// What the server and the client need of the loop beyond its public face.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/basic_signal_set.hpp>
#include <boost/asio/executor_work_guard.hpp>

#include "net/asio_internal.h"
#include "net/loop.h"

namespace pga::net {

enum class Interrupt : std::uint8_t { kNone, kDeadline, kStop };

// While it lives, the loop calls `action` once at the deadline or when the loop is told to stop, whichever is first. The flag decides, not
// the error code of the interrupted operation: cancelling does nothing to a completion that is already queued.
class Watch : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  Watch(Loop& loop, Deadline deadline, std::function<void()> action);
  [[nodiscard]] Interrupt interrupted() const { return interrupted_; }
  // ok, kTimeout or kCancelled, with `what` in front.
  [[nodiscard]] Status status(std::string_view what) const;
  void fire(Interrupt why);
  friend bool operator<(const Watch& a, const Watch& b) { return a.deadline_ < b.deadline_; }
  [[nodiscard]] Deadline deadline() const { return deadline_; }

 private:
  const Deadline deadline_;
  const std::function<void()> action_;
  Interrupt interrupted_ = Interrupt::kNone;
};

// Threads that take jobs in order. Threads are started by submit(), on the owner's thread, and end with the jobs.
class JobThreads {
 public:
  // `name`: as `top -H` shows them; 15 characters at most.
  JobThreads(const char* name, std::size_t threads_max) : name_(name), threads_max_(threads_max) {}
  ~JobThreads();
  JobThreads(const JobThreads&) = delete;
  void submit(std::function<void()> job);

 private:
  void work();

  const char* const name_;
  const std::size_t threads_max_;
  std::mutex mutex_;  // of the next three
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

struct Loop::Impl {
  explicit Impl(Simulation* of);

  void insert(Watch& watch);
  void fire_due();
  void arm();
  [[nodiscard]] SteadyTime now() const;

  // Declared before the context: what the context destroys last unlinks itself from here.
  boost::intrusive::multiset<Watch, boost::intrusive::constant_time_size<false>> watches;
  Simulation* const simulation;  // null: real time
  bool crashed = false;
  std::atomic<bool> stopping = false;
  std::atomic<std::size_t> activities = 0;

  asio::io_context context{1};
  asio::executor_work_guard<Executor> guard{context.get_executor()};
  Timer timer{context};
  Deadline armed = Deadline::max();
  std::optional<asio::basic_signal_set<Executor>> signals;
  std::optional<asio::basic_signal_set<Executor>> reloads;
  std::function<void()> on_reload;
  void wait_for_reload();

  JobThreads workers{"blocking", 2};  // ends first
};

// Runs `work` on one of the threads and resumes on the loop; in a simulation on the loop itself, with random pauses before and after.
Task<> run_on(Loop& loop, JobThreads& threads, std::function<void()> work);

}  // namespace pga::net
