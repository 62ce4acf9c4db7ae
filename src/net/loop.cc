#include "net/loop.h"

#include <pthread.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <csignal>
#include <exception>

#include "base/log.h"
#include "net/loop_internal.h"
#include "net/simulation.h"

namespace pga::net {
namespace {

Error cancelled(std::string_view what) { return {ErrorCode::kCancelled, std::string(what) + " cancelled: the loop is stopping"}; }

}  // namespace

Watch::Watch(Loop& loop, Deadline deadline, std::function<void()> action) : deadline_(deadline), action_(std::move(action)) {
  if (loop.stopping()) {
    interrupted_ = Interrupt::kStop;
  } else {
    loop.impl().insert(*this);
  }
}

void Watch::fire(Interrupt why) {
  interrupted_ = why;
  action_();
}

Status Watch::status(std::string_view what) const {
  switch (interrupted_) {
    case Interrupt::kNone:
      return {};
    case Interrupt::kDeadline:
      return Error{ErrorCode::kTimeout, std::string(what) + " did not end before its deadline"};
    case Interrupt::kStop:
      return cancelled(what);
  }
  return {};
}

void name_this_thread(const char* name) { ::pthread_setname_np(::pthread_self(), name); }

JobThreads::~JobThreads() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void JobThreads::submit(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  if (threads_.size() < threads_max_) threads_.emplace_back([this] { work(); });
  wake_.notify_one();
}

void JobThreads::work() {
  name_this_thread(name_);
  for (;;) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
  }
}

Loop::Impl::Impl(Simulation* of) : simulation(of) {
  // A peer that is gone is an error of write(), not the end of the process; OpenSSL writes without MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
}

SteadyTime Loop::Impl::now() const { return simulation != nullptr ? simulation->clock().steady_now() : std::chrono::steady_clock::now(); }

void Loop::Impl::insert(Watch& watch) {
  watches.insert(watch);
  if (watch.deadline() < armed) arm();
}

void Loop::Impl::arm() {
  armed = watches.empty() ? Deadline::max() : watches.begin()->deadline();
  if (armed == Deadline::max() || simulation != nullptr) return;
  timer.expires_at(armed);
  timer.async_wait([this](error_code error) {
    if (!error) fire_due();
  });
}

void Loop::Impl::fire_due() {
  const Deadline until = now();
  while (!watches.empty() && watches.begin()->deadline() <= until) {
    Watch& due = *watches.begin();
    due.unlink();
    due.fire(Interrupt::kDeadline);
  }
  arm();
}

Loop::Loop() : impl_(std::make_unique<Impl>(nullptr)) {}
Loop::Loop(Simulation& simulation) : impl_(std::make_unique<Impl>(&simulation)) { simulation.loops_.push_back(this); }
Loop::~Loop() {
  if (impl_->simulation != nullptr) std::erase(impl_->simulation->loops_, this);
}

void Loop::spawn(Task<> task) {
  ++impl_->activities;
  asio::co_spawn(impl_->context, std::move(task), [impl = impl_.get()](std::exception_ptr error) {
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const SimulatedCrash&) {
        impl->crashed = true;
        return;
      } catch (const std::exception& e) {
        log_error("net", std::string("an activity ended with an exception: ") + e.what());
      } catch (...) {
        log_error("net", "an activity ended with an exception");
      }
      std::abort();
    }
    --impl->activities;
  });
}

void Loop::post(std::function<void()> work) { asio::post(impl_->context, std::move(work)); }

void Loop::run() {
  impl_->context.restart();
  impl_->context.poll();  // what was posted before, even without an activity
  while (impl_->activities > 0) impl_->context.run_one();
}

void Loop::stop() {
  impl_->stopping = true;
  post([impl = impl_.get()] {
    while (!impl->watches.empty()) {
      Watch& watch = *impl->watches.begin();
      watch.unlink();
      watch.fire(Interrupt::kStop);
    }
  });
}

bool Loop::stopping() const { return impl_->stopping; }
bool Loop::crashed() const { return impl_->crashed; }

Task<Status> Loop::sleep(std::chrono::microseconds duration) {
  Timer timer(impl_->context, Deadline::max());  // waits for the watch
  const Watch watch(*this, impl_->now() + duration, [&timer] { timer.cancel(); });
  if (watch.interrupted() == Interrupt::kNone) co_await timer.async_wait(kAwait);
  if (stopping()) co_return cancelled("sleep");
  co_return Status{};
}

Task<Status> Loop::wait(int fd, Readiness readiness, Deadline deadline) {
  // Registered for the length of this wait only, since the owner may close the descriptor at any other time. One that is already registered
  // (the other direction of the same socket) is watched through a duplicate.
  Descriptor descriptor(impl_->context);
  error_code error;
  bool borrowed = true;
  if (descriptor.assign(fd, error); error) {
    const int twin = ::dup(fd);
    if (twin < 0) co_return errno_error("dup of descriptor " + std::to_string(fd));
    borrowed = false;
    if (descriptor.assign(twin, error); error) {
      ::close(twin);
      co_return unavailable("descriptor " + std::to_string(fd) + " cannot be waited for: " + error.message());
    }
  }
  const Watch watch(*this, deadline, [&descriptor] {
    error_code ignored;
    descriptor.cancel(ignored);
  });
  if (watch.interrupted() == Interrupt::kNone) {
    const auto which = readiness == Readiness::kRead ? Descriptor::wait_read : Descriptor::wait_write;
    std::tie(error) = co_await descriptor.async_wait(which, kAwait);
  }
  if (borrowed) descriptor.release();
  PGA_CO_TRY_STATUS(watch.status("wait"));
  if (error) co_return unavailable("wait for descriptor " + std::to_string(fd) + ": " + error.message());
  co_return Status{};
}

Task<> run_on(Loop& loop, JobThreads& threads, std::function<void()> work) {
  Loop::Impl& impl = loop.impl();
  if (impl.simulation != nullptr) {
    static_cast<void>(co_await loop.sleep(impl.simulation->blocking_pause()));
    work();
    static_cast<void>(co_await loop.sleep(impl.simulation->blocking_pause()));
    co_return;
  }
  Timer done(impl.context, Deadline::max());
  std::exception_ptr thrown;
  threads.submit([&loop, &work, &done, &thrown] {
    try {
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
    // Runs on the loop's thread, so after the wait below has begun.
    loop.post([&done] { done.cancel(); });
  });
  co_await done.async_wait(kAwait);
  if (thrown) std::rethrow_exception(thrown);
}

Task<> Loop::run_blocking_erased(std::function<void()> work) { return run_on(*this, impl_->workers, std::move(work)); }

struct Worker::Impl {
  Impl(Loop& on, const char* name) : loop(on), thread(name, 1) {}
  Loop& loop;
  JobThreads thread;
};

Worker::Worker(Loop& loop, const char* name) : impl_(std::make_unique<Impl>(loop, name)) {}
Worker::~Worker() = default;
Task<> Worker::run_erased(std::function<void()> work) { return run_on(impl_->loop, impl_->thread, std::move(work)); }

void Loop::on_terminate(std::function<void()> on_signal) {
  impl_->signals.emplace(impl_->context, SIGTERM, SIGINT);
  impl_->signals->async_wait([impl = impl_.get(), on_signal = std::move(on_signal)](error_code error, int) {
    if (error) return;
    impl->signals->clear();
    for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { ::_exit(130); });
    on_signal();
  });
}

void Loop::on_reload(std::function<void()> on_signal) {
  impl_->on_reload = std::move(on_signal);
  impl_->reloads.emplace(impl_->context, SIGHUP);
  impl_->wait_for_reload();
}

void Loop::Impl::wait_for_reload() {
  reloads->async_wait([this](error_code error, int) {
    if (error) return;
    on_reload();
    wait_for_reload();
  });
}

// --- Event

namespace {

struct Waiter : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  explicit Waiter(asio::io_context& context) : timer(context, Deadline::max()) {}
  Timer timer;
  bool woken = false;
};

}  // namespace

struct Event::Impl {
  Loop& loop;
  bool set = false;
  boost::intrusive::list<Waiter, boost::intrusive::constant_time_size<false>> waiters = {};
};

Event::Event(Loop& loop) : impl_(new Impl{loop}) {}
Event::~Event() = default;  // who still waits is left to its deadline
void Event::reset() { impl_->set = false; }

void Event::set() {
  impl_->set = true;
  while (!impl_->waiters.empty()) {
    Waiter& waiter = impl_->waiters.front();
    waiter.unlink();
    waiter.woken = true;
    waiter.timer.cancel();
  }
}

Task<Status> Event::wait(Deadline deadline) {
  if (impl_->loop.stopping()) co_return cancelled("wait for an event");
  if (impl_->set) co_return Status{};
  Waiter waiter(impl_->loop.impl().context);
  impl_->waiters.push_back(waiter);
  Loop& loop = impl_->loop;  // after the wait the event may be gone, if whoever set it also ended it
  const Watch watch(loop, deadline, [&waiter] { waiter.timer.cancel(); });
  co_await waiter.timer.async_wait(kAwait);
  if (watch.interrupted() == Interrupt::kStop) co_return cancelled("wait for an event");
  if (waiter.woken) co_return Status{};
  co_return Error{ErrorCode::kTimeout, "nobody set the event before the deadline"};
}

}  // namespace pga::net
