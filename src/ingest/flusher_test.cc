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

TEST_CASE("a segment that a failed fsync took is skipped, and was not refused by the store") {
  set_log_level(LogLevel::kOff);
  const TemporaryFolder folder;
  FakeClock clock;
  SystemRandom random;
  journal::MemoryDisk disk;
  const auto journal = journal::Journal::open({.directory = "/journal", .drop_oldest_when_full = false}, clock, disk, random).value();
  const auto database = directory::Database::open(folder.path / "directory.sqlite").value();
  directory::Fleet fleet(*database, clock);
  REQUIRE(fleet.create_enrolment_token(directory::kDefaultTenant, "secret", clock.now() + 1h, 1));
  const auto collector = fleet.enrol("secret", "uuid", "db1").value().value();
  const auto append = [&](std::uint64_t sequence) {
    wire::Frame frame;
    frame.epoch = 42;
    frame.sequence = sequence;
    const Bytes encoded = wire::Encoder().encode(frame).value();
    const auto id = journal->append(encode_record({1, collector.id.value, "uuid", to_micros(clock.now()), {}, encoded}));
    REQUIRE(id);
    return id->segment;
  };
  std::vector<std::uint64_t> segments;
  for (const std::uint64_t sequence : {1, 2, 3}) {
    segments.push_back(append(sequence));
    if (sequence == 2) disk.syncs_to_fail = 1;
    CHECK(journal->seal().has_value() == (sequence != 2));
  }

  net::Loop loop;
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
  REQUIRE(flusher.load());
  loop.spawn(flusher.run());
  loop.spawn([&]() -> net::Task<> {
    for (const std::uint64_t segment : segments) flusher.add(segment);
    const Status drained = co_await flusher.drained(std::chrono::steady_clock::now() + 30s);
    CHECK(drained);
    loop.stop();
  });
  loop.run();
  CHECK(inserted == std::vector{segments[0], segments[2]});
  CHECK(flusher.set_aside() == 0);
  CHECK(flusher.stats().segments == 2);
  CHECK(flusher.stats().segments_gone == 1);
  CHECK(flusher.stats().last_error.empty());
  CHECK(journal->segments().empty());
  set_log_level(LogLevel::kInfo);
}

}  // namespace
}  // namespace pga::ingest
