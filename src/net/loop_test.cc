#include "net/loop.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "base/files.h"

namespace pga::net {
namespace {

using namespace std::chrono_literals;

Deadline after(std::chrono::microseconds step) { return std::chrono::steady_clock::now() + step; }

// Runs one activity to its end.
template <class F>
void run(Loop& loop, F activity) {
  loop.spawn(std::move(activity));
  loop.run();
}

struct Pair {
  Pair() {
    std::array<int, 2> fds;
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()) == 0);
    near = FileDescriptor(fds[0]);
    far = FileDescriptor(fds[1]);
  }
  FileDescriptor near, far;
};

TEST_CASE("run returns at once without an activity, after what was posted") {
  Loop loop;
  bool posted = false;
  loop.post([&] { posted = true; });
  loop.run();
  CHECK(posted);
}

TEST_CASE("run ends when every activity has ended, also those started by others") {
  Loop loop;
  int ended = 0;
  const auto inner = [&]() -> Task<> {
    CHECK(co_await loop.sleep(2ms));
    ++ended;
  };
  run(loop, [&]() -> Task<> {
    loop.spawn(inner);
    loop.spawn(inner);
    ++ended;
    co_return;
  });
  CHECK(ended == 3);
}

TEST_CASE("stop ends a sleep, a wait for a descriptor and a wait for an event, and all later ones") {
  Loop loop;
  Event event(loop);
  Pair pair;
  std::vector<ErrorCode> codes;
  const auto note = [&](const Status& status) { codes.push_back(status ? ErrorCode::kInternal : status.error().code); };
  loop.spawn([&]() -> Task<> {
    note(co_await loop.sleep(1h));
    note(co_await loop.sleep(1h));
  });
  loop.spawn([&]() -> Task<> {
    note(co_await loop.wait(pair.near.get(), Readiness::kRead, Deadline::max()));
    note(co_await loop.wait(pair.near.get(), Readiness::kWrite, Deadline::max()));
  });
  loop.spawn([&]() -> Task<> {
    note(co_await event.wait(Deadline::max()));
    event.set();
    note(co_await event.wait(Deadline::max()));
  });
  std::thread other([&] { loop.stop(); });
  loop.run();
  other.join();
  loop.stop();
  CHECK(codes == std::vector<ErrorCode>(6, ErrorCode::kCancelled));
}

TEST_CASE("a wait for a descriptor ends when it is ready, and does not take it over") {
  Loop loop;
  Pair pair;
  run(loop, [&]() -> Task<> {
    for (int i = 0; i < 3; ++i) {
      REQUIRE(::write(pair.far.get(), "x", 1) == 1);
      CHECK(co_await loop.wait(pair.near.get(), Readiness::kRead, after(5s)));
      char byte = 0;
      CHECK(::read(pair.near.get(), &byte, 1) == 1);
      CHECK(co_await loop.wait(pair.near.get(), Readiness::kWrite, after(5s)));
    }
    const auto late = co_await loop.wait(pair.near.get(), Readiness::kRead, after(3ms));
    CHECK(late.error().code == ErrorCode::kTimeout);
    CHECK(late.error().message == "wait did not end before its deadline");
  });
  CHECK(::fcntl(pair.near.get(), F_GETFD) >= 0);
}

TEST_CASE("two activities may wait for the two directions of one descriptor") {
  Loop loop;
  Pair pair;
  int ready = 0;
  loop.spawn([&]() -> Task<> {
    CHECK(co_await loop.wait(pair.near.get(), Readiness::kRead, after(5s)));
    ++ready;
  });
  loop.spawn([&]() -> Task<> {
    CHECK(co_await loop.wait(pair.near.get(), Readiness::kWrite, after(5s)));
    ++ready;
    CHECK(::write(pair.far.get(), "x", 1) == 1);
  });
  loop.run();
  CHECK(ready == 2);
}

TEST_CASE("a wait for a descriptor that is not open is an error") {
  Loop loop;
  run(loop, [&]() -> Task<> {
    const auto status = co_await loop.wait(987, Readiness::kRead, after(5s));
    CHECK(status.error().code == ErrorCode::kUnavailable);
  });
}

TEST_CASE("blocking work runs on another thread and its value or exception comes back") {
  Loop loop;
  run(loop, [&]() -> Task<> {
    const auto here = std::this_thread::get_id();
    const auto there = co_await loop.run_blocking([] { return std::this_thread::get_id(); });
    CHECK(here != there);
    CHECK(here == std::this_thread::get_id());
    CHECK(co_await loop.run_blocking([] { return std::string(100, 'x'); }) == std::string(100, 'x'));
    co_await loop.run_blocking([] {});
    bool thrown = false;
    try {
      co_await loop.run_blocking([]() -> int { throw std::runtime_error("no"); });
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    CHECK(thrown);
  });
}

TEST_CASE("blocking work of many activities is all done, by two threads") {
  Loop loop;
  int done = 0;
  for (int i = 0; i < 100; ++i) {
    loop.spawn([](Loop& on, int& count, int number) -> Task<> {
      CHECK(co_await on.run_blocking([=] { return number * 2; }) == number * 2);
      ++count;
    }(loop, done, i));
  }
  loop.run();
  CHECK(done == 100);
}

TEST_CASE("an event wakes everybody who waits and stays set until reset") {
  Loop loop;
  Event event(loop);
  int woken = 0;
  for (int i = 0; i < 3; ++i) {
    loop.spawn([](Event& on, int& count) -> Task<> {
      CHECK(co_await on.wait(after(5s)));
      ++count;
    }(event, woken));
  }
  loop.spawn([&]() -> Task<> {
    CHECK(co_await loop.sleep(1ms));
    event.set();
    CHECK(co_await event.wait(after(5s)));
    event.reset();
    CHECK((co_await event.wait(after(2ms))).error().code == ErrorCode::kTimeout);
  });
  loop.run();
  CHECK(woken == 3);
}

TEST_CASE("a signal to terminate calls back once on the loop") {
  Loop loop;
  int calls = 0;
  loop.on_terminate([&] {
    ++calls;
    loop.stop();
  });
  run(loop, [&]() -> Task<> {
    ::kill(::getpid(), SIGTERM);
    CHECK(!co_await loop.sleep(1h));
  });
  CHECK(calls == 1);
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
}

TEST_CASE("a loop may be destroyed with activities that never ended") {
  Pair pair;
  bool ended = false;
  {
    Loop loop;
    loop.spawn([](Loop& on, int fd, bool& flag) -> Task<> {
      (void)co_await on.wait(fd, Readiness::kRead, Deadline::max());
      flag = true;
    }(loop, pair.near.get(), ended));
    loop.spawn([&]() -> Task<> { co_await loop.run_blocking([] { std::this_thread::sleep_for(1ms); }); });
    loop.post([&] { loop.stop(); });
  }
  CHECK(!ended);
}

}  // namespace
}  // namespace pga::net
