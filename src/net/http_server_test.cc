#include "net/http_server.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "base/files.h"
#include "base/temporary_folder_for_test.h"
#include "net/http_client.h"
#include "net/sockets_internal.h"

namespace pga::net {
namespace {

using namespace std::chrono_literals;

Deadline after(std::chrono::microseconds step) { return std::chrono::steady_clock::now() + step; }

// Tells what it was asked.
Task<Response> echo(Request& request) {
  Response out = Response::text(200, request.method + " " + request.target + " " + request.body);
  out.headers.add("X-Remote", request.remote_address);
  co_return out;
}

// A server on a loop, and an activity that ends it when it is done.
struct Fixture {
  explicit Fixture(ServerOptions options = {}, Handler handler = echo) {
    if (options.address.empty()) options.address = "127.0.0.1:0";
    auto made = HttpServer::listen({&loop}, std::move(options), std::move(handler));
    REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
    server = std::move(*made);
  }
  std::string url() const { return server->address().starts_with("unix:") ? server->address() : "http://" + server->address(); }
  template <class F>
  void run(F activity) {
    loop.spawn([&]() -> Task<> {
      co_await activity();
      server->drain();
    });
    loop.run();
    CHECK(server->stats().connections_open == 0);
  }

  Loop loop;
  std::unique_ptr<HttpServer> server;
};

// A peer that sends what it likes.
struct RawPeer {
  explicit RawPeer(Loop& on, const HttpServer& server) : loop(on) {
    const auto endpoints = resolve(*parse_host_port(server.address()));
    fd = std::move(*begin_connect(endpoints->at(0)));
  }
  Task<> send(std::string bytes) {
    REQUIRE(co_await loop.wait(fd.get(), Readiness::kWrite, after(5s)));
    std::size_t at = 0;
    while (at < bytes.size()) {
      const ssize_t sent = ::send(fd.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) break;
      if (sent < 0) {
        if (!co_await loop.wait(fd.get(), Readiness::kWrite, after(5s))) break;
      } else {
        at += static_cast<std::size_t>(sent);
      }
    }
  }
  // Until the end of the connection, or until what came ends with `last`.
  Task<std::string> receive(std::string last = {}) {
    std::string out;
    while (last.empty() || !out.ends_with(last)) {
      if (!co_await loop.wait(fd.get(), Readiness::kRead, after(5s))) break;
      char buffer[4096];
      const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
      if (got <= 0) {
        ended = got == 0;
        break;
      }
      out.append(buffer, static_cast<std::size_t>(got));
    }
    co_return out;
  }
  Loop& loop;
  FileDescriptor fd;
  bool ended = false;  // the server closed in good order
};

TEST_CASE("a request and its answer make the round trip, over TCP and over a unix socket") {
  const TemporaryFolder folder;
  for (const std::string& address : {std::string("127.0.0.1:0"), "unix:" + (folder.path / "socket").string()}) {
    CAPTURE(address);
    Fixture f({.address = address});
    f.run([&]() -> Task<> {
      HttpClient client(f.loop, {.base_url = f.url()});
      for (int i = 0; i < 3; ++i) {
        const auto answer = co_await client.request("POST", "/a?b=1", {}, "hello", after(5s));
        REQUIRE_MESSAGE(answer, (answer ? "" : answer.error().message));
        CHECK(answer->status == 200);
        CHECK(answer->body == "POST /a?b=1 hello");
        CHECK(answer->headers.find("X-Remote") == (address.starts_with("unix") ? "" : "127.0.0.1"));
        CHECK(answer->headers.find("Date")->ends_with(" GMT"));
      }
      CHECK(client.stats().requests == 3);
      CHECK(client.stats().connects == 1);
    });
    CHECK(f.server->stats().requests == 3);
  }
}

TEST_CASE("large bodies go both ways") {
  const std::string large(3'000'000, 'x');
  Fixture f({.body_bytes_max = 4 * kMiB});
  f.run([&]() -> Task<> {
    HttpClient client(f.loop, {.base_url = f.url()});
    const auto answer = co_await client.request("POST", "/", {}, large, after(5s));
    REQUIRE(answer);
    CHECK(answer->body == "POST / " + large);
    HttpClient small(f.loop, {.base_url = f.url(), .response_bytes_max = 1'000});
    CHECK((co_await small.request("POST", "/", {}, large, after(5s))).error().code == ErrorCode::kTooLarge);
  });
}

TEST_CASE("requests in one go are answered one after another on one connection") {
  Fixture f;
  f.run([&]() -> Task<> {
    RawPeer peer(f.loop, *f.server);
    co_await peer.send(
        "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabGET /3 HTTP/1.1\r\nHost: "
        "x\r\nConnection: close\r\n\r\n");
    const std::string got = co_await peer.receive();
    CHECK(got.find("GET /1 ") < got.find("POST /2 ab"));
    CHECK(got.find("POST /2 ab") < got.find("GET /3 "));
    CHECK(got.find("Connection: close") != std::string::npos);
    CHECK(peer.ended);
  });
  CHECK(f.server->stats().connections_total == 1);
}

TEST_CASE("a request that breaks a rule is told why, and the connection ends") {
  struct Case {
    const char* what;
    std::string bytes;
    const char* status;
  };
  const Case cases[] = {
      {"garbage", "what?\r\n\r\n", "HTTP/1.1 400 "},
      {"a bare line feed", "GET / HTTP/1.1\nHost: x\n\n", "HTTP/1.1 400 "},
      {"a smuggled length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "HTTP/1.1 400 "},
      {"a folded line", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", "HTTP/1.1 400 "},
      {"a header over its limit", "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(20'000, 'a') + "\r\n\r\n", "HTTP/1.1 431 "},
      {"a body over its limit", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413 "},
      {"a body over its limit, and sent", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'a'),
       "HTTP/1.1 413 "},
      {"chunks over the limit", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "HTTP/1.1 413 "},
      {"a chunk header without end", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(40'000, 'a'),
       "HTTP/1.1 400 "},
  };
  Fixture f({.body_bytes_max = 1'000, .request_timeout = 500ms});
  f.run([&]() -> Task<> {
    for (const Case& c : cases) {
      CAPTURE(std::string(c.what));
      RawPeer peer(f.loop, *f.server);
      co_await peer.send(c.bytes);
      const std::string got = co_await peer.receive();
      CHECK_MESSAGE(got.starts_with(c.status), got);
      CHECK(got.find("Connection: close\r\n") != std::string::npos);
      CHECK(peer.ended);
    }
  });
  CHECK(f.server->stats().bad_requests == std::size(cases));
  CHECK(f.server->stats().requests == 0);
}

TEST_CASE("HEAD, 204 and 304 have no body, a chunked body is accepted, 100-continue is answered") {
  Fixture f({}, [](Request& request) -> Task<Response> {
    if (request.path() == "/204") co_return Response{.status = 204};
    if (request.path() == "/304") co_return Response{.status = 304, .body = "no"};
    co_return Response::text(200, "[" + request.body + "]");
  });
  f.run([&]() -> Task<> {
    HttpClient client(f.loop, {.base_url = f.url()});
    const auto head = co_await client.request("HEAD", "/", {}, "", after(5s));
    CHECK(head->body.empty());
    CHECK(head->headers.find("Content-Length") == "2");
    for (const int status : {204, 304}) {
      const auto answer = co_await client.request("GET", "/" + std::to_string(status), {}, "", after(5s));
      CHECK(answer->status == status);
      CHECK(!answer->headers.find("Content-Length"));
    }
    CHECK(client.stats().connects == 1);
    RawPeer peer(f.loop, *f.server);
    co_await peer.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    CHECK(co_await peer.receive("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    for (const char byte : std::string("5\r\nhello\r\n0\r\n\r\n")) co_await peer.send(std::string(1, byte));
    CHECK((co_await peer.receive("[hello]")).ends_with("\r\n\r\n[hello]"));
  });
}

TEST_CASE("slow and silent peers are let go") {
  Fixture f({.handshake_timeout = 50ms, .request_timeout = 50ms, .idle_timeout = 80ms, .drain_timeout = 50ms});
  f.run([&]() -> Task<> {
    RawPeer silent(f.loop, *f.server), slow(f.loop, *f.server), used(f.loop, *f.server);
    co_await slow.send("GET / HT");
    co_await used.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK((co_await slow.receive()).starts_with("HTTP/1.1 408 "));
    CHECK((co_await silent.receive()).empty());
    CHECK((co_await used.receive()).starts_with("HTTP/1.1 200 "));
    CHECK(slow.ended);
    CHECK(silent.ended);
    CHECK(used.ended);
  });
}

TEST_CASE("connections over the limit are closed at once and counted") {
  Fixture f({.connections_max = 2});
  f.run([&]() -> Task<> {
    RawPeer one(f.loop, *f.server), two(f.loop, *f.server), three(f.loop, *f.server);
    CHECK((co_await three.receive()).empty());
    CHECK(three.ended);
    CHECK(f.server->stats().connections_refused == 1);
    CHECK(f.server->stats().connections_open == 2);
  });
}

TEST_CASE("a handler that throws, or answers with what cannot be sent, becomes 500") {
  Fixture f({}, [](Request& request) -> Task<Response> {
    if (request.path() == "/throw") throw std::runtime_error("no");
    Response out = Response::text(request.path() == "/status" ? 99 : 200, "x");
    if (request.path() == "/header") out.headers.add("X", "a\r\nSet-Cookie: b=c");
    co_return out;
  });
  f.run([&]() -> Task<> {
    HttpClient client(f.loop, {.base_url = f.url()});
    for (const std::string path : {"/throw", "/status", "/header"}) {
      CAPTURE(path);
      const auto answer = co_await client.request("GET", path, {}, "", after(5s));
      CHECK(answer->status == 500);
      CHECK(!answer->headers.find("Set-Cookie"));
    }
    CHECK((co_await client.request("GET", "/", {}, "", after(5s)))->status == 200);
  });
}

TEST_CASE("drain lets a running request finish, closes idle connections, and takes no new ones") {
  Loop loop;
  Event begun(loop), go(loop);
  auto server = std::move(*HttpServer::listen({&loop}, {.address = "127.0.0.1:0"}, [&](Request&) -> Task<Response> {
    begun.set();
    CHECK(co_await go.wait(after(5s)));
    co_return Response::text(200, "done");
  }));
  loop.spawn([&]() -> Task<> {
    HttpClient client(loop, {.base_url = "http://" + server->address()});
    const auto answer = co_await client.request("GET", "/", {}, "", after(5s));
    REQUIRE(answer);
    CHECK(answer->body == "done");
    CHECK(answer->headers.find("Connection") == "close");
    CHECK((co_await client.request("GET", "/", {}, "", after(5s))).error().code == ErrorCode::kUnavailable);
  });
  loop.spawn([&]() -> Task<> {
    RawPeer idle(loop, *server);
    CHECK(co_await begun.wait(after(5s)));
    server->drain();
    CHECK((co_await idle.receive()).empty());
    CHECK(idle.ended);
    go.set();
  });
  loop.run();
  CHECK(server->stats().connections_open == 0);
}

TEST_CASE("drain cuts what does not end in time") {
  Fixture f({.handshake_timeout = 50ms, .request_timeout = 1s, .idle_timeout = 1s, .drain_timeout = 20ms});
  f.loop.spawn([&]() -> Task<> {
    RawPeer peer(f.loop, *f.server);
    co_await peer.send("GET / HT");
    CHECK(co_await f.loop.sleep(2ms));
    f.server->drain();
    CHECK((co_await peer.receive()).empty());
  });
  f.loop.run();
  CHECK(f.server->stats().connections_open == 0);
}

TEST_CASE("stopping the loop ends the server and its connections") {
  Fixture f;
  f.loop.spawn([&]() -> Task<> {
    RawPeer peer(f.loop, *f.server);
    co_await peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET");
    CHECK((co_await peer.receive("GET / ")).starts_with("HTTP/1.1 200 "));
    HttpClient client(f.loop, {.base_url = f.url()});
    f.loop.stop();
    CHECK((co_await client.request("GET", "/", {}, "", after(5s))).error().code == ErrorCode::kCancelled);
  });
  f.loop.run();
  CHECK(f.server->stats().connections_open == 0);
}

TEST_CASE("a server on two loops answers on both") {
  Loop one, two;
  auto server = std::move(*HttpServer::listen({&one, &two}, {.address = "127.0.0.1:0"}, echo));
  std::thread other([&] { two.run(); });
  one.spawn([&]() -> Task<> {
    for (int i = 0; i < 40; ++i) {
      HttpClient client(one, {.base_url = "http://" + server->address()});
      CHECK((co_await client.request("GET", "/", {}, "", after(5s)))->status == 200);
    }
    server->drain();
  });
  one.run();
  other.join();
  CHECK(server->stats().requests == 40);
}

TEST_CASE("a unix socket is private, replaces a stale one, and nothing else") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "socket";
  Loop loop;
  const auto listen = [&] { return HttpServer::listen({&loop}, {.address = "unix:" + path}, echo); };
  {
    std::ofstream(path) << "a file";
    const auto refused = listen();
    REQUIRE(!refused);
    CHECK(refused.error().message == path + " is in the way: it is not a socket");
    std::filesystem::remove(path);
  }
  {
    FileDescriptor left = std::move(*listen_on(*unix_endpoint(path), false));
    const auto refused = listen();
    REQUIRE(!refused);
    CHECK(refused.error().message == path + " is in use by another process");
  }
  auto server = listen();
  REQUIRE(server);
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  server->reset();
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("an address that cannot be listened on is refused with its name") {
  Loop loop;
  for (const std::string address : {"127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":80", "[::1:80", "unix:", "192.0.2.1:1"}) {
    CAPTURE(address);
    const auto refused = HttpServer::listen({&loop}, {.address = address}, echo);
    REQUIRE(!refused);
    CHECK(!refused.error().message.empty());
  }
}

}  // namespace
}  // namespace pga::net
