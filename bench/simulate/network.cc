#include "network.h"

namespace pga::simulate {

class Network::Way final : public uplink::Transport {
 public:
  Way(Network& network, net::Loop& loop, std::uint32_t collector) : network_(network), loop_(loop), collector_(collector) {}
  net::Task<Status> ready() override { co_return Status{}; }
  net::Task<Result<net::Response>> post(std::string path, std::string content_type, std::string body) override {
    co_return co_await network_.carry(loop_, collector_, std::move(path), std::move(content_type), std::move(body));
  }
  [[nodiscard]] std::string peer() const override { return "the simulated server"; }

 private:
  Network& network_;
  net::Loop& loop_;
  const std::uint32_t collector_;
};

std::unique_ptr<uplink::Transport> Network::transport(net::Loop& loop, std::uint32_t collector) {
  return std::make_unique<Way>(*this, loop, collector);
}

void Network::deliver(const std::shared_ptr<Exchange>& exchange, std::uint32_t collector, const std::string& path, const std::string& type,
                      const std::string& body, bool answer_is_lost) {
  net::Request request;
  request.method = "POST";
  request.target = path;
  request.headers.add("Content-Type", type);
  request.body = body;
  const auto waiting = std::weak_ptr<Exchange>(exchange);
  server_.loop().spawn(
      [](ServerMachine& server, std::uint32_t from, net::Request asked, std::weak_ptr<Exchange> to, bool lost) -> net::Task<> {
        net::Response response = co_await server.answer(from, std::move(asked));
        const auto back = to.lock();
        if (!back || lost) co_return;
        back->answer = std::move(response);
        back->loop->post([back] { back->done.set(); });
      }(server_, collector, std::move(request), waiting, answer_is_lost));
}

net::Task<Result<net::Response>> Network::carry(net::Loop& loop, std::uint32_t collector, std::string path, std::string type,
                                                std::string body) {
  constexpr std::chrono::seconds kTimeout{30};
  const Deadline deadline = around_.time.clock().steady_now() + kTimeout;
  static_cast<void>(co_await loop.sleep(std::chrono::microseconds(200 + around_.random.next_u64() % (flaky ? 2'000'000 : 5'000))));
  if (cut_off.contains(collector)) {
    const bool fast = chance(50);
    if (!fast) static_cast<void>(co_await loop.sleep(kTimeout));
    co_return Error{fast ? ErrorCode::kUnavailable : ErrorCode::kTimeout, "the network is cut"};
  }
  if (!server_.running() || server_.crashed()) co_return unavailable("connection refused");
  const auto exchange = std::make_shared<Exchange>(loop);
  under_way_.push_back(exchange);
  const bool request_lost = flaky && chance(10);
  const bool twice = flaky && chance(10);
  const bool answer_lost = chance(flaky ? 25 : answers_lost_percent);
  if (!request_lost) deliver(exchange, collector, path, type, body, answer_lost);
  if (twice) deliver(exchange, collector, path, type, body, answer_lost);
  const bool cut_at_once = (request_lost || answer_lost) && chance(70);
  static_cast<void>(
      co_await exchange->done.wait(cut_at_once ? around_.time.clock().steady_now() + std::chrono::milliseconds(20) : deadline));
  static_cast<void>(co_await loop.sleep(std::chrono::microseconds(200 + around_.random.next_u64() % 2'000)));
  co_return exchange->answer;
}

void Network::server_is_gone() {
  for (const auto& waiting : std::exchange(under_way_, {})) {
    const auto exchange = waiting.lock();
    if (!exchange || chance(30)) continue;  // 30 %: nobody tells it, and it waits for its deadline
    exchange->answer = unavailable("connection reset by peer");
    exchange->loop->post([exchange] { exchange->done.set(); });
  }
}

}  // namespace pga::simulate
