#include "net/http.h"

#include <doctest/doctest.h>

#include "net/message_internal.h"

namespace pga::net {
namespace {

TEST_CASE("headers are found whatever their case, the first of several") {
  Headers headers;
  headers.add("Content-Type", "text/plain");
  headers.add("content-type", "second");
  CHECK(headers.find("CONTENT-TYPE") == "text/plain");
  CHECK(!headers.find("content"));
}

TEST_CASE("path and query of a target are taken apart and decoded") {
  Request request;
  request.target = "/a/b?from=1&name=caf%C3%A9+au%20lait&empty=&flag&broken=%4&x%3Dy=z&from=2";
  CHECK(request.path() == "/a/b");
  CHECK(request.query("from") == "1");
  CHECK(request.query("name") == "café au lait");
  CHECK(request.query("empty") == "");
  CHECK(request.query("flag") == "");
  CHECK(request.query("x=y") == "z");
  CHECK(!request.query("broken"));
  CHECK(!request.query("absent"));
  request.target = "/only";
  CHECK(request.path() == "/only");
  CHECK(!request.query("only"));
}

TEST_CASE("percent encoding comes back") {
  CHECK(percent_encode("SELECT 'ä'/1") == "SELECT%20%27%C3%A4%27%2F1");
  CHECK(percent_decode("SELECT%20%27%C3%A4%27%2F1") == "SELECT 'ä'/1");
  CHECK(!percent_decode("%zz"));
  CHECK(percent_decode("a+b") == "a+b");
}

// Feeds all at once, then one byte at a time: both must answer the same.
struct Read {
  Request request;
  int refused = 0;
  std::string reason;
  bool done = false;
  std::size_t left = 0;
};

Read read(std::string_view bytes, const MessageLimits& limits, std::size_t step) {
  Read out;
  RequestReader reader(out.request, limits);
  std::size_t begin = 0;
  for (std::size_t end = std::min(step, bytes.size()); !reader.done(); end = std::min(end + step, bytes.size())) {
    const auto taken = reader.feed(bytes.substr(begin, end - begin));
    if (!taken) {
      out.refused = taken.error().status;
      out.reason = taken.error().reason;
      return out;
    }
    begin += *taken;
    if (end == bytes.size()) break;
  }
  out.done = reader.done();
  out.left = bytes.size() - begin;
  return out;
}

TEST_CASE("a request that another parser could read differently, or that is too large, is refused") {
  struct Case {
    std::string what;
    std::string bytes;
    int status;
    const char* reason;
  };
  const std::string host = "Host: x\r\n";
  const Case cases[] = {
      {"length and chunked", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
       "bad Transfer-Encoding"},
      {"chunked and length", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400,
       "bad Content-Length"},
      {"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400,
       "Content-Length is there twice"},
      {"two lengths in one", "POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\nabc", 400, "Content-Length is there twice"},
      {"a signed length", "POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\nabc", 400, "bad Content-Length"},
      {"a length beyond 64 bits", "POST / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551617\r\n\r\n", 400, "bad Content-Length"},
      {"another transfer encoding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
       "only the transfer encoding"},
      {"chunked twice", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
       "bad Transfer-Encoding"},
      {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0 has no"},
      {"a folded line", "GET / HTTP/1.1\r\n" + host + "A: b\r\n c\r\n\r\n", 400, "begins with a blank"},
      {"a line without CR", "GET / HTTP/1.1\n" + host + "\r\n", 400, "without a carriage return"},
      {"an empty line in front", "\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 400, "empty line"},
      {"a blank before the colon", "GET / HTTP/1.1\r\n" + host + "A : b\r\n\r\n", 400, "bad field"},
      {"a control character in a value", "GET / HTTP/1.1\r\n" + host + std::string("A: b\0c\r\n\r\n", 10), 400, "bad value"},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400, "one Host field, not 0"},
      {"two hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", 400, "one Host field, not 2"},
      {"an absolute target", "GET http://x/ HTTP/1.1\r\n" + host + "\r\n", 400, "not a path"},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 400, "bad version"},
      {"another expectation", "POST / HTTP/1.1\r\n" + host + "Expect: tea\r\n\r\n", 417, "100-continue"},
      {"a long header", "GET / HTTP/1.1\r\n" + host + "A: " + std::string(300, 'a') + "\r\n\r\n", 431, "limit of 200 bytes"},
      {"a long header without end", "GET / HTTP/1.1\r\n" + host + "A: " + std::string(300, 'a'), 431, "limit of 200 bytes"},
      {"a long body", "POST / HTTP/1.1\r\n" + host + "Content-Length: 11\r\n\r\n", 413, "limit of 10 bytes"},
      {"long chunks", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nabcde\r\n", 413,
       "limit of 10 bytes"},
      {"a chunk size that wraps", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na", 400,
       "bad chunk"},
      {"a chunk without end of line", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n", 400,
       "bad chunk"},
      {"trailers", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", 400, "trailers"},
      {"TLS on a plain port", std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11), 400, "not an HTTP request"},
  };
  const MessageLimits limits{.header_bytes_max = 200, .body_bytes_max = 10};
  for (const Case& c : cases) {
    for (const std::size_t step : {std::size_t{100'000}, std::size_t{1}}) {
      CAPTURE(c.what);
      CAPTURE(step);
      const Read got = read(c.bytes, limits, step);
      CHECK(got.refused == c.status);
      CHECK_MESSAGE(got.reason.find(c.reason) != std::string::npos, got.reason);
    }
  }
}

TEST_CASE("more header fields than the limit are refused") {
  std::string bytes = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (std::size_t i = 0; i < kHeaderFieldsMax; ++i) bytes += "A: b\r\n";
  CHECK(read(bytes + "\r\n", {}, 100'000).refused == 431);
}

TEST_CASE("a good request is read, whole or byte by byte, and the next one is left alone") {
  for (const std::size_t step : {std::size_t{100'000}, std::size_t{1}}) {
    CAPTURE(step);
    const Read plain = read("POST /v1/frames?x=1 HTTP/1.1\r\nHost: x\r\nA:  b \r\nContent-Length: 5\r\n\r\nhello", {}, step);
    CHECK(plain.done);
    CHECK(plain.request.method == "POST");
    CHECK(plain.request.target == "/v1/frames?x=1");
    CHECK(plain.request.headers.find("a") == "b");
    CHECK(plain.request.body == "hello");
    const Read chunked =
        read("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\nA\r\n, world 12\r\n0\r\n\r\n", {}, step);
    CHECK(chunked.done);
    CHECK(chunked.request.body == "hello, world 12");
    const Read empty = read("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {}, step);
    CHECK(empty.done);
    CHECK(empty.request.body.empty());
  }
  const Read two = read("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n", {}, 100'000);
  CHECK(two.done);
  CHECK(two.left == 28);
}

TEST_CASE("an answer must be complete, of HTTP, and within its limit") {
  struct Case {
    std::string what;
    std::string bytes;
    bool head;
    const char* error;  // null: it is good
    const char* body;
  };
  const Case cases[] = {
      {"a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, nullptr, "hi"},
      {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", false, nullptr, "hi"},
      {"until the end", "HTTP/1.0 200 OK\r\n\r\nhi", false, nullptr, "hi"},
      {"no content", "HTTP/1.1 204 No Content\r\n\r\n", false, nullptr, ""},
      {"the answer to HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true, nullptr, ""},
      {"a cut body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", false, "in the middle", ""},
      {"chunks without their end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", false, "in the middle", ""},
      {"a cut header", "HTTP/1.1 200 OK\r\nContent-Le", false, "without an answer", ""},
      {"nothing", "", false, "without an answer", ""},
      {"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", false, "not an answer of HTTP", ""},
      {"too long", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", false, "limit of 10 bytes", ""},
      {"too long until the end", "HTTP/1.0 200 OK\r\n\r\n12345678901", false, "limit of 10 bytes", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Response response;
    ResponseReader reader(response, {.header_bytes_max = 1'000, .body_bytes_max = 10}, c.head);
    Status status;
    if (auto taken = reader.feed(c.bytes); !taken) status = taken.error();
    if (status && !reader.done()) status = reader.end();
    CHECK(bool(status) == (c.error == nullptr));
    if (c.error == nullptr) {
      CHECK(response.body == c.body);
    } else {
      CHECK_MESSAGE(status.error().message.find(c.error) != std::string::npos, status.error().message);
    }
  }
}

TEST_CASE("a header that would forge a line is not written") {
  CHECK(is_header("X-A", "ok; café"));
  CHECK(!is_header("X-A", "a\r\nSet-Cookie: b"));
  CHECK(!is_header("X A", "b"));
  CHECK(!is_header("", "b"));
  CHECK(!is_header("X", std::string_view("a\0b", 3)));
}

}  // namespace
}  // namespace pga::net
