// What does a push cost before it reaches the journal, and after it, stage by stage?
//
// Requests are a POST of 500 bytes with the headers that a collector sends, answered by a handler that does nothing; client and server
// share one thread, so a time is that of both sides and of the kernel between them. "plain" is HTTP alone, "tls" less "plain" is TLS on an
// open connection. Handshakes have certificates on both sides. "token" is what the server checks in each request. "insert" makes blocks for
// the store of frames that are decoded; bench wire has the decoder, bench journal what comes between.
#include <benchmark/benchmark.h>

#include <optional>

#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"
#include "identity/ca.h"
#include "identity/jwt.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "store/frames_testing.h"
#include "store/segment.h"

namespace {

using namespace pga;
using namespace std::chrono_literals;

constexpr std::size_t kBodyBytes = 500;
constexpr auto kLife = 24h;

struct Certificates {
  SystemClock clock;
  identity::KeyAndCertificate authority = *identity::make_authority("bench", clock.now(), kLife);
  identity::KeyAndCertificate server = *identity::issue_server_certificate(authority, {"127.0.0.1"}, clock.now(), kLife);
  identity::KeyAndRequest request = *identity::make_request("bench");
  std::string collector =
      *identity::sign_collector_request(authority, request.request_pem, "spiffe://bench/collector/1", clock.now(), kLife);

  [[nodiscard]] std::shared_ptr<net::TlsClientContext> client_context() const {
    net::TlsClientOptions options;
    options.ca_pem = authority.certificate_pem;
    options.certificate_pem = collector;
    options.key_pem = request.key_pem;
    return *net::TlsClientContext::create(options);
  }
};

const Certificates& certificates() {
  static const Certificates made;
  return made;
}

struct Edge {
  net::Loop loop;
  std::unique_ptr<net::HttpServer> server;
  std::string url;

  explicit Edge(bool tls) {
    net::ServerOptions options;
    options.address = "127.0.0.1:0";
    if (tls) {
      net::TlsServerOptions with;
      with.certificate_pem = certificates().server.certificate_pem;
      with.key_pem = certificates().server.key_pem;
      with.client_ca_pem = certificates().authority.certificate_pem;
      with.client_certificate = net::ClientCertificate::kRequired;
      options.tls = *net::TlsServerContext::create(with);
    }
    const auto nothing = [](net::Request&) -> net::Task<net::Response> { co_return net::Response::text(200, "ok"); };
    server = std::move(*net::HttpServer::listen({&loop}, std::move(options), nothing));
    url = (tls ? "https://" : "http://") + server->address();
  }

  // activity(), which ends with the benchmark, on the loop.
  template <class F>
  void run(F activity) {
    loop.spawn([&]() -> net::Task<> {
      co_await activity();
      server->drain();
    });
    loop.run();
  }

  net::Task<> push(net::HttpClient& client) {
    net::Headers headers;
    headers.add("Authorization", "Bearer " + std::string(400, 'a'));
    headers.add("Content-Type", "application/vnd.pganalytics.frame");
    headers.add("Content-Encoding", "zstd");
    const auto answer = co_await client.request("POST", "/v1/push", std::move(headers), std::string(kBodyBytes, 'b'),
                                                std::chrono::steady_clock::now() + 5s);
    PGA_CHECK(answer.has_value() && answer->status == 200);
  }
};

void request(benchmark::State& state, bool tls) {
  Edge edge(tls);
  edge.run([&]() -> net::Task<> {
    net::ClientOptions options{.base_url = edge.url};
    if (tls) options.tls = certificates().client_context();
    net::HttpClient client(edge.loop, std::move(options));
    co_await edge.push(client);
    for (auto _ : state) co_await edge.push(client);
    PGA_CHECK(client.stats().connects == 1);
  });
}
BENCHMARK_CAPTURE(request, plain, false);
BENCHMARK_CAPTURE(request, tls, true);

// A connection, its handshake and one request.
void handshake(benchmark::State& state, bool resumed) {
  Edge edge(true);
  edge.run([&]() -> net::Task<> {
    auto context = certificates().client_context();
    std::optional<net::HttpClient> client;
    const auto connect = [&] {
      if (!resumed) context = certificates().client_context();
      client.reset();
      client.emplace(edge.loop, net::ClientOptions{.base_url = edge.url, .tls = context});
    };
    connect();
    co_await edge.push(*client);
    for (auto _ : state) {
      state.PauseTiming();
      connect();
      state.ResumeTiming();
      co_await edge.push(*client);
    }
    client.reset();
  });
  const auto stats = edge.server->stats();
  PGA_CHECK(stats.handshakes_resumed == (resumed ? stats.connections_total - 1 : 0));
}
BENCHMARK_CAPTURE(handshake, full, false);
BENCHMARK_CAPTURE(handshake, resumed, true);

void token(benchmark::State& state, bool verify) {
  SystemClock clock;
  SystemRandom random;
  const auto tokens =
      std::move(*identity::CollectorTokens::create({*identity::make_signing_key()}, "install", "collectors", clock, random));
  const identity::CollectorClaims claims{
      .subject = "spiffe://install/tenant/1/collector/4b1c", .tenant = "1", .certificate_sha256 = std::string(43, 'A'), .id = {}};
  const std::string issued = *tokens.issue(claims);
  for (auto _ : state) {
    if (verify)
      PGA_CHECK(tokens.verify(issued, claims.certificate_sha256).has_value());
    else
      PGA_CHECK(tokens.issue(claims).has_value());
  }
}
BENCHMARK_CAPTURE(token, verify, true);
BENCHMARK_CAPTURE(token, issue, false);

void insert(benchmark::State& state) {
  constexpr std::size_t kFrames = 100;
  const std::size_t rows = static_cast<std::size_t>(state.range(0));
  const std::vector<catalog::Source> sources = {store::testing::small_source()};
  std::vector<store::StoredFrame> frames;
  for (std::size_t f = 0; f < kFrames; ++f) {
    const std::int64_t at = 1'795'176'000'000'000 + static_cast<std::int64_t>(f) * 60'000'000;
    store::testing::FrameBuilder builder;
    builder.batch(sources[0].schema(), at, 60'000'000);
    for (std::size_t i = 0; i < rows; ++i) {
      const auto number = static_cast<std::int64_t>(i);
      builder.row({{"name", store::testing::txt("name " + std::to_string(i))},
                   {"id", number},
                   {"hits", number * 7},
                   {"size", number << 13},
                   {"ratio", 0.5},
                   {"open", true},
                   {"since", at}});
    }
    frames.push_back(std::move(builder.take()[0]));
  }
  std::size_t bytes = 0;
  for (auto _ : state) {
    store::SegmentWriter writer(sources, 1);
    for (const auto& frame : frames) writer.add(frame);
    writer.finish();
    bytes = 0;
    for (const store::Block& block : writer.take()) bytes += block.data.size();
  }
  state.counters["s_row"] =
      benchmark::Counter(static_cast<double>(kFrames * rows), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["bytes_row"] = static_cast<double>(bytes) / static_cast<double>(kFrames * rows);
}
BENCHMARK(insert)->Arg(1)->Arg(50)->Arg(1000);

}  // namespace

BENCHMARK_MAIN();
