#include <unistd.h>

#include <boost/json.hpp>

#include "base/files.h"
#include "collect/host_target.h"
#include "collect/schedule.h"
#include "oracle.h"
#include "runtime.h"
#include "uplink/configuration_pull.h"
#include "uplink/link.h"
#include "uplink/uplink.h"

namespace pga::collector {
namespace {

constexpr std::chrono::seconds kDrainGrace{8};
constexpr std::chrono::milliseconds kAfterBeat{5};  // when everybody has begun to read
constexpr std::chrono::milliseconds kReadingsWaited{500};
constexpr std::chrono::microseconds kFirstShip{2'000'000};
constexpr std::uint64_t kShipsOfStart = 4;  // then declarations are parsed, servers probed, certificates fetched

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// Everything that lives as long as the process, in the order of construction.
struct Collector {
  const Config& config;
  const catalog::Catalog& catalog;
  settings::CollectorSettings own;   // of our file
  settings::CollectorSettings told;  // by the server
  collect::Intervals intervals;
  SystemClock clock;
  SystemRandom random;
  // When this process wakes, apart from other collectors that were started at the same time.
  const SteadyTime beat =
      clock.steady_now() + std::chrono::duration_cast<SteadyTime::duration>(collect::Schedule::kBeat * random.next_unit());
  net::Loop loop;
  std::unique_ptr<journal::Journal> spool;
  std::unique_ptr<collect::Outbox> outbox;
  collect::SelfStats stats;
  std::unique_ptr<uplink::Link> link;
  std::unique_ptr<uplink::Uplink> uplink;
  std::unique_ptr<uplink::ConfigurationPull> pull;
  collect::LocalServers local_servers;
  std::unique_ptr<collect::HostTarget> host;
  std::vector<std::unique_ptr<collect::PostgresTarget>> targets;
  std::vector<std::unique_ptr<collect::PgbouncerTarget>> poolers;

  Collector(const Config& c, const catalog::Catalog& known) : config(c), catalog(known), own(c.settings) {}

  [[nodiscard]] std::chrono::microseconds ship_interval() const { return own.over(told).ship_interval.value_or(kShipInterval); }

  // What changes nothing when it is not valid, wherever it comes from.
  Status apply(settings::CollectorSettings own_now, settings::CollectorSettings told_now) {
    const settings::CollectorSettings both = own_now.over(told_now);
    PGA_TRY_STATUS(settings::check_sources(both, catalog.names()));
    own = std::move(own_now);
    told = std::move(told_now);
    set_log_level(both.log_level.value_or(kLogLevel));
    intervals.set(both.intervals);
    if (uplink) uplink->set_json(both.json.value_or(false));
    return {};
  }

  Status apply_told(const std::string& yaml) {
    PGA_TRY(auto now, settings::parse_collector_settings(yaml, "the server's configuration"));
    return apply(own, std::move(now));
  }

  void copy_uplink_stats() {
    const uplink::UplinkStats up = uplink->stats();
    stats.frames_acknowledged = up.frames_acknowledged;
    stats.bytes_sent = up.bytes_sent;
    stats.push_failures = up.push_failures;
    stats.frames_quarantined = up.frames_quarantined;
    stats.rows_lost = outbox->rows_lost();
  }

  [[nodiscard]] boost::json::array target_states() const {
    boost::json::array states;
    for (const auto& target : targets) {
      const collect::TargetState state = target->state();
      boost::json::array waiting, stretched;
      for (const auto& w : state.waiting) waiting.push_back({{"database", w.database}, {"why", w.why}});
      for (const auto& s : state.stretched) {
        stretched.push_back({{"database", s.database},
                             {"sources", s.sources},
                             {"interval_ms", s.interval.count() / 1000},
                             {"usual_interval_ms", s.usual_interval.count() / 1000},
                             {"why", s.why}});
      }
      states.push_back({{"name", state.name},
                        {"databases", state.databases},
                        {"connections", state.connections},
                        {"connections_max", state.connections_max},
                        {"waiting", std::move(waiting)},
                        {"stretched", std::move(stretched)}});
    }
    return states;
  }

  void write_status() {
    const uplink::UplinkStats up = uplink->stats();
    const journal::Stats spooled = spool->stats();
    const boost::json::object status = {{"state", up.state},
                                        {"configuration", pull->in_force()},
                                        {"configuration_refused", pull->refused()},
                                        {"catching_up", up.catching_up},
                                        {"epoch", std::to_string(spooled.log_id)},
                                        {"sequence", spool->last_index()},
                                        {"acknowledged_sequence", spool->acknowledged_index()},
                                        {"frames_acked", up.frames_acknowledged},
                                        {"rows_acked", up.rows_acknowledged},
                                        {"rows_spooled", outbox->rows_spooled()},
                                        {"rows_lost", outbox->rows_lost()},
                                        {"bytes_pushed", up.bytes_sent},
                                        {"push_ms_p50", up.push_ms_p50},
                                        {"push_ms_p99", up.push_ms_p99},
                                        {"push_failures", up.push_failures},
                                        {"frames_quarantined", up.frames_quarantined},
                                        {"frames_dropped", spooled.dropped_records},
                                        {"spool_records", spooled.records},
                                        {"spool_bytes", spooled.bytes},
                                        {"targets", target_states()},
                                        {"rss_bytes", collect::resident_bytes()},
                                        {"cpu_ns", collect::cpu_time_ns()}};
    if (auto written = replace_file(config.state_dir / "status.json", boost::json::serialize(status) + "\n", 0600); !written) {
      log_warning("collector", written.error().message);
    }
  }

  net::Task<> ship() {
    collect::Schedule schedule(beat + kAfterBeat);
    const std::size_t entry = schedule.add(ship_interval(), clock.steady_now());
    while (!loop.stopping()) {
      co_await outbox->wait_for_expected(clock.steady_now() + kReadingsWaited);
      copy_uplink_stats();
      static_cast<void>(co_await outbox->flush());
      write_status();
      if (spool->last_index() <= kShipsOfStart) {
        collect::let_go_of_code();
        collect::let_go_of_memory();
      }
      // The first frame goes early: whoever installs a collector wants to see that it works.
      const bool first = spool->last_index() <= 1;
      const SteadyTime now = clock.steady_now();
      if (schedule.next().at <= now) schedule.done(entry, now);
      schedule.set_interval(entry, ship_interval(), now);
      const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(schedule.next().at - now);
      const Status slept = co_await loop.sleep(first ? std::min(pause, kFirstShip) : pause);
      if (!slept) break;
    }
  }

  // A file that is not valid changes nothing.
  void reload() {
    const auto read = load_config(config.file);
    const Status applied = read ? apply(read->settings, told) : Status(read.error());
    if (!applied) {
      log_error("collector", "the configuration stays as it is: " + applied.error().message);
      return;
    }
    log_info("collector", "server.format, ship_interval, intervals and log.level were read again; everything else needs a restart");
  }

  net::Task<Status> flush_now() {
    while (outbox->flushing()) static_cast<void>(co_await loop.sleep(std::chrono::milliseconds{20}));
    co_return co_await outbox->flush();
  }

  net::Task<> shut_down() {
    log_info("collector", "stopping: sending what is there");
    outbox->close();
    for (const auto& target : targets) co_await target->hand_over();
    const Deadline deadline = clock.steady_now() + kDrainGrace;
    Status flushed;
    bool drained = false;
    do {  // again for a reading that was under way; what comes after the deadline stays in the spool
      flushed = co_await flush_now();
      drained = co_await uplink->drain(deadline);
    } while (flushed && drained && outbox->has_pending());
    if (outbox->has_pending()) static_cast<void>(co_await flush_now());
    if (!drained)
      log_warning("collector", std::to_string(spool->stats().records) + " frames stay in the spool and will be sent after the next start");
    write_status();
    loop.stop();
  }
};

}  // namespace

int run(const Config& config, const catalog::Catalog& catalog, const std::filesystem::path& oracle_socket) {
  Collector c(config, catalog);
  journal::Options spool_options;
  spool_options.directory = config.state_dir / "spool";
  spool_options.total_bytes_max = config.spool_bytes_max;
  spool_options.segment_bytes_max = std::min<std::size_t>(16 * kMiB, config.spool_bytes_max / 4);
  const Status directory = make_directories(config.state_dir);
  auto spool = directory ? journal::Journal::open(spool_options, c.clock) : Result<std::unique_ptr<journal::Journal>>(directory.error());
  if (!spool) {
    log_error("spool", spool.error().message);
    return 3;
  }
  c.spool = std::move(*spool);
  c.outbox = std::make_unique<collect::Outbox>(c.loop, *c.spool, c.clock);

  uplink::LinkOptions link_options;
  link_options.urls = config.server_urls;
  link_options.token_file = config.token_file;
  link_options.state_dir = config.state_dir;
  link_options.name = config.name.empty() ? host_name() : config.name;
  link_options.version = PGA_VERSION;
  c.link = std::make_unique<uplink::Link>(link_options, c.loop, c.clock, c.random);

  uplink::UplinkOptions uplink_options;
  uplink_options.state_dir = config.state_dir;
  uplink_options.on_configuration = [&c](std::uint64_t version) { c.pull->announced(version); };
  Oracle oracle(oracle_socket);
  if (!oracle_socket.empty()) uplink_options.on_acknowledged = [&](const journal::Record& record) { return oracle.tell(record.payload); };
  c.uplink = std::make_unique<uplink::Uplink>(uplink_options, *c.link, c.loop, *c.spool, c.outbox->filled(), c.clock, c.random);

  c.pull = std::make_unique<uplink::ConfigurationPull>(config.state_dir, *c.link, c.loop, c.random,
                                                       [&c](const std::string& yaml) { return c.apply_told(yaml); });
  if (const Status own = c.apply(config.settings, {}); !own) {
    log_error("collector", own.error().message);
    return 2;
  }
  c.pull->restore();

  collect::HostTargetOptions host_options;
  host_options.name = host_name();
  host_options.collector_name = link_options.name;
  host_options.host = config.host;
  host_options.beat = c.beat;
  c.host = std::make_unique<collect::HostTarget>(host_options, catalog, c.intervals, c.local_servers, c.loop, *c.outbox, c.stats, *c.spool,
                                                 c.clock);
  // The first server's readings come together with those of the machine; those of others are spread.
  const std::size_t watched = config.targets.size() + config.poolers.size();
  const auto next_beat = [&] {
    return c.beat +
           std::chrono::duration_cast<SteadyTime::duration>(collect::Schedule::kBeat) * (c.targets.size() + c.poolers.size()) / watched;
  };
  for (collect::PostgresTargetOptions target : config.targets) {
    target.beat = next_beat();
    c.targets.push_back(std::make_unique<collect::PostgresTarget>(std::move(target), catalog, c.intervals, c.local_servers, c.loop,
                                                                  *c.outbox, c.stats, c.clock, c.random));
  }
  for (collect::PgbouncerTargetOptions target : config.poolers) {
    target.beat = next_beat();
    c.poolers.push_back(
        std::make_unique<collect::PgbouncerTarget>(std::move(target), catalog, c.intervals, c.loop, *c.outbox, c.stats, c.clock, c.random));
  }

  c.loop.spawn(c.pull->run());
  c.loop.spawn(c.host->run());
  for (const auto& target : c.targets) c.loop.spawn(target->run());
  for (const auto& pooler : c.poolers) c.loop.spawn(pooler->run());
  c.loop.spawn(c.ship());
  c.loop.spawn(c.uplink->run());
  c.loop.on_reload([&c] { c.reload(); });
  c.loop.on_terminate([&c] { c.loop.spawn(c.shut_down()); });
  log_info("collector", "pganalytics-collector " PGA_VERSION " watches " + std::to_string(c.targets.size()) + " PostgreSQL target(s)" +
                            (c.poolers.empty() ? "" : ", " + std::to_string(c.poolers.size()) + " PgBouncer") +
                            (config.host ? " and this machine" : ""));
  c.loop.run();
  return 0;
}

}  // namespace pga::collector
