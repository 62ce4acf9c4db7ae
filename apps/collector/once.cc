#include <cstdio>

#include "base/files.h"
#include "collect/host_target.h"
#include "runtime.h"
#include "wire/json_twin.h"

namespace pga::collector {
namespace {

// A spool that only remembers its last record: for readings that are printed instead of sent.
std::filesystem::path temporary_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "pganalytics-once-XXXXXX").string();
  return ::mkdtemp(name.data()) == nullptr ? std::filesystem::path() : std::filesystem::path(name);
}

struct Watched {
  collect::HostTarget& host;
  std::vector<std::unique_ptr<collect::PostgresTarget>> servers;
  std::vector<std::unique_ptr<collect::PgbouncerTarget>> poolers;
};

// `first_pass_end`: the last record before those of the second pass, which are one or, where there is much, several frames.
net::Task<> read_twice(net::Loop& loop, collect::Outbox& outbox, Watched& watched, journal::Journal& spool, std::uint64_t& first_pass_end,
                       int& exit_code) {
  for (int pass = 0; pass < 2; ++pass) {
    if (pass == 1) {
      const Status slept = co_await loop.sleep(std::chrono::seconds{1});
      if (!slept) break;
      first_pass_end = spool.last_index();
    }
    for (const auto& target : watched.servers) {
      const bool read = co_await target->read_once();
      if (!read) exit_code = 4;
    }
    for (const auto& pooler : watched.poolers) {
      const bool read = co_await pooler->read_once();
      if (!read) exit_code = 4;
    }
    watched.host.read_once();  // after the servers have told whether they run here
    if (auto flushed = co_await outbox.flush(); !flushed) exit_code = 3;
    if (exit_code != 0) break;
  }
  loop.stop();
}

}  // namespace

int print_once(const Config& config, const catalog::Catalog& declared) {
  const catalog::Catalog catalog = declared.with_every_row();  // only the second pass is printed
  const auto directory = temporary_directory();
  if (directory.empty()) {
    log_error("collector", "cannot make a temporary directory");
    return 3;
  }
  int exit_code = 0;
  std::string text;
  {
    SystemClock clock;
    SystemRandom random;
    net::Loop loop;
    auto spool = journal::Journal::open({directory}, clock);
    if (!spool) {
      log_error("collector", spool.error().message);
      return 3;
    }
    collect::Outbox outbox(loop, **spool, clock);
    collect::SelfStats stats;
    const collect::Intervals intervals;
    collect::LocalServers local_servers;
    collect::HostTargetOptions host_options;
    host_options.name = "this host";
    host_options.collector_name = "this collector";
    host_options.host = config.host;
    collect::HostTarget host(host_options, catalog, intervals, local_servers, loop, outbox, stats, **spool, clock);
    Watched watched{host, {}, {}};
    for (collect::PostgresTargetOptions target : config.targets) {
      target.logs.state_file.clear();  // the position is the running collector's
      watched.servers.push_back(std::make_unique<collect::PostgresTarget>(std::move(target), catalog, intervals, local_servers, loop,
                                                                          outbox, stats, clock, random));
    }
    for (const auto& target : config.poolers) {
      watched.poolers.push_back(std::make_unique<collect::PgbouncerTarget>(target, catalog, intervals, loop, outbox, stats, clock, random));
    }
    std::uint64_t after = 0;
    loop.spawn(read_twice(loop, outbox, watched, **spool, after, exit_code));
    loop.run();
    for (auto record = (*spool)->next(after); record && *record; record = (*spool)->next(after)) {
      after = (**record).id.index;
      wire::Decoder decoder;
      const auto frame = decoder.decode((**record).payload);
      const auto json = frame ? wire::to_json(*frame, true) : Result<std::string>(frame.error());
      if (json)
        text += (text.empty() ? "" : "\n") + *json;
      else
        log_error("collector", json.error().message);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  std::fputs(text.c_str(), stdout);
  std::fputc('\n', stdout);
  return text.empty() ? 3 : exit_code;
}

}  // namespace pga::collector
