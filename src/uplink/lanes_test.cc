#include "uplink/lanes.h"

#include <doctest/doctest.h>

#include "journal/memory_disk.h"

namespace pga::uplink {
namespace {

struct Spool {
  FakeClock clock;
  journal::MemoryDisk disk;
  std::unique_ptr<journal::Journal> journal = journal::Journal::open({"/spool"}, clock, disk).value();
  Lanes lanes{*journal};

  void append(int count) {
    for (int i = 0; i < count; ++i) REQUIRE(journal->append(as_bytes("frame")));
    REQUIRE(journal->sync());
  }
  // Which goes next, 0 if none does now; it is acknowledged after so many milliseconds.
  std::uint64_t send(int milliseconds = 10) {
    const auto pick = lanes.next(clock.steady_now());
    REQUIRE(pick);
    if (!pick->record) return 0;
    const auto took = std::chrono::milliseconds(milliseconds);
    clock.advance(took);
    REQUIRE(journal->acknowledge_one(pick->record->id.index));
    if (pick->backlog) lanes.backlog_sent(clock.steady_now(), took);
    return pick->record->id.index;
  }
};

TEST_CASE("frames that come one by one go in their order") {
  Spool spool;
  for (std::uint64_t frame = 1; frame <= 5; ++frame) {
    spool.append(1);
    CHECK(spool.send() == frame);
    CHECK(spool.send() == 0);
  }
  CHECK_FALSE(spool.lanes.catching_up());
}

TEST_CASE("after an outage the newest goes first, the backlog follows from its oldest, and takes half of the time") {
  Spool spool;
  spool.append(10);
  CHECK(spool.send() == 10);
  CHECK(spool.lanes.catching_up());
  CHECK(spool.send(20) == 1);
  CHECK(spool.send() == 0);  // the backlog waits as long as its frame took
  CHECK(spool.lanes.next(spool.clock.steady_now())->wait_until == spool.clock.steady_now() + std::chrono::milliseconds(20));
  spool.append(1);
  CHECK(spool.send() == 11);  // what is fresh does not
  spool.clock.advance(std::chrono::milliseconds(20));
  CHECK(spool.send() == 2);
  spool.lanes.hurry();
  for (std::uint64_t frame = 3; frame <= 9; ++frame) CHECK(spool.send() == frame);
  CHECK(spool.send() == 0);
  CHECK_FALSE(spool.lanes.catching_up());
}

TEST_CASE("a second outage while it catches up makes the newest the first again") {
  Spool spool;
  spool.append(6);
  CHECK(spool.send() == 6);
  spool.append(6);
  CHECK(spool.send() == 12);
  CHECK(spool.send() == 1);
}

}  // namespace
}  // namespace pga::uplink
