// The edge: HTTP/1.1 over TLS 1.3, plain TCP on loopback, or a unix socket, one session coroutine per connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/limits.h"
#include "base/result.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"

namespace pga::net {

struct ServerOptions {
  std::string address = {};  // "127.0.0.1:8443", "[::1]:8443", or "unix:/path" (mode 0600, an old socket file is replaced)
  std::shared_ptr<TlsServerContext> tls = {};  // null: plain
  std::size_t header_bytes_max = 16 * kKiB;
  std::size_t body_bytes_max = 1 * kMiB;
  std::size_t stranger_body_bytes_max = 0;  // of a peer without a client certificate; 0: the same
  std::size_t connections_max = 10'000;     // beyond, new connections are closed at once and counted
  // TLS handshakes under way at once, per loop: some 50 KiB each, and so many in the time of a round trip. Others wait in line, and push
  // out the oldest when none succeeded for a tenth of the timeout.
  std::size_t handshakes_max = 256;
  // Kept to within a hundredth of the longest of them.
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds request_timeout{
      30'000};  // from the first byte to the last of a request, and for each part of an answer to be taken
  std::chrono::milliseconds idle_timeout{120'000};  // a collector that pushes once a minute keeps its connection
  std::chrono::milliseconds drain_timeout{10'000};
  const Clock* clock = nullptr;  // for the validity of client certificates on resumed and long connections; null: the system's
};

struct ServerStats {
  std::uint64_t connections_open = 0;
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t handshakes_failed = 0;
  std::uint64_t handshakes_resumed = 0;
  std::uint64_t requests = 0;
  std::uint64_t bad_requests = 0;
};

// Runs on the connection's loop. An exception is logged and answered with 500. The request outlives the task.
using Handler = std::function<Task<Response>(Request& request)>;

// Listens on every loop that it is given (SO_REUSEPORT for more than one). A request is refused before the handler sees it with 400 (not
// strictly HTTP/1.1), 408, 413, 417, 431 or 501; the connection then ends. The loops outlive the server. Loop::stop() ends all connections.
class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> listen(std::vector<Loop*> loops, ServerOptions options, Handler handler);
  ~HttpServer();
  [[nodiscard]] std::string address() const;  // with the real port when 0 was asked for
  // Stops accepting, answers "Connection: close" from now on, closes idle connections; whatever is left after drain_timeout is cut. From
  // any thread. connections_open tells when it is done, and Loop::run() returns then unless there are other activities.
  void drain();
  [[nodiscard]] ServerStats stats() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pga::net
