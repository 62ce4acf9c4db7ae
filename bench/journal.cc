// What does a durable record cost, by its size and by how many records share one sync?
//
// Appends a group of records and syncs, in $PGA_BENCH_DIR (default: the temporary directory; use the disk that matters, and not a
// tmpfs). s_record is wall time by record; "unsynced" never syncs but at the end of a segment, so it is what the format itself costs.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/check.h"
#include "journal/crc32c.h"
#include "journal/journal.h"

namespace {

using namespace pga;
using namespace pga::journal;

class TemporaryLog {
 public:
  TemporaryLog() {
    const char* const wanted = std::getenv("PGA_BENCH_DIR");
    std::string name =
        ((wanted != nullptr ? std::filesystem::path(wanted) : std::filesystem::temp_directory_path()) / "bench-journal-XXXXXX").string();
    PGA_CHECK(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    auto journal = Journal::open({path_ / "log", 16 * kMiB, 128 * kMiB, true}, clock_);
    PGA_CHECK(journal.has_value());
    journal_ = std::move(*journal);
  }
  ~TemporaryLog() {
    journal_.reset();
    std::filesystem::remove_all(path_);
  }
  Journal& journal() { return *journal_; }

 private:
  SystemClock clock_;
  std::filesystem::path path_;
  std::unique_ptr<Journal> journal_;
};

void report(benchmark::State& state, std::size_t payload_bytes, std::int64_t records) {
  state.SetBytesProcessed(state.iterations() * records * static_cast<std::int64_t>(payload_bytes));
  state.counters["s_record"] =
      benchmark::Counter(static_cast<double>(records), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void append_and_sync(benchmark::State& state) {
  const Bytes payload(static_cast<std::size_t>(state.range(0)), std::byte{42});
  const std::int64_t group = state.range(1);
  TemporaryLog log;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < group; ++i) PGA_CHECK(log.journal().append(payload).has_value());
    PGA_CHECK(log.journal().sync().has_value());
  }
  report(state, payload.size(), group);
}

void append_unsynced(benchmark::State& state) {
  const Bytes payload(static_cast<std::size_t>(state.range(0)), std::byte{42});
  TemporaryLog log;
  for (auto _ : state) PGA_CHECK(log.journal().append(payload).has_value());
  report(state, payload.size(), 1);
}

void crc32c_alone(benchmark::State& state) {
  const Bytes payload(static_cast<std::size_t>(state.range(0)), std::byte{42});
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(0, payload));
  report(state, payload.size(), 1);
}

BENCHMARK(append_and_sync)->ArgNames({"bytes", "group"})->ArgsProduct({{1'024, 13'312, 262'144}, {1, 8, 64}})->UseRealTime();
BENCHMARK(append_unsynced)->ArgName("bytes")->Arg(1'024)->Arg(13'312)->Arg(262'144)->UseRealTime();
BENCHMARK(crc32c_alone)->ArgName("bytes")->Arg(13'312);

}  // namespace

BENCHMARK_MAIN();
