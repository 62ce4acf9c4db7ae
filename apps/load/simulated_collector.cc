#include "simulated_collector.h"

#include "base/files.h"
#include "wire/codec.h"

namespace pga::load {
namespace {

constexpr std::chrono::seconds kRequestTimeout{30};

// 127.1.0.1 is the first; 16 million have one of their own.
std::string own_address(std::size_t number) {
  const std::size_t n = (1U << 16) + number;
  return "127." + std::to_string((n >> 16) & 0xff) + "." + std::to_string((n >> 8) & 0xff) + "." + std::to_string(n & 0xff);
}

}  // namespace

// The product's link, or plain HTTP to a null server; either with its answers timed and counted.
class SimulatedCollector::Transport final : public uplink::Transport {
 public:
  Transport(uplink::LinkOptions options, net::Loop& loop, const Clock& clock, Random& random, Tally& tally) : clock_(clock), tally_(tally) {
    if (options.urls.front().starts_with("http://")) {
      net::ClientOptions plain;
      plain.base_url = options.urls.front();
      plain_ = std::make_unique<net::HttpClient>(loop, std::move(plain));
    } else {
      link_ = std::make_unique<uplink::Link>(std::move(options), loop, clock, random);
    }
  }

  net::Task<Status> ready() override {
    if (!link_) co_return Status{};
    Status is_ready = co_await link_->ready();
    if (!is_ready) {
      const std::lock_guard lock(tally_.mutex);
      tally_.last_error = is_ready.error().message;
    }
    co_return is_ready;
  }

  net::Task<Result<net::Response>> post(std::string path, std::string content_type, std::string body) override {
    const SteadyTime begun = clock_.steady_now();
    Result<net::Response> answer = unavailable("");
    if (link_) {
      answer = co_await link_->post(std::move(path), std::move(content_type), std::move(body));
    } else {
      net::Headers headers;
      headers.add("Content-Type", content_type);
      answer = co_await plain_->request("POST", std::move(path), std::move(headers), std::move(body), begun + kRequestTimeout);
    }
    const std::lock_guard lock(tally_.mutex);
    tally_.from_send.record(clock_.steady_now() - begun);
    const unsigned status = answer ? static_cast<unsigned>(answer->status) : 0;
    if (status != 200) {
      ++tally_.refused[status];
      tally_.last_error = answer ? "status " + std::to_string(status) + ": " + answer->body.substr(0, 200) : answer.error().message;
    }
    co_return answer;
  }

  [[nodiscard]] std::string peer() const override { return link_ ? link_->peer() : "a null server"; }
  [[nodiscard]] uplink::LinkStats stats() const {
    if (link_) return link_->stats();
    const net::ClientStats plain = plain_->stats();
    return {plain.connects, plain.handshakes, plain.socket_bytes_sent, plain.socket_bytes_received};
  }

 private:
  const Clock& clock_;
  Tally& tally_;
  std::unique_ptr<uplink::Link> link_;
  std::unique_ptr<net::HttpClient> plain_;
};

SimulatedCollector::SimulatedCollector(const Plan& plan, net::Loop& loop, Clock& clock, Tally& tally)
    : plan_(plan), loop_(loop), clock_(clock), tally_(tally), due_(plan.pushes + 1), was_acknowledged_(loop) {}
SimulatedCollector::~SimulatedCollector() = default;

Result<std::unique_ptr<SimulatedCollector>> SimulatedCollector::make(const Plan& plan, std::size_t number,
                                                                     std::unique_ptr<Workload> workload, net::Loop& loop, Clock& clock,
                                                                     Random& random, Tally& tally) {
  std::unique_ptr<SimulatedCollector> made(new SimulatedCollector(plan, loop, clock, tally));
  made->workload_ = std::move(workload);
  const std::filesystem::path directory = plan.directory / std::to_string(number);
  PGA_TRY_STATUS(make_directories(directory));
  journal::Options spool_options;
  spool_options.directory = directory / "spool";
  spool_options.segment_bytes_max = 1 * kMiB;
  spool_options.total_bytes_max = 16 * kMiB;
  PGA_TRY(made->spool_, journal::Journal::open(spool_options, clock));
  made->outbox_ = std::make_unique<collect::Outbox>(loop, *made->spool_, clock);
  uplink::LinkOptions link_options;
  link_options.urls = {plan.url};
  link_options.token_file = plan.token_file;
  link_options.state_dir = directory;
  link_options.name = "load " + std::to_string(number);
  link_options.version = PGA_VERSION;
  link_options.request_timeout = kRequestTimeout;
  if (plan.own_addresses) link_options.source_address = own_address(number);
  made->transport_ = std::make_unique<Transport>(std::move(link_options), loop, clock, random, tally);
  uplink::UplinkOptions options;
  options.state_dir = directory;
  options.json = plan.json;
  options.on_acknowledged = [collector = made.get()](const journal::Record& record) { return collector->acknowledged(record); };
  made->uplink_ =
      std::make_unique<uplink::Uplink>(std::move(options), *made->transport_, loop, *made->spool_, made->outbox_->filled(), clock, random);
  return made;
}

// On a worker of the loop.
Status SimulatedCollector::acknowledged(const journal::Record& record) {
  PGA_TRY(const wire::FrameHeader header, wire::peek_header(record.payload));
  if (header.sequence >= due_.size()) return corrupt("a frame that was not made");
  ++acknowledged_;
  loop_.post([this] { was_acknowledged_.set(); });
  const std::lock_guard lock(tally_.mutex);
  tally_.from_due.record(clock_.steady_now() - due_[header.sequence]);
  return {};
}

net::Task<Status> SimulatedCollector::ready() { co_return co_await transport_->ready(); }
net::Task<> SimulatedCollector::send() { co_await uplink_->run(); }

net::Task<Status> SimulatedCollector::push(SteadyTime due, WallTime readings_of) {
  due_[made_ + 1] = due;
  amount_made_ += workload_->read(*outbox_, readings_of);
  Status flushed = co_await outbox_->flush();
  if (!flushed) {
    const std::lock_guard lock(tally_.mutex);
    tally_.last_error = flushed.error().message;
  } else {
    ++made_;
  }
  co_return flushed;
}

net::Task<> SimulatedCollector::push_scheduled(SteadyTime begin) {
  while (made_ < plan_.pushes) {
    const SteadyTime due = begin + made_.load() * plan_.interval;
    Status went = co_await loop_.sleep(std::chrono::duration_cast<std::chrono::microseconds>(due - clock_.steady_now()));
    if (went) went = co_await push(due, clock_.now());
    if (!went) co_return;
  }
}

// The readings are as far apart as they would be, so that they are stored as such: they begin a day ago and overtake the clock.
net::Task<> SimulatedCollector::push_flat_out(SteadyTime begin) {
  const SteadyTime until = begin + plan_.flat_out;
  const WallTime first = clock_.now() - std::chrono::hours(24);
  while (made_ < plan_.pushes && clock_.steady_now() < until) {
    was_acknowledged_.reset();
    Status went;
    if (made_ - acknowledged_ < plan_.window)
      went = co_await push(clock_.steady_now(), first + made_.load() * workload_->interval());
    else
      went = co_await was_acknowledged_.wait(until);
    if (!went) co_return;
  }
}

net::Task<> SimulatedCollector::push_all(SteadyTime begin) {
  if (plan_.window == 0)
    co_await push_scheduled(begin);
  else
    co_await push_flat_out(begin);
}

net::Task<bool> SimulatedCollector::drain(Deadline deadline) { co_return co_await uplink_->drain(deadline); }
uplink::UplinkStats SimulatedCollector::stats() const { return uplink_->stats(); }
uplink::LinkStats SimulatedCollector::link_stats() const { return transport_->stats(); }

}  // namespace pga::load
