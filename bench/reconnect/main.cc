// Do a thousand collectors come back after their server was restarted, within the time that their jitter spreads them over, and do they
// stay? Here are the collectors: real outboxes, spools, uplinks and links, each with a certificate of its own, in one process. The server
// is a process of its own, which tests/lab/reconnect.py starts, kills and starts again; it reads what is noted here and judges.
//
// One event a line, in nanoseconds of the monotonic clock:
//   acked TIME COLLECTOR EPOCH SEQUENCE           a frame was acknowledged
//   connections TIME COLLECTOR TRIED HANDSHAKES   how many so far, looked at every 50 ms
//   answer TIME COLLECTOR STATUS                  of a frame that was not answered with 200; 0: no answer
//   unready TIME COLLECTOR STATUS                 the same of enrolling, and of asking for a token
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "collect/outbox.h"
#include "uplink/link.h"
#include "uplink/uplink.h"

namespace {

using namespace pga;
using namespace std::chrono_literals;

constexpr rlim_t kDescriptorsMax = 20'000;
constexpr std::size_t kLoops = 4;
constexpr auto kLookEvery = 50ms;
constexpr auto kEndMax = 60s;
constexpr const char* kSource = "host.memory";

struct Plan {
  std::string url, token_file, directory, events;
  std::size_t collectors = 1'000;
  double every_seconds = 10;
};

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// The events of all collectors, from any thread.
class Events {
 public:
  explicit Events(const std::string& file) : out_(file) {}
  template <class... T>
  void note(const char* what, T... numbers) {
    const std::lock_guard lock(mutex_);
    out_ << what << ' ' << now_ns();
    ((out_ << ' ' << numbers), ...);
    out_ << '\n';
  }
  void flush() {
    const std::lock_guard lock(mutex_);
    out_.flush();
  }

 private:
  std::mutex mutex_;
  std::ofstream out_;
};

// The number in "status 429: too many attempts", which is all that an error keeps of an answer.
int status_in(const std::string& message) {
  const auto at = message.find("status ");
  return at == std::string::npos ? 0 : std::atoi(message.c_str() + at + 7);
}

// The product's link, with its answers noted.
class NotedLink final : public uplink::Transport {
 public:
  NotedLink(uplink::LinkOptions options, net::Loop& loop, const Clock& clock, Random& random, Events& events, std::size_t number)
      : link_(std::move(options), loop, clock, random), events_(events), number_(number) {}

  net::Task<Status> ready() override {
    Status is_ready = co_await link_.ready();
    if (!is_ready) {
      events_.note("unready", number_, status_in(is_ready.error().message));
      std::fprintf(stderr, "collector %zu: %s\n", number_, is_ready.error().message.c_str());
    }
    co_return is_ready;
  }
  net::Task<Result<net::Response>> post(std::string path, std::string content_type, std::string body) override {
    auto answer = co_await link_.post(std::move(path), std::move(content_type), std::move(body));
    const unsigned status = answer ? static_cast<unsigned>(answer->status) : 0;
    if (status != 200) events_.note("answer", number_, status);
    co_return answer;
  }
  [[nodiscard]] std::string peer() const override { return link_.peer(); }
  void look() {
    const uplink::LinkStats stats = link_.stats();
    if (stats.connects == seen_.connects && stats.handshakes == seen_.handshakes) return;
    events_.note("connections", number_, stats.connects, stats.handshakes);
    seen_ = stats;
  }

 private:
  uplink::Link link_;
  Events& events_;
  const std::size_t number_;
  uplink::LinkStats seen_;
};

struct Collector {
  Collector(const Plan& plan, std::size_t which, net::Loop& on, const catalog::Source& of, Clock& by, Random& random, Events& events)
      : number(which), loop(on), source(of), clock(by) {
    const std::filesystem::path directory = std::filesystem::path(plan.directory) / std::to_string(number);
    journal::Options spool_options;
    spool_options.directory = directory / "spool";
    spool_options.segment_bytes_max = 1 * kMiB;
    spool_options.total_bytes_max = 4 * kMiB;
    auto opened = make_directories(directory) ? journal::Journal::open(spool_options, clock) : unavailable(directory.string());
    if (!opened) {
      std::fprintf(stderr, "collector %zu: %s\n", number, opened.error().message.c_str());
      std::exit(1);
    }
    spool = std::move(*opened);
    outbox = std::make_unique<collect::Outbox>(loop, *spool, clock);
    uplink::LinkOptions link_options;
    link_options.urls = {plan.url};
    link_options.token_file = plan.token_file;
    link_options.state_dir = directory;
    link_options.name = "collector " + std::to_string(number);
    link_options.version = PGA_VERSION;
    link = std::make_unique<NotedLink>(std::move(link_options), loop, clock, random, events, number);
    uplink::UplinkOptions options;
    options.state_dir = directory;
    options.on_acknowledged = [&events, this](const journal::Record& record) -> Status {
      PGA_TRY(const wire::FrameHeader header, wire::peek_header(record.payload));
      events.note("acked", number, header.epoch, header.sequence);
      return {};
    };
    uplink = std::make_unique<uplink::Uplink>(std::move(options), *link, loop, *spool, outbox->filled(), clock, random);
  }

  void read() {
    wire::Batch batch = outbox->new_batch();
    batch.started_us = to_micros(clock.now());
    batch.rows = batch.rows_seen = 1;
    batch.columns.assign(source.schema().columns.size(), {});
    for (wire::Column& column : batch.columns) column.values = {static_cast<std::int64_t>(number + spool->last_index())};
    const std::string name = "machine " + std::to_string(number);
    outbox->add({"host", name, name, "6.1"}, source, std::move(batch));
  }

  // A frame every so often, at a moment of its own.
  net::Task<> ship(std::chrono::microseconds every, std::chrono::microseconds begin, const std::atomic<bool>& ending) {
    Status slept = co_await loop.sleep(begin);
    while (slept && !ending) {
      read();
      if (const Status flushed = co_await outbox->flush(); !flushed) log_error("spool", flushed.error().message);
      slept = co_await loop.sleep(every);
    }
  }

  const std::size_t number;
  net::Loop& loop;
  const catalog::Source& source;
  Clock& clock;
  std::unique_ptr<journal::Journal> spool;
  std::unique_ptr<collect::Outbox> outbox;
  std::unique_ptr<NotedLink> link;
  std::unique_ptr<uplink::Uplink> uplink;
};

// A loop with its thread's share of the collectors.
struct Share {
  net::Loop loop;
  SystemRandom random;
  std::vector<std::unique_ptr<Collector>> collectors;

  net::Task<> look(Events& events) {
    Status slept;
    while (slept) {
      for (const auto& collector : collectors) collector->link->look();
      events.flush();
      slept = co_await loop.sleep(kLookEvery);
    }
  }

  // Sends what there is, then ends.
  net::Task<> end() {
    const Deadline deadline = std::chrono::steady_clock::now() + kEndMax;
    for (const auto& collector : collectors) {
      const bool drained = co_await collector->uplink->drain(deadline);
      if (!drained) std::fprintf(stderr, "collector %zu: not everything was sent\n", collector->number);
    }
    loop.stop();
  }
};

int run(const Plan& plan) {
  // A spool has a few descriptors, a connection one.
  const rlimit descriptors{kDescriptorsMax, kDescriptorsMax};
  if (::setrlimit(RLIMIT_NOFILE, &descriptors) != 0) std::perror("setrlimit");
  const auto catalog = catalog::Catalog::load();
  if (!catalog) return 1;
  SystemClock clock;
  SystemRandom random;
  Events events(plan.events);
  std::atomic<bool> ending = false;
  const std::chrono::microseconds every(static_cast<std::int64_t>(plan.every_seconds * 1e6));
  std::vector<std::unique_ptr<Share>> shares;
  for (std::size_t i = 0; i < kLoops; ++i) shares.push_back(std::make_unique<Share>());
  for (std::size_t i = 0; i < plan.collectors; ++i) {
    Share& share = *shares[i % kLoops];
    auto made = std::make_unique<Collector>(plan, i + 1, share.loop, *catalog->find(kSource), clock, share.random, events);
    Collector& collector = *share.collectors.emplace_back(std::move(made));
    const std::chrono::microseconds begin(static_cast<std::int64_t>(static_cast<double>(every.count()) * random.next_unit()));
    share.loop.spawn([&collector, every, begin, &ending] { return collector.ship(every, begin, ending); });
    share.loop.spawn(collector.uplink->run());
  }
  for (const auto& share : shares) share->loop.spawn(share->look(events));
  shares.front()->loop.on_terminate([&] {
    ending = true;
    for (const auto& share : shares) share->loop.spawn(share->end());
  });
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < kLoops; ++i) threads.emplace_back([&shares, i] { shares[i]->loop.run(); });
  shares.front()->loop.run();
  for (std::thread& thread : threads) thread.join();
  events.flush();
  std::uint64_t waiting = 0;
  for (const auto& share : shares) {
    for (const auto& collector : share->collectors) {
      waiting += collector->spool->stats().records;
      std::printf("%zu %llu %llu\n", collector->number, static_cast<unsigned long long>(collector->spool->stats().log_id),
                  static_cast<unsigned long long>(collector->spool->last_index()));
    }
  }
  return waiting == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan;
  CLI::App app{"The collectors of ./run bench reconnect; SIGTERM lets them send what they have and ends them."};
  app.add_option("--url", plan.url, "the server's port for collectors, https://host:port")->required();
  app.add_option("--token-file", plan.token_file, "enrolment token for all of them")->required();
  app.add_option("--directory", plan.directory, "a directory of their own for each is made in it")->required();
  app.add_option("--events", plan.events, "file that gets the events")->required();
  app.add_option("--collectors", plan.collectors)->capture_default_str()->check(CLI::Range(1, 4'000));
  app.add_option("--every", plan.every_seconds, "seconds between two frames of a collector")->capture_default_str();
  app.footer("Prints \"collector epoch frames\" for each at the end. Exit codes: 0 everything was acknowledged, 1 something was not.");
  CLI11_PARSE(app, argc, argv);
  set_log_level(LogLevel::kOff);
  return run(plan);
}
