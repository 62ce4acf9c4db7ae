// The way of a frame with a real journal and directory and a store that cannot be reached: what is accepted does not depend on it.
#include "ingest/ingest.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/temporary_folder_for_test.h"
#include "wire/json_twin.h"

namespace pga::ingest {
namespace {

using namespace std::chrono_literals;

// One life of the process; a second one over the same folder is a restart after kill -9.
struct Process {
  explicit Process(const TemporaryFolder& folder, FakeClock& time)
      : clock(time),
        database(directory::Database::open(folder.path / "directory.sqlite").value()),
        journal(journal::Journal::open({.directory = folder.path / "journal", .drop_oldest_when_full = false}, clock).value()) {}

  // Runs `work` on the loop, then stops it.
  template <class F>
  void run(F work) {
    loop.spawn([this, &work]() -> net::Task<> {
      const Status started = co_await ingest.start();
      REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().message));
      co_await work();
      loop.stop();
    });
    loop.run();
  }
  Result<PushAnswer> push(const wire::Frame& frame) { return push(kFrameType, as_string(wire::Encoder().encode(frame).value())); }
  Result<PushAnswer> push(std::string_view type, const std::string& body) {
    std::optional<Result<PushAnswer>> answer;
    run([&]() -> net::Task<> { answer.emplace(co_await ingest.push(collector(), type, body)); });
    return *answer;
  }
  directory::Collector collector() {
    if (auto found = fleet.find_collector("uuid").value()) return *found;
    REQUIRE(fleet.create_enrolment_token(directory::kDefaultTenant, "secret", clock.now() + 1h, 1));
    return fleet.enrol("secret", "uuid", "db1").value().value();
  }
  static std::string as_string(const Bytes& bytes) { return std::string(as_text(bytes)); }

  FakeClock& clock;
  SystemRandom random;
  std::unique_ptr<directory::Database> database;
  std::unique_ptr<journal::Journal> journal;
  directory::Fleet fleet{*database, clock};
  catalog::Catalog catalog = catalog::Catalog::load().value();
  net::Loop loop;
  store::Store store{loop, catalog, clock, store::StoreOptions()};
  Registry registry{loop, clock, fleet, "install"};
  Ingest ingest{{.loop = loop,
                 .clock = clock,
                 .random = random,
                 .catalog = catalog,
                 .journal = *journal,
                 .database = *database,
                 .fleet = fleet,
                 .insert = [this](store::SegmentKey key, std::span<const store::StoredFrame> frames,
                                  store::Store::Earlier earlier) { return store.insert(key, frames, earlier); },
                 .sync = [this] { return store.sync(); },
                 .registry = registry}};
};

// A frame with one batch of `rows` rows of host.memory.
wire::Frame frame(const Process& process, std::uint64_t sequence, std::size_t rows = 2, std::string source = "host.memory") {
  wire::Frame f;
  f.epoch = 42;
  f.sequence = sequence;
  f.sent_us = to_micros(process.clock.now());
  f.targets.push_back({"host", "db1", "machine", "6.1"});
  f.schemas.push_back({std::move(source), {{"total", wire::ColumnKind::kGauge, wire::ColumnType::kInt}}});
  wire::Batch batch;
  batch.started_us = f.sent_us;
  batch.rows_seen = batch.rows = rows;
  batch.columns.push_back({std::vector<std::int64_t>(rows, 7), {}});
  f.batches.push_back(batch);
  return f;
}

TEST_CASE("a frame is accepted once, and its repetition says so, also after a restart") {
  const TemporaryFolder folder;
  FakeClock clock;
  {
    Process process(folder, clock);
    const auto first = process.push(frame(process, 1));
    REQUIRE_MESSAGE(first.has_value(), (first ? "" : first.error().message));
    CHECK(!first->duplicate);
    CHECK(first->rows == 2);
    CHECK(first->acknowledged == 1);
  }
  Process restarted(folder, clock);
  restarted.run([&]() -> net::Task<> {
    const auto again = co_await restarted.ingest.push(restarted.collector(), kFrameType,
                                                      Process::as_string(wire::Encoder().encode(frame(restarted, 1)).value()));
    REQUIRE(again);
    CHECK(again->duplicate);
    CHECK(again->rows == 2);
    CHECK(!restarted.ingest.ready());  // the segment of the first life still waits for the store
  });
}

TEST_CASE("many frames that arrive together share their fsync, out of order and repeated") {
  const TemporaryFolder folder;
  FakeClock clock;
  Process process(folder, clock);
  const directory::Collector collector = process.collector();
  constexpr std::uint64_t kFrames = 64;
  std::vector<std::string> bodies;
  for (std::uint64_t n = kFrames; n >= 1; --n) bodies.push_back(Process::as_string(wire::Encoder().encode(frame(process, n)).value()));
  std::size_t accepted = 0, refused = 0, open = 2 * kFrames;
  net::Event done(process.loop);
  process.run([&]() -> net::Task<> {
    for (int copy = 0; copy < 2; ++copy) {
      for (const std::string& body : bodies) {
        process.loop.spawn([&]() -> net::Task<> {
          const auto answer = co_await process.ingest.push(collector, kFrameType, body);
          ++(answer ? accepted : refused);
          if (--open == 0) done.set();
        });
      }
    }
    const Status all = co_await done.wait(Deadline::max());
    CHECK(all);
    const auto again = co_await process.ingest.push(collector, kFrameType, bodies.front());
    REQUIRE(again);
    CHECK(again->duplicate);
    CHECK(again->acknowledged == kFrames);
  });
  CHECK(accepted == kFrames);
  CHECK(refused == kFrames);  // the copies came while the first was being written: later, please
}

TEST_CASE("frames that arrive together do not overfill a journal segment") {
  const TemporaryFolder folder;
  FakeClock clock;
  Process process(folder, clock);
  const directory::Collector collector = process.collector();
  constexpr std::uint64_t kFrames = 10, kRows = kSegmentRowsMax / 4;
  std::vector<std::string> bodies;
  for (std::uint64_t n = 1; n <= kFrames; ++n)
    bodies.push_back(Process::as_string(wire::Encoder().encode(frame(process, n, kRows)).value()));
  std::size_t open = kFrames;
  net::Event done(process.loop);
  process.run([&]() -> net::Task<> {
    for (const std::string& body : bodies) {
      process.loop.spawn([&]() -> net::Task<> {
        const auto answer = co_await process.ingest.push(collector, kFrameType, body);
        CHECK(answer);
        if (--open == 0) done.set();
      });
    }
    const Status all = co_await done.wait(Deadline::max());
    CHECK(all);
  });
  std::size_t records = 0;
  for (const auto& segment : process.journal->segments()) {
    std::size_t held = 0;
    REQUIRE(process.journal->read_segment(segment.id, [&](const journal::Record&) { return ++held > 0; }));
    CHECK(held <= 4);
    records += held;
  }
  CHECK(records == kFrames);
}

TEST_CASE("what is no frame is refused with the decoder's words and counted for its collector") {
  struct Case {
    const char* what;
    std::string_view type;
    std::string body;
    ErrorCode code;
  };
  const TemporaryFolder folder;
  FakeClock clock;
  Process process(folder, clock);
  wire::Frame zero = frame(process, 1);
  zero.sequence = 0;
  wire::Frame backwards = frame(process, 1);
  backwards.gaps.push_back({5, 3, 0, 0, 0, "spool full"});
  wire::Frame nameless = frame(process, 1);
  nameless.targets[0].name.clear();
  const std::string good = Process::as_string(wire::Encoder().encode(frame(process, 1)).value());
  const Case cases[] = {
      {"nothing", kFrameType, "", ErrorCode::kCorrupt},
      {"text", kFrameType, "hello, server", ErrorCode::kCorrupt},
      {"cut in the middle", kFrameType, good.substr(0, good.size() / 2), ErrorCode::kCorrupt},
      {"more than 4 MiB", kFrameType, std::string(4 * kMiB + 1, 'x'), ErrorCode::kTooLarge},
      {"JSON that is none", kJsonType, "{", ErrorCode::kCorrupt},
      {"sequence 0", kJsonType, wire::to_json(zero).value_or("no JSON of it"), ErrorCode::kInvalid},
      {"a gap that ends before it begins", kJsonType, wire::to_json(backwards).value_or("no JSON of it"), ErrorCode::kInvalid},
      {"a target without a name", kJsonType, wire::to_json(nameless).value_or("no JSON of it"), ErrorCode::kInvalid},
  };
  const directory::Collector collector = process.collector();
  process.run([&]() -> net::Task<> {
    for (const Case& c : cases) {
      CAPTURE(c.what);
      const auto answer = co_await process.ingest.push(collector, c.type, c.body);
      REQUIRE(!answer);
      CAPTURE(answer.error().message);
      CHECK(answer.error().code == c.code);
    }
    const Status written = co_await process.registry.write_activity();
    CHECK(written);
  });
  CHECK(process.fleet.find_collector("uuid").value()->refused == std::ssize(cases));
  CHECK(process.fleet.find_collector("uuid").value()->frames == 0);
}

TEST_CASE("the JSON twin is the same frame, and rows that will not be stored are not counted") {
  struct Case {
    const char* what;
    std::uint64_t rows;
    void (*change)(wire::Frame&);
  };
  const Case cases[] = {
      {"good", 2, [](wire::Frame&) {}},
      {"unknown source", 0, [](wire::Frame& f) { f.schemas[0].source = "nobody.declared"; }},
      {"from 1970", 0, [](wire::Frame& f) { f.batches[0].started_us = 0; }},
  };
  const TemporaryFolder folder;
  FakeClock clock;
  Process process(folder, clock);
  const directory::Collector collector = process.collector();
  process.run([&]() -> net::Task<> {
    std::uint64_t sequence = 0;
    for (const Case& c : cases) {
      CAPTURE(c.what);
      wire::Frame f = frame(process, ++sequence);
      c.change(f);
      const auto answer = co_await process.ingest.push(collector, kJsonType, wire::to_json(f).value());
      REQUIRE(answer);
      CHECK(answer->rows == c.rows);
      const auto again = co_await process.ingest.push(collector, kFrameType, Process::as_string(wire::Encoder().encode(f).value()));
      CHECK(again->duplicate);
    }
  });
}

TEST_CASE("clock skew is the largest difference of the last minutes, because delay only looks like an older clock") {
  FakeClock clock;
  SkewEstimate skew;
  const auto seen = [&](std::chrono::microseconds ahead, std::chrono::microseconds delay) {
    skew.add(to_micros(clock.now() + ahead - delay), clock.now());
  };
  seen(2s, 300ms);
  seen(2s, 5min);
  CHECK(skew.value() == 1'700ms);
  clock.advance(6min);
  seen(2s, 1ms);
  CHECK(skew.value() == 1'999ms);
  clock.advance(20min);  // the clock was set right
  seen(0s, 1ms);
  CHECK(skew.value() == -1ms);
}

}  // namespace
}  // namespace pga::ingest
