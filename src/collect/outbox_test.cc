#include "collect/outbox.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/random.h"
#include "base/temporary_folder_for_test.h"
#include "collect/gatherer.h"
#include "collect/self_stats.h"

namespace pga::collect {
namespace {

struct Spool {
  TemporaryFolder folder;  // first, so that it goes last
  const std::filesystem::path& path = folder.path;
  FakeClock clock;
  std::unique_ptr<journal::Journal> journal;
  Spool() {
    auto opened = journal::Journal::open({path / "spool"}, clock);
    REQUIRE(opened);
    journal = std::move(*opened);
  }
  std::vector<wire::Frame> frames() const {
    std::vector<wire::Frame> out;
    wire::Decoder decoder;
    std::uint64_t after = 0;
    while (true) {
      auto record = journal->next(after);
      REQUIRE(record);
      if (!*record) return out;
      auto frame = decoder.decode((**record).payload);
      REQUIRE_MESSAGE(frame, (frame ? "" : frame.error().message));
      CHECK(frame->sequence == (**record).id.index);
      out.push_back(std::move(*frame));
      after = (**record).id.index;
    }
  }
};

constexpr const char* kSource =
    "name: t.x\ndoc: d\nscope: instance\nshape: samples\ninterval: 1s\nlimits: { rows: 100000 }\nfrom: v\ncolumns:\n  k: { kind: key, "
    "type: text, doc: d }\n";

// A reading of `rows` texts of `bytes` random characters each: nothing that a compressor could shrink much.
Reading reading(std::size_t rows, std::size_t bytes) {
  Reading r;
  r.started_us = 1;
  r.cells.rows = rows;
  r.cells.columns.resize(1);
  SeededRandom words(7);
  for (std::size_t i = 0; i < rows; ++i) {
    std::string text;
    while (text.size() < bytes) text += std::to_string(words.next_u64());
    r.cells.columns[0].values.push_back(0);
    r.cells.columns[0].present.push_back(1);
    r.cells.columns[0].texts.push_back(r.cells.storage.emplace_back(text));
  }
  return r;
}

void flush(net::Loop& loop, Outbox& outbox) {
  loop.spawn([](Outbox& o) -> net::Task<> { CHECK(co_await o.flush()); }(outbox));
  loop.run();
}

TEST_CASE("what was added is in the spool after a flush, numbered as the spool numbers it") {
  Spool spool;
  net::Loop loop;
  Outbox outbox(loop, *spool.journal, spool.clock);
  SelfStats stats;
  const auto source = catalog::Catalog::parse(kSource, "t.yaml");
  REQUIRE(source);
  Gatherer gatherer(*source, "", outbox, stats);
  const wire::Target target{"postgres", "t", "1", "18"};
  gatherer.add(target, reading(2, 10));
  gatherer.add(target, Reading::failed(wire::Outcome::kLock, "held"));
  flush(loop, outbox);
  flush(loop, outbox);  // nothing to write: no frame
  const auto frames = spool.frames();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].epoch == spool.journal->stats().log_id);
  REQUIRE(frames[0].batches.size() == 2);
  CHECK(frames[0].batches[0].rows == 2);
  CHECK(frames[0].batches[1].detail == "held");
  CHECK(stats.readings_failed == 1);
  CHECK(outbox.rows_spooled() == 2);
}

TEST_CASE("a reading of a series that got no lock has nothing, and the next one covers its interval") {
  Spool spool;
  net::Loop loop;
  Outbox outbox(loop, *spool.journal, spool.clock);
  SelfStats stats;
  const auto source = catalog::Catalog::parse(
      "name: t.x\ndoc: d\nscope: instance\ninterval: 10s\nfrom: v\ncolumns:\n  k: { kind: key, doc: d }\n"
      "  calls: { kind: counter, unit: calls, doc: d }\n",
      "t.yaml");
  REQUIRE(source);
  Gatherer gatherer(*source, "", outbox, stats);
  const auto counted = [](std::int64_t started_us, std::int64_t calls) {
    Reading r;
    r.started_us = started_us;
    r.cells.rows = 1;
    r.cells.columns = {{{1}, {}, {1}}, {{calls}, {}, {1}}};
    return r;
  };
  Reading locked = Reading::failed(wire::Outcome::kLock, "canceling statement due to lock timeout", "55P03");
  locked.started_us = 20;
  const wire::Target target{"postgres", "t", "1", "18"};
  gatherer.add(target, counted(10, 100));
  gatherer.add(target, std::move(locked));
  gatherer.add(target, counted(30, 130));
  flush(loop, outbox);
  const auto frames = spool.frames();
  REQUIRE(frames.size() == 1);
  REQUIRE(frames[0].batches.size() == 3);
  CHECK(frames[0].batches[1].outcome == wire::Outcome::kLock);
  CHECK(frames[0].batches[1].rows == 0);
  const wire::Batch& last = frames[0].batches[2];
  CHECK(last.interval_us == 20);
  REQUIRE(last.rows == 1);
  CHECK(last.columns[1].values == std::vector<std::int64_t>{30});
  CHECK(last.columns[2].values == std::vector<std::int64_t>{0});  // not an estimate
}

TEST_CASE("readings that are too much for one frame travel in several and none is lost") {
  Spool spool;
  net::Loop loop;
  Outbox outbox(loop, *spool.journal, spool.clock);
  SelfStats stats;
  const auto source = catalog::Catalog::parse(kSource, "t.yaml");
  REQUIRE(source);
  for (int i = 0; i < 6; ++i) {
    // Each gatherer's texts are the same for the frame's string table only if they are equal; make them differ by length.
    Gatherer gatherer(*source, "", outbox, stats);
    gatherer.add({"postgres", "t", "1", "18"}, reading(30, 60'000 + static_cast<std::size_t>(i) * 100));
  }
  flush(loop, outbox);
  const auto frames = spool.frames();
  CHECK(frames.size() > 1);
  std::size_t rows = 0;
  for (const auto& frame : frames) rows += frame.row_count();
  CHECK(rows == 180);
}

TEST_CASE("a gap that was in a refused frame is told again, and no reading travels with it") {
  Spool spool;
  spool.journal = journal::Journal::open({spool.path / "small", 512, 2 * kKiB, true}, spool.clock).value();
  net::Loop loop;
  Outbox outbox(loop, *spool.journal, spool.clock);
  SelfStats stats;
  const auto source = catalog::Catalog::parse(kSource, "t.yaml");
  REQUIRE(source);
  Gatherer gatherer(*source, "", outbox, stats);
  while (spool.journal->gaps().empty()) {
    gatherer.add({"postgres", "t", "1", "18"}, reading(10, 10));
    flush(loop, outbox);
  }
  REQUIRE(spool.journal->acknowledge(spool.journal->last_index()));  // room, so that no other gap comes
  flush(loop, outbox);
  const wire::Frame refused = spool.frames().back();
  REQUIRE(refused.gaps.size() == 1);
  REQUIRE(spool.journal->give_up(refused.sequence));
  gatherer.add({"postgres", "t", "1", "18"}, reading(1, 10));
  flush(loop, outbox);
  const auto frames = spool.frames();
  const wire::Frame& alone = frames.back();
  REQUIRE(alone.gaps.size() == 1);
  CHECK(alone.gaps == refused.gaps);
  CHECK(alone.batches.empty());
  const wire::Frame& before = frames.at(frames.size() - 2);
  CHECK(before.gaps.empty());
  CHECK(before.row_count() == 1);
  CHECK(before.sequence == refused.sequence + 1);
  REQUIRE(spool.journal->acknowledge_one(alone.sequence));
  CHECK(spool.journal->gaps().empty());
}

TEST_CASE("one reading that is too much for a frame travels in parts, and only the first says that it is a reading") {
  Spool spool;
  net::Loop loop;
  Outbox outbox(loop, *spool.journal, spool.clock);
  SelfStats stats;
  const auto source = catalog::Catalog::parse(kSource, "t.yaml");
  REQUIRE(source);
  Gatherer gatherer(*source, "", outbox, stats);
  gatherer.add({"postgres", "t", "1", "18"}, reading(200, 60'000));
  flush(loop, outbox);
  std::size_t rows = 0, readings = 0;
  for (const auto& frame : spool.frames()) {
    rows += frame.row_count();
    for (const auto& batch : frame.batches) readings += batch.rows_seen > 0 ? 1 : 0;
  }
  CHECK(rows == 200);
  CHECK(readings == 1);
  CHECK(outbox.rows_lost() == 0);
}

}  // namespace
}  // namespace pga::collect
