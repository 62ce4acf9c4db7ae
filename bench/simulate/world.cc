#include "world.h"

#include "base/check.h"

namespace pga::simulate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kStep{50};
constexpr std::size_t kSmallSpool = 24 * kKiB;  // full after half a minute without a server
constexpr std::size_t kLargeSpool = 4 * kMiB;

class World {
 public:
  World(const Plan& plan, const catalog::Catalog& catalog)
      : plan_(plan),
        random_(plan.seed),
        time_(random_),
        around_{random_, time_, ledger_, catalog},
        server_(around_, plan.collectors),
        network_(around_, server_) {
    for (std::uint32_t number = 1; number <= plan.collectors; ++number) {
      collectors_.push_back(
          std::make_unique<CollectorMachine>(around_, network_, number, CollectorMachine::Habits{number == 1 ? kSmallSpool : kLargeSpool}));
    }
    begun_ = now();
  }

  Outcome run() {
    server_.start();
    for (const auto& c : collectors_) c->start();
    for (SteadyTime next = now(); now() < begun_ + plan_.faults_for;) {
      if (now() >= next) {
        fault();
        next = now() + milliseconds(below(6'000));
      }
      step();
    }
    heal();
    Outcome out;
    const SteadyTime end = now() + plan_.heals_within;
    while (now() < end && !drained()) step();
    for (const auto& c : collectors_) c->reads = false;
    const SteadyTime last = now() + plan_.heals_within;
    while (now() < last && !drained()) step();
    if (!drained()) {
      std::string what = "not everything reached the store within " + std::to_string(plan_.heals_within.count()) + " s of the last fault";
      for (const auto& c : collectors_) what += "; " + c->condition();
      if (!server_.drained()) what += "; the server has journal segments left";
      ledger_.violation(what);
    }
    out.seed = plan_.seed;
    out.trace = around_.trace;
    out.rows_spooled = ledger_.rows_spooled();
    out.rows_stored = ledger_.rows_stored();
    out.frames_acknowledged = ledger_.frames_acknowledged();
    out.frames_in_gaps = ledger_.frames_in_gaps();
    out.faults = faults_;
    out.wrong = ledger_.judge();
    return out;
  }

 private:
  SteadyTime now() { return time_.clock().steady_now(); }
  std::uint64_t below(std::uint64_t n) { return random_.next_u64() % n; }
  CollectorMachine& some_collector() { return *collectors_[below(collectors_.size())]; }

  void later(std::chrono::microseconds pause, std::function<void()> what) { due_.emplace(now() + pause, std::move(what)); }

  void step() {
    while (!due_.empty() && due_.begin()->first <= now()) {
      const auto what = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      what();
    }
    time_.run_until(now() + kStep);
    if (server_.crashed()) end_server(below(2) == 0);
    for (const auto& c : collectors_) {
      if (c->crashed()) end_collector(*c, below(2) == 0);
    }
    // Whoever is down comes back, also one whose disk was full when it started.
    if (!server_.running() && !server_waits_) {
      server_waits_ = true;
      later(milliseconds(50 + below(3'000)), [this] {
        server_waits_ = false;
        server_.start();
      });
    }
    for (const auto& c : collectors_) {
      if (c->running() || waits_.contains(c->number())) continue;
      waits_.insert(c->number());
      later(milliseconds(50 + below(3'000)), [this, machine = c.get()] {
        waits_.erase(machine->number());
        machine->start();
      });
    }
  }

  void end_server(bool power) {
    power ? server_.disk.cut_power(random_) : server_.disk.kill();
    if (power) server_.store.cut_power();
    server_.disk.before_change = [] {};
    network_.server_is_gone();
    server_.stop();
    around_.happened("server ends");
  }
  void end_collector(CollectorMachine& c, bool power) {
    power ? c.disk.cut_power(random_) : c.disk.kill();
    c.disk.before_change = [] {};
    c.stop();
    around_.happened("collector ends");
  }
  // The process dies in the middle of what it does to its disk.
  void crash_soon(journal::MemoryDisk& disk) {
    disk.before_change = [left = 1 + below(40), &disk]() mutable {
      if (--left > 0) return;
      disk.kill();
      throw net::SimulatedCrash();
    };
  }

  void fault() {
    static constexpr const char* kKinds[] = {"kill server",
                                             "kill collector",
                                             "power cut of the server",
                                             "power cut of a collector",
                                             "server dies at its disk",
                                             "collector dies at its disk",
                                             "fsync fails on the server",
                                             "fsync fails on a collector",
                                             "disk full on the server",
                                             "disk full on a collector",
                                             "engine down",
                                             "engine flaky",
                                             "network flaky",
                                             "collector cut off",
                                             "server away for long",
                                             "clock of a collector steps",
                                             "clock of the server steps"};
    const std::size_t kind = below(std::size(kKinds));
    ++faults_[kKinds[kind]];
    around_.happened(kKinds[kind]);
    CollectorMachine& c = some_collector();
    switch (kind) {
      case 0:
      case 2:
        if (server_.running()) end_server(kind == 2);
        break;
      case 1:
      case 3:
        if (c.running()) end_collector(c, kind == 3);
        break;
      case 4:
        if (server_.running()) crash_soon(server_.disk);
        break;
      case 5:
        if (c.running()) crash_soon(c.disk);
        break;
      case 6:
        server_.disk.syncs_to_fail = 1;
        break;
      case 7:
        c.disk.syncs_to_fail = 1;
        break;
      case 8:
        server_.disk.bytes_max = server_.disk.used_bytes() + below(4'000);
        later(seconds(1 + below(8)), [this] { server_.disk.bytes_max = UINT64_MAX; });
        break;
      case 9:
        c.disk.bytes_max = c.disk.used_bytes() + below(4'000);
        later(seconds(1 + below(8)), [machine = &c] { machine->disk.bytes_max = UINT64_MAX; });
        break;
      case 10:
        server_.store.down = true;
        later(milliseconds(500 + below(10'000)), [this] { server_.store.restart(); });
        break;
      case 11:
        server_.store.flaky = true;
        later(seconds(2 + below(15)), [this] { server_.store.flaky = false; });
        break;
      case 12:
        network_.flaky = true;
        later(seconds(2 + below(20)), [this] { network_.flaky = false; });
        break;
      case 13:
        network_.cut_off.insert(c.number());
        later(seconds(2 + below(20)), [this, number = c.number()] { network_.cut_off.erase(number); });
        break;
      case 14:
        if (below(2) != 0) break;  // long enough for a small spool to fill
        for (const auto& machine : collectors_) network_.cut_off.insert(machine->number());
        later(seconds(30 + below(60)), [this] { network_.cut_off.clear(); });
        break;
      case 15:
        c.clock.offset = seconds(static_cast<std::int64_t>(below(240)) - 120);
        break;
      case 16:
        server_.clock.offset = seconds(static_cast<std::int64_t>(below(120)) - 60);
        break;
      default:
        PGA_CHECK(false);
    }
  }

  void heal() {
    due_.clear();
    waits_.clear();
    server_waits_ = false;
    network_.cut_off.clear();
    network_.flaky = false;
    server_.store.down = server_.store.flaky = false;
    server_.disk.bytes_max = UINT64_MAX;
    server_.disk.syncs_to_fail = 0;
    server_.disk.before_change = [] {};
    for (const auto& c : collectors_) {
      c->disk.bytes_max = UINT64_MAX;
      c->disk.syncs_to_fail = 0;
      c->disk.before_change = [] {};
    }
  }

  bool drained() {
    return server_.drained() && std::ranges::all_of(collectors_, [](const auto& c) { return c->drained(); });
  }

  const Plan plan_;
  SeededRandom random_;
  net::Simulation time_;
  Ledger ledger_;
  Surroundings around_;
  ServerMachine server_;
  Network network_;
  std::vector<std::unique_ptr<CollectorMachine>> collectors_;
  std::multimap<SteadyTime, std::function<void()>> due_;
  std::set<std::uint32_t> waits_;
  bool server_waits_ = false;
  std::map<std::string, int> faults_;
  SteadyTime begun_{};
};

}  // namespace

Outcome run(const Plan& plan, const catalog::Catalog& catalog) { return World(plan, catalog).run(); }

}  // namespace pga::simulate
