#include "run.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cstdio>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "simulated_collector.h"

namespace pga::load {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr rlim_t kDescriptorsMax = 20'000;
constexpr std::size_t kEnrollingMax = 32;  // at once, of one loop
constexpr auto kLookEvery = 100ms;
constexpr auto kSettle = 1s;  // between the last enrolment and the first push

// A loop with its thread's share of the collectors.
struct Share {
  net::Loop loop;
  SystemRandom random;
  std::vector<std::unique_ptr<SimulatedCollector>> collectors;
  std::size_t next_to_enrol = 0;
};

struct Run {
  const Plan& plan;
  SystemClock clock;
  Tally tally;
  std::vector<std::unique_ptr<Share>> shares;
  std::atomic<std::size_t> ready = 0;
  std::atomic<std::size_t> done = 0;  // collectors that made all pushes and had them acknowledged, or gave up
  std::atomic<bool> giving_up = false;

  explicit Run(const Plan& p) : plan(p) {}

  net::Task<> enrol(Share& share, Deadline deadline) {
    while (share.next_to_enrol < share.collectors.size()) {
      SimulatedCollector& collector = *share.collectors[share.next_to_enrol++];
      for (auto pause = 200ms;; pause = std::min(pause * 2, std::chrono::milliseconds(5s))) {
        const Status is_ready = co_await collector.ready();
        if (is_ready) break;
        if (giving_up || clock.steady_now() > deadline) co_return;
        const Status slept = co_await share.loop.sleep(
            std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(pause.count()) * (0.5 + share.random.next_unit()))));
        if (!slept) co_return;
      }
      ++ready;
    }
  }

  net::Task<> push(SimulatedCollector& collector, SteadyTime begin, Deadline deadline) {
    co_await collector.push_all(begin);
    co_await collector.drain(deadline);
    ++done;
  }

  void begin_pushes(SteadyTime begin, Deadline deadline) {
    for (std::size_t i = 0; i < plan.collectors; ++i) {
      Share& share = *shares[i % shares.size()];
      SimulatedCollector& collector = *share.collectors[i / shares.size()];
      std::chrono::microseconds offset{0};
      if (plan.start == Start::kJitter) offset = plan.interval * static_cast<std::int64_t>(share.random.next_u64() % 1'000'000) / 1'000'000;
      if (plan.start == Start::kRamp) offset = plan.interval * static_cast<std::int64_t>(i) / static_cast<std::int64_t>(plan.collectors);
      share.loop.spawn(collector.send());
      share.loop.spawn(push(collector, begin + offset, deadline));
    }
  }

  // How many pushes there were to be; a closed loop makes as many as it can.
  [[nodiscard]] std::uint64_t planned() const { return plan.window == 0 ? plan.collectors * plan.pushes : made(); }

  [[nodiscard]] std::uint64_t made() const {
    std::uint64_t pushes = 0;
    for (const auto& share : shares) {
      for (const auto& collector : share->collectors) pushes += collector->pushes_made();
    }
    return pushes;
  }

  void progress(const char* what, std::size_t of, std::size_t all) const {
    if (::isatty(STDERR_FILENO) == 1) std::fprintf(stderr, "\r%s %zu of %zu ", what, of, all);
  }

  // On the first loop: waits for the others and ends them.
  net::Task<> conduct(int& exit_code, json::object& result) {
    net::Loop& loop = shares.front()->loop;
    const SteadyTime begun = clock.steady_now();
    const Deadline enrol_until = begun + plan.enrol_max;
    for (const auto& share : shares) {
      for (std::size_t i = 0; i < kEnrollingMax; ++i) share->loop.spawn(enrol(*share, enrol_until));
    }
    while (ready < plan.collectors && clock.steady_now() < enrol_until && !giving_up) {
      progress("enrolled", ready, plan.collectors);
      const Status slept = co_await loop.sleep(kLookEvery);
      if (!slept) break;
    }
    if (ready < plan.collectors) {
      std::fprintf(stderr, "pganalytics-load: only %zu of %zu collectors have enrolled: %s\n", ready.load(), plan.collectors,
                   tally.last_error.c_str());
      exit_code = 3;
    } else {
      std::fprintf(stderr, "all %zu collectors have enrolled\n", plan.collectors);
      const SteadyTime begin = clock.steady_now() + kSettle;
      const auto first_round = plan.start == Start::kHerd ? std::chrono::microseconds{0} : plan.interval;
      const auto scheduled = first_round + plan.interval * static_cast<std::int64_t>(plan.pushes);
      const SteadyTime due_until = begin + (plan.window != 0 ? plan.flat_out : scheduled);
      const SteadyTime until = due_until + plan.wait_max;
      result["enrolled_seconds"] = std::chrono::duration<double>(clock.steady_now() - begun).count();
      rusage before{}, after{};
      ::getrusage(RUSAGE_SELF, &before);
      begin_pushes(begin, until);
      while (done < plan.collectors && clock.steady_now() < until && !giving_up) {
        {
          const std::lock_guard lock(tally.mutex);
          progress("acknowledged", tally.from_due.count(), plan.collectors * plan.pushes);
          if (clock.steady_now() < due_until) {  // the rest was acknowledged only when nothing new came any more
            result["pushes_in_time"] = tally.from_due.count();
            result["pushes_made_in_time"] = made();
          }
        }
        const Status slept = co_await loop.sleep(kLookEvery);
        if (!slept) break;
      }
      ::getrusage(RUSAGE_SELF, &after);
      const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
      result["cpu_seconds"] = seconds(after.ru_utime) - seconds(before.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_stime);
      result["seconds"] = std::chrono::duration<double>(clock.steady_now() - begin).count();
      const bool all_ended = done == plan.collectors;  // then nobody counts any more
      exit_code = all_ended && tally.from_due.count() == planned() ? 0 : 1;
    }
    if (::isatty(STDERR_FILENO) == 1) std::fprintf(stderr, "\n");
    for (const auto& share : shares) share->loop.stop();
  }
};

json::object describe(const Histogram& histogram) {
  return {{"count", histogram.count()},
          {"mean_ms", histogram.mean_ms()},
          {"p50_ms", histogram.percentile_ms(0.5)},
          {"p95_ms", histogram.percentile_ms(0.95)},
          {"p99_ms", histogram.percentile_ms(0.99)},
          {"max_ms", histogram.max_ms()}};
}

void report(const Run& run, json::object& result) {
  const Plan& plan = run.plan;
  Amount amount_made;
  std::uint64_t made = 0, rows = 0, retried = 0, bytes = 0, quarantined = 0;
  uplink::LinkStats link;
  for (const auto& share : run.shares) {
    for (const auto& collector : share->collectors) {
      const uplink::UplinkStats stats = collector->stats();
      made += collector->pushes_made();
      amount_made += collector->amount_made();
      rows += stats.rows_acknowledged;
      retried += stats.push_failures;
      bytes += stats.bytes_sent;
      quarantined += stats.frames_quarantined;
      const uplink::LinkStats one = collector->link_stats();
      link.connects += one.connects;
      link.handshakes += one.handshakes;
      link.socket_bytes_sent += one.socket_bytes_sent;
      link.socket_bytes_received += one.socket_bytes_received;
    }
  }
  result["collectors"] = plan.collectors;
  result["pushes_planned"] = run.planned();
  result["pushes_made"] = made;
  result["pushes"] = run.tally.from_due.count();
  result["rows_made"] = amount_made.rows;
  result["samples_made"] = amount_made.samples;
  result["rows_acked"] = rows;
  result["pushes_tried_again"] = retried;
  result["frames_quarantined"] = quarantined;
  result["body_bytes"] = bytes;
  result["connects"] = link.connects;
  result["handshakes"] = link.handshakes;
  result["socket_bytes_sent"] = link.socket_bytes_sent;
  result["socket_bytes_received"] = link.socket_bytes_received;
  json::object refused;
  for (const auto& [status, count] : run.tally.refused) refused[std::to_string(status)] = count;
  result["refused"] = refused;
  result["last_error"] = run.tally.last_error;
  result["from_due"] = describe(run.tally.from_due);
  result["from_send"] = describe(run.tally.from_send);
  json::array buckets;
  for (const auto& [upper_ns, count] : run.tally.from_due.buckets()) buckets.push_back(json::array{upper_ns, count});
  result["from_due_histogram_ns"] = std::move(buckets);
}

int refuse(const Error& error) {
  std::fprintf(stderr, "pganalytics-load: %s\n", error.message.c_str());
  return 3;
}

}  // namespace

int run(const Plan& plan) {
  const rlimit descriptors{kDescriptorsMax, kDescriptorsMax};  // a spool has a few, a connection one
  if (::setrlimit(RLIMIT_NOFILE, &descriptors) != 0) std::perror("pganalytics-load: setrlimit");
  set_log_level(LogLevel::kOff);
  const auto catalog = catalog::Catalog::load(plan.sources_dir);
  if (!catalog) return refuse(catalog.error());
  auto replay = plan.load == Load::kW1 ? Replay::read(plan.recording, plan.declarations) : nullptr;
  if (!replay) return refuse(replay.error());
  const auto workload = [&](std::size_t number) -> Result<std::unique_ptr<Workload>> {
    if (*replay) return std::make_unique<Recorded>(*replay, number);
    return Metrics::make(*catalog, number);
  };
  Run run(plan);
  for (std::size_t i = 0; i < plan.loops; ++i) run.shares.push_back(std::make_unique<Share>());
  for (std::size_t i = 0; i < plan.collectors; ++i) {
    Share& share = *run.shares[i % plan.loops];
    auto readings = workload(plan.first + i);
    if (!readings) return refuse(readings.error());
    auto made = SimulatedCollector::make(plan, plan.first + i, std::move(*readings), share.loop, run.clock, share.random, run.tally);
    if (!made) return refuse(made.error().with_context("collector " + std::to_string(plan.first + i)));
    share.collectors.push_back(std::move(*made));
  }
  int exit_code = 3;
  json::object result;
  run.shares.front()->loop.on_terminate([&run] { run.giving_up = true; });
  // A loop without activities would end at once.
  for (const auto& share : run.shares) {
    share->loop.spawn([&loop = share->loop]() -> net::Task<> { static_cast<void>(co_await loop.sleep(24h)); });
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < plan.loops; ++i) threads.emplace_back([&run, i] { run.shares[i]->loop.run(); });
  run.shares.front()->loop.spawn(run.conduct(exit_code, result));
  run.shares.front()->loop.run();
  for (std::thread& thread : threads) thread.join();
  report(run, result);
  const std::string text = json::serialize(result) + "\n";
  if (plan.result_file.empty()) {
    std::fputs(text.c_str(), stdout);
  } else if (const Status written = write_file_atomic(plan.result_file, text, 0644); !written) {
    std::fprintf(stderr, "pganalytics-load: %s\n", written.error().message.c_str());
    return 3;
  }
  return exit_code;
}

}  // namespace pga::load
