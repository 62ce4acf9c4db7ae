#define DOCTEST_CONFIG_IMPLEMENT
#include "lab.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace pga::store::testing {
namespace {

EngineOptions engine_options(const std::filesystem::path& directory) {
  EngineOptions options;
  options.program = PGA_ENGINE;
  options.library = chdb_library();
  options.directory = directory / "data";
  options.socket = directory / "engine.sock";
  return options;
}

std::filesystem::path new_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "pga-store-XXXXXX").string();
  PGA_CHECK(::mkdtemp(name.data()) != nullptr);
  return name;
}

}  // namespace

// Where ./run setup puts it.
std::filesystem::path chdb_library() {
  const char* cache = std::getenv("PGA_CACHE");
  const char* home = std::getenv("HOME");
  const std::filesystem::path root = cache != nullptr   ? std::filesystem::path(cache)
                                     : ::geteuid() == 0 ? std::filesystem::path("/var/cache/pganalytics")
                                     : home != nullptr  ? std::filesystem::path(home) / ".cache/pganalytics"
                                                        : std::filesystem::path();
  return root / "chdb/libchdb.so";
}

void MemoryLedger::touch(const InsertSummary& summary, std::uint64_t segment) {
  for (const Resolution resolution : {Resolution::kFiveMinutes, Resolution::kOneHour}) {
    const std::int64_t step = std::chrono::microseconds(width(resolution)).count();
    for (const std::int64_t window : summary.windows_us) {
      Segments& segments = windows_[{resolution, window - window % step}];
      segments.touched = std::max(segments.touched, segment);
    }
  }
}

Result<std::vector<RollupStep>> MemoryLedger::due(Resolution resolution, std::int64_t ended_before_us, std::size_t limit) {
  std::vector<RollupStep> steps;
  for (const auto& [key, segments] : windows_) {
    const auto& [of, window] = key;
    if (of != resolution || window + std::chrono::microseconds(width(of)).count() > ended_before_us) continue;
    if (segments.touched > segments.rolled && steps.size() < limit) steps.push_back({of, window, segments.rolled, segments.touched});
  }
  return steps;
}

Status MemoryLedger::intend(const std::vector<RollupStep>& steps) {
  intended.insert(intended.end(), steps.begin(), steps.end());
  return {};
}

Status MemoryLedger::finish(const RollupStep& step) {
  if (forget_finish) return unavailable("the disk is gone");
  windows_[{step.resolution, step.window_us}].rolled = step.through_segment;
  std::erase(intended, step);
  return {};
}

std::vector<catalog::Source> declared_sources() {
  auto catalog = catalog::Catalog::load();
  if (!catalog) {
    std::fprintf(stderr, "%s\n", catalog.error().message.c_str());
    std::abort();
  }
  return catalog->sources();
}

Lab::Lab(std::vector<catalog::Source> declared)
    : directory(new_directory()),
      engine(loop, random, engine_options(directory)),
      sources(std::move(declared)),
      store(loop, sources, clock, store_options()) {}

Lab::~Lab() {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

StoreOptions Lab::store_options() const {
  StoreOptions options;
  options.client.base_url = "unix:" + (directory / "engine.sock").string();
  options.engine_directory = directory / "data";
  return options;
}

void Lab::run(std::function<net::Task<>()> body) {
  loop.spawn([](Lab& lab, std::function<net::Task<>()> work) -> net::Task<> {
    const Status started = co_await lab.engine.start();
    if (started) {
      co_await must(lab.store.prepare());
      co_await work();
      co_await must(lab.engine.stop());
    } else {
      FAIL_CHECK(started.error().message);
    }
    lab.loop.stop();
  }(*this, std::move(body)));
  loop.run();
}

}  // namespace pga::store::testing

int main(int argc, char** argv) {
  if (!std::filesystem::exists(pga::store::testing::chdb_library())) {
    std::printf("skipped: %s is not installed; ./run setup fetches it\n", pga::store::testing::chdb_library().c_str());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
