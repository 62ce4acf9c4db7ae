// HTTP/1.1 client over TLS 1.3, plain TCP or a unix socket, with a pool of kept-alive connections.
#pragma once

#include <memory>
#include <string>

#include "base/limits.h"
#include "base/result.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"

namespace pga::net {

struct ClientOptions {
  std::string base_url =
      {};  // "https://host:port", "http://host:port", "unix:/path" (requests go to host "localhost"); a path goes in front of every target
  std::shared_ptr<TlsClientContext> tls = {};  // for https
  std::string source_address = {};             // an IP address of this machine; empty: the system's choice
  std::size_t connections_max = 4;             // at once; further requests wait
  std::size_t response_bytes_max = 64 * kMiB;
  std::chrono::seconds idle_max{90};  // older idle connections are not used again; less than the server's idle_timeout
  std::chrono::seconds age_max{600};  // nor are older connections, however busy: names and load balancers may lead elsewhere by now
};

struct ClientStats {
  std::uint64_t requests = 0;
  std::uint64_t connects = 0;    // tried
  std::uint64_t handshakes = 0;  // of TLS, that succeeded
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t socket_bytes_sent = 0;  // with what TLS adds, after the requests that are done
  std::uint64_t socket_bytes_received = 0;
};

// Bound to one loop, and outlives its requests. A request that fails on a kept-alive connection before any byte of the answer came is tried
// once more on a fresh one (a closed idle connection is not a failure); retrying beyond that is retry.h's and the caller's business.
class HttpClient {
 public:
  HttpClient(Loop& loop, ClientOptions options);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  // kUnavailable (connect, reset, TLS), kTimeout, kTooLarge, kCorrupt (not HTTP), kInvalid (URL, header), kCancelled. Any HTTP status is an
  // ok Result. Host, User-Agent and Content-Length are added. The answer's body is whole: a cut one is kUnavailable.
  Task<Result<Response>> request(std::string method, std::string target, Headers headers, std::string body, Deadline deadline);
  void close_idle();
  [[nodiscard]] ClientStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pga::net
