#include "net/http_client.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <filesystem>

#include "base/files.h"
#include "base/temporary_folder_for_test.h"
#include "net/http_server.h"
#include "net/simulation.h"
#include "net/sockets_internal.h"

namespace pga::net {
namespace {

using namespace std::chrono_literals;

Deadline after(std::chrono::microseconds step) { return std::chrono::steady_clock::now() + step; }

// Plays a server by hand: for each connection, in order, reads until the end of a header and sends what the script says; an empty line of
// the script closes without a word.
struct Script {
  Script(Loop& on, std::vector<std::vector<std::string>> what) : loop(on), connections(std::move(what)) {
    listener = std::move(*listen_on(resolve({"127.0.0.1", "0"})->at(0), false));
    url = "http://" + local_endpoint(listener.get())->text();
    loop.spawn(play(*this));
  }
  static Task<> play(Script& self) {
    for (const auto& answers : self.connections) {
      if (!co_await self.loop.wait(self.listener.get(), Readiness::kRead, after(5s))) co_return;
      const FileDescriptor peer(::accept4(self.listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
      for (const std::string& answer : answers) {
        std::string got;
        while (got.find("\r\n\r\n") == std::string::npos) {
          if (!co_await self.loop.wait(peer.get(), Readiness::kRead, after(5s))) co_return;
          char buffer[4096];
          const ssize_t n = ::recv(peer.get(), buffer, sizeof buffer, 0);
          if (n <= 0) break;
          got.append(buffer, static_cast<std::size_t>(n));
        }
        self.requests.push_back(got);
        if (!answer.empty()) CHECK(::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(answer.size()));
      }
    }
  }
  Loop& loop;
  std::vector<std::vector<std::string>> connections;
  FileDescriptor listener;
  std::string url;
  std::vector<std::string> requests;
};

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_CASE("an answer is good, or an error that says what is wrong with it") {
  struct Case {
    std::string what;
    std::string answer;
    ErrorCode code;
    std::string text;
  };
  const Case cases[] = {
      {"a cut body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ErrorCode::kUnavailable, "in the middle of its answer"},
      {"chunks without an end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", ErrorCode::kUnavailable,
       "in the middle of its answer"},
      {"no answer", "", ErrorCode::kUnavailable, "without an answer"},
      {"not HTTP", "220 mail\r\n\r\n", ErrorCode::kCorrupt, "not an answer of HTTP"},
      {"too long", "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", ErrorCode::kTooLarge, "limit of 100 bytes"},
      {"an endless header", "HTTP/1.1 200 OK\r\nA: " + std::string(30'000, 'a'), ErrorCode::kCorrupt, "limit of 24576 bytes"},
      {"an upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n", ErrorCode::kCorrupt, "switches protocols"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Loop loop;
    Script script(loop, {{c.answer}});
    HttpClient client(loop, {.base_url = script.url, .response_bytes_max = 100});
    loop.spawn([&]() -> Task<> {
      const auto answer = co_await client.request("GET", "/", {}, "", after(5s));
      REQUIRE(!answer);
      CHECK(answer.error().code == c.code);
      CHECK_MESSAGE(answer.error().message.find(c.text) != std::string::npos, answer.error().message);
      CHECK(answer.error().message.starts_with(script.url));
    });
    loop.run();
  }
}

TEST_CASE("answers in every permitted shape are read") {
  Loop loop;
  Script script(loop, {{"HTTP/1.1 100 Continue\r\n\r\n" + kOk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                        "HTTP/1.1 200 OK\r\n\r\nok"}});
  HttpClient client(loop, {.base_url = script.url + "/base/"});
  loop.spawn([&]() -> Task<> {
    for (int i = 0; i < 3; ++i) CHECK((co_await client.request("POST", "/t", Headers("X-A", "b"), "body", after(5s)))->body == "ok");
    CHECK(client.stats().connects == 1);
  });
  loop.run();
  REQUIRE(script.requests.size() == 3);
  CHECK(script.requests[0] == "POST /base/t HTTP/1.1\r\nHost: " + script.url.substr(7) +
                                  "\r\nUser-Agent: pganalytics/" PGA_VERSION "\r\nX-A: b\r\nContent-Length: 4\r\n\r\nbody");
}

TEST_CASE("a kept connection that the server closed is not a failure, but a fresh one is") {
  Loop loop;
  Script script(loop, {{kOk}, {kOk, ""}, {kOk}, {""}});
  HttpClient client(loop, {.base_url = script.url});
  loop.spawn([&]() -> Task<> {
    CHECK(co_await client.request("GET", "/1", {}, "", after(5s)));
    CHECK(co_await loop.sleep(2ms));  // the first connection is closed by now
    CHECK(co_await client.request("GET", "/2", {}, "", after(5s)));
    // Closed only after the request was sent: tried again on a new one.
    CHECK(co_await client.request("GET", "/3", {}, "", after(5s)));
    CHECK(client.stats().connects == 3);
    CHECK(co_await loop.sleep(2ms));
    CHECK(!co_await client.request("GET", "/4", {}, "", after(5s)));
    CHECK(client.stats().connects == 4);
  });
  loop.run();
}

TEST_CASE("a connection that is as old as it may be is closed and replaced, however busy it is") {
  const TemporaryFolder folder;
  const std::string socket = folder.path / "socket";
  SeededRandom random(1);
  Simulation simulation(random);
  Loop loop(simulation);
  const FileDescriptor listener = std::move(*listen_on(*unix_endpoint(socket), false));
  std::size_t open = 0, accepted = 0;
  const auto serve = [&](int fd) -> Task<> {
    const FileDescriptor peer(fd);
    ++open;
    for (;;) {
      const Status ready = co_await loop.wait(peer.get(), Readiness::kRead, Deadline::max());
      char buffer[4096];
      if (!ready || ::recv(peer.get(), buffer, sizeof buffer, 0) <= 0) break;
      CHECK(::send(peer.get(), kOk.data(), kOk.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kOk.size()));
    }
    --open;
  };
  loop.spawn([&]() -> Task<> {
    for (;;) {
      const Status ready = co_await loop.wait(listener.get(), Readiness::kRead, Deadline::max());
      if (!ready) break;
      ++accepted;
      loop.spawn(serve(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)));
    }
  });
  std::vector<std::size_t> connects;  // after each request
  HttpClient client(loop, {.base_url = "unix:" + socket});
  loop.spawn([&]() -> Task<> {
    for (int i = 0; i <= 42; ++i) {
      const auto answer = co_await client.request("GET", "/", {}, "", simulation.clock().steady_now() + 5s);
      CHECK(answer);
      connects.push_back(client.stats().connects);
      CHECK(open == 1);
      const Status slept = co_await loop.sleep(30s);
      CHECK(slept);
    }
    client.close_idle();
    loop.stop();
  });
  simulation.run_until(simulation.clock().steady_now() + 1h);
  // Half a minute is no idleness; ten minutes of age are.
  REQUIRE(connects.size() == 43);
  CHECK(connects[19] == 1);
  CHECK(connects[21] == 2);
  CHECK(connects[39] == 2);
  CHECK(connects[42] == 3);
  CHECK(accepted == 3);
}

TEST_CASE("a deadline ends a request in every phase") {
  Loop loop;
  Script silent(loop, {{kOk}});
  HttpClient client(loop, {.base_url = silent.url, .connections_max = 1});
  const FileDescriptor full = std::move(*listen_on(resolve({"127.0.0.1", "0"})->at(0), false));
  HttpClient unanswered(loop, {.base_url = "http://" + local_endpoint(full.get())->text(), .connections_max = 1});
  loop.spawn([&]() -> Task<> {
    const auto late = co_await unanswered.request("GET", "/", {}, "", after(40ms));
    CHECK(late.error().code == ErrorCode::kTimeout);
    CHECK(late.error().message.find("waiting for the answer did not end") != std::string::npos);
    const auto sending = co_await unanswered.request("POST", "/", {}, std::string(20'000'000, 'a'), after(40ms));
    CHECK(sending.error().message.find("sending the request did not end") != std::string::npos);
    CHECK((co_await client.request("GET", "/", {}, "", after(5s))));
  });
  loop.spawn([&]() -> Task<> {
    const auto waiting = co_await unanswered.request("GET", "/", {}, "", after(5ms));
    CHECK(waiting.error().code == ErrorCode::kTimeout);
  });
  loop.run();
}

TEST_CASE("a connection comes from the address that it was told") {
  for (const std::string source : {"", "127.0.0.7", "192.0.2.1"}) {
    CAPTURE(source);
    Loop loop;
    auto server = std::move(*HttpServer::listen({&loop}, {.address = "127.0.0.1:0"}, [](Request& request) -> Task<Response> {
      co_return Response::text(200, request.remote_address);
    }));
    HttpClient client(loop, {.base_url = "http://" + server->address(), .source_address = source});
    loop.spawn([&]() -> Task<> {
      const auto answer = co_await client.request("GET", "/", {}, "", after(5s));
      const bool ours = source.empty() || source.starts_with("127.");
      CHECK(bool(answer) == ours);
      if (answer) CHECK(answer->body == (source.empty() ? "127.0.0.1" : source));
      if (!answer) CHECK_MESSAGE(answer.error().message.find(source) != std::string::npos, answer.error().message);
      server->drain();
    });
    loop.run();
  }
}

TEST_CASE("bytes on the socket without TLS are those of the requests and answers") {
  Loop loop;
  Script script(loop, {{kOk, kOk}});
  HttpClient client(loop, {.base_url = script.url});
  loop.spawn([&]() -> Task<> {
    for (int i = 0; i < 2; ++i) CHECK(co_await client.request("GET", "/", {}, "", after(5s)));
  });
  loop.run();
  REQUIRE(script.requests.size() == 2);
  CHECK(client.stats().socket_bytes_sent == script.requests[0].size() + script.requests[1].size());
  CHECK(client.stats().socket_bytes_received == 2 * kOk.size());
}

TEST_CASE("requests beyond the number of connections wait for one") {
  Loop loop;
  int running = 0, most = 0, done = 0;
  auto server = std::move(*HttpServer::listen({&loop}, {.address = "127.0.0.1:0"}, [&](Request&) -> Task<Response> {
    most = std::max(most, ++running);
    CHECK(co_await loop.sleep(1ms));
    --running;
    co_return Response::text(200, "ok");
  }));
  HttpClient client(loop, {.base_url = "http://" + server->address(), .connections_max = 3});
  for (int i = 0; i < 12; ++i) {
    loop.spawn([&]() -> Task<> {
      CHECK(co_await client.request("GET", "/", {}, "", after(5s)));
      if (++done == 12) server->drain();
    });
  }
  loop.run();
  CHECK(most == 3);
  CHECK(client.stats().connects == 3);
}

TEST_CASE("what cannot be asked or reached is refused with the reason") {
  struct Case {
    std::string url;
    std::string target;
    ErrorCode code;
    std::string text;
  };
  const Case cases[] = {
      {"ftp://x", "/", ErrorCode::kInvalid, "not a URL"},
      {"http://user@x", "/", ErrorCode::kInvalid, "no user name"},
      {"http://x:port", "/", ErrorCode::kInvalid, "not an address"},
      {"http://127.0.0.1:1", "relative", ErrorCode::kInvalid, "not a request"},
      {"http://127.0.0.1:1", "/a b", ErrorCode::kInvalid, "not a request"},
      {"https://127.0.0.1:1", "/", ErrorCode::kUnavailable, "Connection refused"},
      {"http://127.0.0.1:1", "/", ErrorCode::kUnavailable, "Connection refused"},
      {"http://localhost:1", "/", ErrorCode::kUnavailable, "Connection refused"},
      {"http://no-such-host.invalid", "/", ErrorCode::kUnavailable, "no address"},
      {"unix:/no/such/socket", "/", ErrorCode::kUnavailable, "No such file"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.url);
    Loop loop;
    HttpClient client(loop, {.base_url = c.url});
    loop.spawn([&]() -> Task<> {
      const auto answer = co_await client.request("GET", c.target, {}, "", after(5s));
      REQUIRE(!answer);
      CHECK(answer.error().code == c.code);
      CHECK_MESSAGE(answer.error().message.find(c.text) != std::string::npos, answer.error().message);
    });
    loop.run();
  }
  Loop loop;
  HttpClient client(loop, {.base_url = "http://127.0.0.1:1"});
  loop.spawn([&]() -> Task<> {
    CHECK((co_await client.request("GET", "/", Headers("X", "a\r\nY: b"), "", after(5s))).error().code == ErrorCode::kInvalid);
  });
  loop.run();
}

}  // namespace
}  // namespace pga::net
