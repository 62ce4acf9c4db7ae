// A real engine in a directory of its own, for one test.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>

#include "base/random.h"
#include "store/engine_child.h"
#include "store/frames_testing.h"
#include "store/store.h"

namespace pga::store::testing {

inline constexpr std::int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;
inline constexpr std::int64_t kStart = 1'795'176'000 * kSecond;  // a whole hour

std::filesystem::path chdb_library();

// A ledger in memory; `crash_after_intent` loses the end of a pass.
class MemoryLedger final : public RollupLedger {
 public:
  void touch(const InsertSummary& summary, std::uint64_t segment);
  Result<std::vector<RollupStep>> unfinished() override { return intended; }
  Result<std::vector<RollupStep>> due(Resolution resolution, std::int64_t ended_before_us, std::size_t limit) override;
  Status intend(const std::vector<RollupStep>& steps) override;
  Status finish(const RollupStep& step) override;

  std::vector<RollupStep> intended;
  bool forget_finish = false;  // as if the process died between a step and its record

 private:
  struct Segments {
    std::uint64_t touched = 0;
    std::uint64_t rolled = 0;
  };
  std::map<std::pair<Resolution, std::int64_t>, Segments> windows_;
};

struct Lab {
  explicit Lab(std::vector<catalog::Source> sources);
  ~Lab();
  Lab(const Lab&) = delete;

  // Runs `body` with the engine up and `store` prepared.
  void run(std::function<net::Task<>()> body);
  StoreOptions store_options() const;

  std::filesystem::path directory;
  SystemRandom random;
  FakeClock clock{from_micros(kStart + kHour)};
  net::Loop loop;
  EngineChild engine;
  std::vector<catalog::Source> sources;
  Store store;
};

// The value of a call that must succeed; its error fails the test, and a default value goes on.
template <class T>
net::Task<T> must(net::Task<Result<T>> call) {
  Result<T> result = co_await std::move(call);
  if (!result) {
    FAIL_CHECK(result.error().message);
    co_return T{};
  }
  co_return std::move(*result);
}
inline net::Task<> must(net::Task<Status> call) {
  const Status status = co_await std::move(call);
  if (!status) FAIL_CHECK(status.error().message);
}

std::vector<catalog::Source> declared_sources();

}  // namespace pga::store::testing
