#include "ingest/flusher.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/log.h"
#include "base/temporary_folder_for_test.h"
#include "directory/fleet.h"
#include "ingest/record.h"
#include "journal/memory_disk.h"
#include "wire/codec.h"

namespace pga::ingest {
namespace {

using namespace std::chrono_literals;

// A journal of frames 1, 2, … of one collector, each in a segment of its own.
struct Fixture {
  Fixture() {
    set_log_level(LogLevel::kOff);
    REQUIRE(fleet.create_enrolment_token(directory::kDefaultTenant, "secret", clock.now() + 1h, 1));
    collector = fleet.enrol("secret", "uuid", "db1").value().value().id.value;
  }
  ~Fixture() { set_log_level(LogLevel::kInfo); }

  std::uint64_t append(std::uint64_t sequence) {
    wire::Frame frame;
    frame.epoch = 42;
    frame.sequence = sequence;
    const Bytes encoded = wire::Encoder().encode(frame).value();
    const auto id = journal->append(encode_record({1, collector, "uuid", to_micros(clock.now()), {}, encoded}));
    REQUIRE(id);
    return id->segment;
  }
  void drain(Flusher& flusher, const std::vector<std::uint64_t>& segments) {
    REQUIRE(flusher.load());
    loop.spawn(flusher.run());
    loop.spawn([](Flusher& f, const std::vector<std::uint64_t>& added, net::Loop& l) -> net::Task<> {
      for (const std::uint64_t segment : added) f.add(segment);
      const Status drained = co_await f.drained(std::chrono::steady_clock::now() + 30s);
      CHECK(drained);
      l.stop();
    }(flusher, segments, loop));
    loop.run();
  }

  const TemporaryFolder folder;
  FakeClock clock;
  SystemRandom random;
  journal::MemoryDisk disk;
  std::unique_ptr<journal::Journal> journal =
      journal::Journal::open({.directory = "/journal", .drop_oldest_when_full = false}, clock, disk, random).value();
  std::unique_ptr<directory::Database> database = directory::Database::open(folder.path / "directory.sqlite").value();
  directory::Fleet fleet{*database, clock};
  std::uint32_t collector = 0;
  net::Loop loop;
};

TEST_CASE_FIXTURE(Fixture, "a segment that a failed fsync took is skipped, and was not refused by the store") {
  std::vector<std::uint64_t> segments;
  for (const std::uint64_t sequence : {1, 2, 3}) {
    segments.push_back(append(sequence));
    if (sequence == 2) disk.syncs_to_fail = 1;
    CHECK(journal->seal().has_value() == (sequence != 2));
  }
  std::vector<std::uint64_t> inserted;
  Flusher flusher({.loop = loop,
                   .clock = clock,
                   .journal = *journal,
                   .database = *database,
                   .insert = [&](store::SegmentKey key, std::span<const store::StoredFrame> frames,
                                 store::Store::Earlier) -> net::Task<Result<store::InsertSummary>> {
                     CHECK(frames.size() == 1);
                     inserted.push_back(key.segment);
                     co_return store::InsertSummary();
                   },
                   .sync = []() -> net::Task<Status> { co_return Status(); },
                   .random = random});
  drain(flusher, segments);
  CHECK(inserted == std::vector{segments[0], segments[2]});
  CHECK(flusher.set_aside() == 0);
  CHECK(flusher.stats().segments == 2);
  CHECK(flusher.stats().segments_gone == 1);
  CHECK(flusher.stats().last_error.empty());
  CHECK(journal->segments().empty());
}

TEST_CASE_FIXTURE(Fixture, "what a store took that was started again before it was durable is compared, in order") {
  std::vector<std::uint64_t> segments;
  for (const std::uint64_t sequence : {1, 2, 3}) {
    segments.push_back(append(sequence));
    REQUIRE(journal->seal());
  }
  using Earlier = store::Store::Earlier;
  std::vector<std::pair<std::uint64_t, Earlier>> inserted;
  int run = 1, syncs = 0;
  bool restart_before_sync = false, restart_in_sync = false, restart_in_insert = false;
  SUBCASE("before the sync") { restart_before_sync = true; }
  SUBCASE("during the sync, which succeeds") { restart_in_sync = true; }
  SUBCASE("during the last insert, which succeeds") { restart_in_insert = true; }
  Flusher flusher({.loop = loop,
                   .clock = clock,
                   .journal = *journal,
                   .database = *database,
                   .insert = [&](store::SegmentKey key, std::span<const store::StoredFrame> frames,
                                 Earlier earlier) -> net::Task<Result<store::InsertSummary>> {
                     CHECK(frames.size() == 1);  // not taken for a repetition
                     inserted.emplace_back(key.segment, earlier);
                     if (restart_in_insert && inserted.size() == 3) ++run;
                     store::InsertSummary summary;
                     summary.rows = 10;
                     co_return summary;
                   },
                   .sync = [&]() -> net::Task<Status> {
                     ++syncs;
                     if (syncs == 1 && restart_before_sync) {
                       ++run;
                       co_return unavailable("a part is not whole");
                     }
                     if (syncs == 1 && restart_in_sync) ++run;
                     co_return Status();
                   },
                   .store_run = [&] { return std::to_string(run); },
                   .random = random});
  drain(flusher, segments);
  std::vector<std::pair<std::uint64_t, Earlier>> expected;
  for (const Earlier earlier : {Earlier::kNo, Earlier::kPerhaps}) {
    for (const std::uint64_t segment : segments) expected.emplace_back(segment, earlier);
  }
  CHECK(inserted == expected);
  CHECK(flusher.stats().segments == 3);
  CHECK(flusher.stats().rows == 30);
  CHECK(flusher.stats().frames_skipped == 0);
  CHECK(journal->segments().empty());
}

}  // namespace
}  // namespace pga::ingest
