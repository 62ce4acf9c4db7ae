#include "net/tls.h"

#include <doctest/doctest.h>

#include <ctime>

#include "base/clock.h"
#include "base/secret.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/pki_for_test.h"
#include "net/sockets_internal.h"

namespace pga::net {
namespace {

using namespace std::chrono_literals;

Deadline after(std::chrono::microseconds step) { return std::chrono::steady_clock::now() + step; }

const std::string kUri = "spiffe://test/tenant/1/collector/a";

// One authority with a server and clients of all kinds.
struct Pki {
  TestCertificate ca = make_certificate({.name = "ca"});
  TestCertificate other_ca = make_certificate({.name = "other"});
  TestCertificate server = make_certificate({.name = "server", .alternative = "DNS:localhost,IP:127.0.0.1", .usage = "serverAuth"}, &ca);
  TestCertificate client = make_certificate({.name = "client", .alternative = "URI:" + kUri, .usage = "clientAuth"}, &ca);
};

const Pki& pki() {
  static const Pki once;
  return once;
}

// A server that tells who the client is.
struct Fixture {
  explicit Fixture(ClientCertificate mode, ServerOptions options = {}, const TestCertificate& certificate = pki().server) {
    options.address = "127.0.0.1:0";
    auto tls = TlsServerContext::create({.certificate_pem = certificate.pem() + pki().ca.pem(),
                                         .key_pem = certificate.key_pem(),
                                         .client_ca_pem = pki().ca.pem(),
                                         .client_certificate = mode});
    REQUIRE_MESSAGE(tls, (tls ? "" : tls.error().message));
    options.tls = *tls;
    server = std::move(*HttpServer::listen({&loop}, std::move(options), [this](Request& request) -> Task<Response> {
      if (request.peer) seen = *request.peer;
      co_return Response::text(200, !request.body.empty() ? request.body : request.peer ? request.peer->uri : "nobody");
    }));
  }
  HttpClient client(const TlsClientOptions& options, const std::string& host = "127.0.0.1") {
    auto tls = TlsClientContext::create(options);
    REQUIRE_MESSAGE(tls, (tls ? "" : tls.error().message));
    const std::string address = server->address();
    return HttpClient(loop, {.base_url = "https://" + host + address.substr(address.rfind(':')), .tls = *tls});
  }
  Task<Result<Response>> get(HttpClient& client) { return client.request("GET", "/", {}, "", after(5s)); }
  template <class F>
  void run(F activity) {
    loop.spawn([&]() -> Task<> {
      co_await activity();
      server->drain();
    });
    loop.run();
  }

  Loop loop;
  PeerCertificate seen;
  std::unique_ptr<HttpServer> server;
};

TlsClientOptions with_certificate(const TestCertificate& certificate) {
  return {.ca_pem = pki().ca.pem(), .certificate_pem = certificate.pem(), .key_pem = certificate.key_pem()};
}

TEST_CASE("a client is known by its certificate, and the connection is kept") {
  Fixture f(ClientCertificate::kRequired);
  f.run([&]() -> Task<> {
    HttpClient client = f.client(with_certificate(pki().client));
    for (int i = 0; i < 3; ++i) {
      const auto answer = co_await f.get(client);
      REQUIRE_MESSAGE(answer, (answer ? "" : answer.error().message));
      CHECK(answer->body == kUri);
    }
    CHECK(client.stats().connects == 1);
  });
  CHECK(f.seen.sha256 == pki().client.sha256());
  CHECK(f.seen.serial.size() == 4);
  CHECK(f.seen.not_after > std::time(nullptr) + 3'500);
  CHECK(f.seen.not_before <= std::time(nullptr) - 60);
}

TEST_CASE("bytes on the socket are counted with the handshake and the records of TLS") {
  Fixture f(ClientCertificate::kNone);
  f.run([&]() -> Task<> {
    HttpClient client = f.client({.ca_pem = pki().ca.pem()});
    const std::string large(1'000'000, 'x');
    CHECK(co_await f.get(client));
    const ClientStats first = client.stats();
    CHECK(first.socket_bytes_sent > first.bytes_sent);
    CHECK(first.socket_bytes_received > pki().server.pem().size() / 2);  // the handshake has the certificate, as DER
    CHECK(co_await client.request("POST", "/", {}, large, after(5s)));
    const ClientStats second = client.stats();
    // Records have at most 16 KiB, each with 22 bytes of its own.
    const auto records = large.size() / 16'384;
    for (const std::uint64_t grown : {second.socket_bytes_sent - first.socket_bytes_sent, second.socket_bytes_received - first.socket_bytes_received}) {
      CHECK(grown > large.size() + records * 22);
      CHECK(grown < large.size() * 11 / 10);
    }
  });
}

TEST_CASE("a client certificate is asked for as the server says") {
  struct Case {
    std::string what;
    ClientCertificate mode;
    bool sent;
    std::string body;  // empty: refused
  };
  const Case cases[] = {
      {"not asked for", ClientCertificate::kNone, true, "nobody"},
      {"optional and absent", ClientCertificate::kOptional, false, "nobody"},
      {"optional and there", ClientCertificate::kOptional, true, kUri},
      {"required and absent", ClientCertificate::kRequired, false, ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Fixture f(c.mode);
    f.run([&]() -> Task<> {
      HttpClient client = f.client(c.sent ? with_certificate(pki().client) : TlsClientOptions{.ca_pem = pki().ca.pem()});
      const auto answer = co_await f.get(client);
      CHECK(bool(answer) == !c.body.empty());
      if (answer) CHECK(answer->body == c.body);
      if (!answer) CHECK_MESSAGE(answer.error().message.find("certificate required") != std::string::npos, answer.error().message);
    });
    CHECK(f.server->stats().handshakes_failed == (c.body.empty() ? 1 : 0));
  }
}

TEST_CASE("a client certificate that does not hold is refused") {
  struct Case {
    std::string what;
    TestCertificate certificate;
    std::string text;
  };
  const Pki& p = pki();
  const Case cases[] = {
      {"of another authority", make_certificate({.alternative = "URI:" + kUri, .usage = "clientAuth"}, &p.other_ca), "unknown ca"},
      {"signed by itself", make_certificate({.alternative = "URI:" + kUri, .usage = "clientAuth"}), "unknown ca"},
      {"expired", make_certificate({.alternative = "URI:" + kUri, .usage = "clientAuth", .valid_until = -1}, &p.ca), "certificate expired"},
      {"not yet valid", make_certificate({.alternative = "URI:" + kUri, .usage = "clientAuth", .valid_from = 600}, &p.ca),
       "bad certificate"},
      {"meant for servers", p.server, "unsupported certificate"},
      {"signed by a client", make_certificate({.alternative = "URI:" + kUri, .usage = "clientAuth"}, &p.client), "unknown ca"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Fixture f(ClientCertificate::kOptional);
    f.run([&]() -> Task<> {
      HttpClient client = f.client(with_certificate(c.certificate));
      const auto answer = co_await f.get(client);
      REQUIRE(!answer);
      CHECK(answer.error().code == ErrorCode::kUnavailable);
      CHECK_MESSAGE(answer.error().message.find(c.text) != std::string::npos, answer.error().message);
    });
    CHECK(f.server->stats().handshakes_failed == 1);
    CHECK(f.server->stats().requests == 0);
  }
}

TEST_CASE("a server is trusted by its authority, its fingerprint and its name only") {
  struct Case {
    std::string what;
    TlsClientOptions options;
    std::string host;
    std::string error;  // empty: trusted
  };
  const Pki& p = pki();
  const Case cases[] = {
      {"the authority, by address", {.ca_pem = p.ca.pem()}, "127.0.0.1", ""},
      {"the authority, by name", {.ca_pem = p.ca.pem()}, "localhost", ""},
      {"the authority, by a name that is given", {.ca_pem = p.ca.pem(), .server_name = "localhost"}, "127.0.0.1", ""},
      {"the pinned authority", {.ca_sha256 = p.ca.sha256()}, "127.0.0.1", ""},
      {"another authority", {.ca_pem = p.other_ca.pem()}, "127.0.0.1", "self-signed certificate in certificate chain"},
      {"another name", {.ca_pem = p.ca.pem(), .server_name = "example.org"}, "127.0.0.1", "hostname mismatch"},
      {"another address", {.ca_pem = p.ca.pem(), .server_name = "127.0.0.2"}, "127.0.0.1", "IP address mismatch"},
      {"another name with the pinned authority",
       {.ca_sha256 = p.ca.sha256(), .server_name = "example.org"},
       "127.0.0.1",
       "hostname mismatch"},
      {"another pinned authority", {.ca_sha256 = p.other_ca.sha256()}, "127.0.0.1", "has the pinned fingerprint"},
      {"the server's own certificate pinned", {.ca_sha256 = p.server.sha256()}, "127.0.0.1", "has the pinned fingerprint"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Fixture f(ClientCertificate::kNone);
    f.run([&]() -> Task<> {
      HttpClient client = f.client(c.options, c.host);
      const auto answer = co_await f.get(client);
      CHECK_MESSAGE(bool(answer) == c.error.empty(), (answer ? "trusted" : answer.error().message));
      if (!answer) CHECK_MESSAGE(answer.error().message.find(c.error) != std::string::npos, answer.error().message);
    });
  }
}

TEST_CASE("a pinned authority must have signed the server, not only be in its chain") {
  const TestCertificate stranger = make_certificate({.alternative = "IP:127.0.0.1", .usage = "serverAuth"}, &pki().other_ca);
  Fixture f(ClientCertificate::kNone, {}, stranger);  // sends the right authority behind the wrong certificate
  f.run([&]() -> Task<> {
    HttpClient client = f.client({.ca_sha256 = pki().ca.sha256()});
    const auto answer = co_await f.get(client);
    REQUIRE(!answer);
    CHECK_MESSAGE(answer.error().message.find("certificate is not accepted") != std::string::npos, answer.error().message);
  });
}

TEST_CASE("an expired server or one with a client's certificate is refused") {
  const TestCertificate expired = make_certificate({.alternative = "IP:127.0.0.1", .usage = "serverAuth", .valid_until = -1}, &pki().ca);
  const TestCertificate wrong = make_certificate({.alternative = "IP:127.0.0.1", .usage = "clientAuth"}, &pki().ca);
  for (const TestCertificate* certificate : {&expired, &wrong}) {
    Fixture f(ClientCertificate::kNone, {}, *certificate);
    f.run([&]() -> Task<> {
      HttpClient client = f.client({.ca_pem = pki().ca.pem()});
      CHECK((co_await f.get(client)).error().code == ErrorCode::kUnavailable);
    });
  }
}

TEST_CASE("a new connection resumes the session, still knows the client, and ends when its certificate has expired") {
  FakeClock clock(WallTime(std::chrono::seconds(std::time(nullptr))));
  Fixture f(ClientCertificate::kRequired, {.clock = &clock});
  f.run([&]() -> Task<> {
    HttpClient client = f.client(with_certificate(pki().client));
    CHECK(co_await f.get(client));
    client.close_idle();
    f.seen = {};
    const auto resumed = co_await f.get(client);
    REQUIRE_MESSAGE(resumed, (resumed ? "" : resumed.error().message));
    CHECK(resumed->body == kUri);
    CHECK(f.seen.sha256 == pki().client.sha256());
    CHECK(f.server->stats().handshakes_resumed == 1);
    clock.advance(2h);
    const auto kept = co_await f.get(client);
    REQUIRE(kept);
    CHECK(kept->status == 401);
    CHECK(!co_await f.get(client));
    CHECK(f.server->stats().handshakes_resumed == 2);
    CHECK(f.server->stats().handshakes_failed == 1);
  });
  CHECK(f.server->stats().requests == 3);
}

TEST_CASE("large bodies go both ways through TLS") {
  const std::string large(3'000'000, 'x');
  Fixture f(ClientCertificate::kNone, {.body_bytes_max = 4 * kMiB});
  f.run([&]() -> Task<> {
    HttpClient client = f.client({.ca_pem = pki().ca.pem()});
    const auto answer = co_await client.request("POST", "/", {}, large, after(5s));
    REQUIRE_MESSAGE(answer, (answer ? "" : answer.error().message));
    CHECK(answer->body == large);
  });
}

TEST_CASE("handshakes beyond the limit wait for their turn") {
  Fixture f(ClientCertificate::kNone, {.handshakes_max = 1});
  int done = 0;
  Event all(f.loop);
  for (int i = 0; i < 10; ++i) {
    f.loop.spawn([&]() -> Task<> {
      HttpClient client = f.client({.ca_pem = pki().ca.pem()});
      CHECK(co_await f.get(client));
      if (++done == 10) all.set();
    });
  }
  f.run([&]() -> Task<> { CHECK(co_await all.wait(after(5s))); });
}

TEST_CASE("peers that begin handshakes and leave them there do not keep others out") {
  Fixture f(ClientCertificate::kNone, {.handshakes_max = 1, .handshake_timeout = 1s});
  f.run([&]() -> Task<> {
    const auto endpoints = resolve(*parse_host_port(f.server->address()));
    const FileDescriptor stuck = std::move(*begin_connect(endpoints->at(0)));
    CHECK(co_await f.loop.wait(stuck.get(), Readiness::kWrite, after(5s)));
    CHECK(::send(stuck.get(), "\x16\x03\x01", 3, MSG_NOSIGNAL) == 3);
    CHECK(co_await f.loop.sleep(2ms));
    HttpClient client = f.client({.ca_pem = pki().ca.pem()});
    const auto began = std::chrono::steady_clock::now();
    CHECK(co_await f.get(client));
    CHECK(std::chrono::steady_clock::now() - began < 900ms);
  });
}

TEST_CASE("hundreds of peers that come at once wait in line for few places, and all get through") {
  constexpr int kPeers = 300;
  Fixture f(ClientCertificate::kNone, {.handshakes_max = 4, .handshake_timeout = 10s});
  const auto tls = TlsClientContext::create({.ca_pem = pki().ca.pem()});
  REQUIRE(tls);
  int answered = 0;
  int done = 0;
  Event all(f.loop);
  for (int i = 0; i < kPeers; ++i) {
    f.loop.spawn([&]() -> Task<> {
      HttpClient client(f.loop, {.base_url = "https://" + f.server->address(), .tls = *tls});
      const auto answer = co_await client.request("GET", "/", {}, "", after(20s));
      if (answer) ++answered;
      if (++done == kPeers) all.set();
    });
  }
  f.run([&]() -> Task<> { CHECK(co_await all.wait(after(30s))); });
  CHECK(answered == kPeers);
}

TEST_CASE("a peer that does not speak TLS, or says nothing, is let go and counted") {
  Fixture f(ClientCertificate::kNone, {.handshake_timeout = 30ms, .request_timeout = 50ms, .idle_timeout = 50ms, .drain_timeout = 50ms});
  f.run([&]() -> Task<> {
    HttpClient plain(f.loop, {.base_url = "http://" + f.server->address()});
    const auto answer = co_await plain.request("GET", "/", {}, "", after(5s));
    CHECK(!answer);
    CHECK(f.server->stats().handshakes_failed == 1);
  });
}

TEST_CASE("contexts are refused when they are made, with the reason") {
  const Pki& p = pki();
  struct Case {
    std::string what;
    Result<std::shared_ptr<TlsClientContext>> client;
    std::string error;
  };
  const Case clients[] = {
      {"no trust", TlsClientContext::create({}), "needs the authority to trust"},
      {"two kinds of trust", TlsClientContext::create({.ca_pem = p.ca.pem(), .ca_sha256 = "x"}), "needs the authority to trust"},
      {"no PEM", TlsClientContext::create({.ca_pem = "x"}), "the authority has no certificate in PEM"},
      {"another key", TlsClientContext::create({.ca_pem = p.ca.pem(), .certificate_pem = p.client.pem(), .key_pem = p.server.key_pem()}),
       "does not fit"},
      {"no key", TlsClientContext::create({.ca_pem = p.ca.pem(), .certificate_pem = p.client.pem()}), "not a private key"},
  };
  for (const Case& c : clients) {
    CAPTURE(c.what);
    REQUIRE(!c.client);
    CHECK(c.client.error().code == ErrorCode::kInvalid);
    CHECK_MESSAGE(c.client.error().message.find(c.error) != std::string::npos, c.client.error().message);
  }
  const auto server = TlsServerContext::create(
      {.certificate_pem = p.server.pem(), .key_pem = p.server.key_pem(), .client_certificate = ClientCertificate::kOptional});
  REQUIRE(!server);
  CHECK(server.error().message == "client certificates are asked for, but no authority for them is given");
}

}  // namespace
}  // namespace pga::net
