#include "net/http_server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "net/http_shard_internal.h"
#include "net/limits.h"

namespace pga::net {
namespace edge {

Connection::Connection(Shard& on, FileDescriptor fd, std::string remote)
    : shard(on), stream(on.loop.impl().context, fd.release()), remote_address(std::move(remote)) {
  shard.connections.push_back(*this);
}

Connection::~Connection() {
  --shard.shared->open;
  if (shard.draining) shard.gone.cancel();
}

void Connection::arm(std::chrono::milliseconds timeout) { shard.wheel.arm(*this, timeout); }

void Shard::turn_wheel() {
  wheel_timer.expires_after(wheel.tick());
  wheel_timer.async_wait([self = shared_from_this()](error_code error) {
    if (error || (self->draining && self->connections.empty())) return;
    self->wheel.turn([&](Wheel::Node& node) {
      if (&node == &self->drain_limit) return self->end();
      static_cast<Connection&>(node).stream.cancel();
    });
    self->turn_wheel();
  });
}

void Shard::drain() {
  if (draining) return;
  draining = true;
  error_code ignored;
  acceptor.cancel(ignored);
  wheel.arm(drain_limit, shared->options.drain_timeout);
  for (Connection& connection : connections) {
    if (connection.idle) connection.interrupt();
  }
}

void Shard::end() {
  drain();
  for (Connection& connection : connections) connection.interrupt();
}

Block Shard::take_block() {
  if (blocks.empty()) return std::make_unique_for_overwrite<char[]>(kBlockBytes);
  Block block = std::move(blocks.back());
  blocks.pop_back();
  return block;
}

std::string_view Shard::date() {
  const std::time_t now = std::time(nullptr);
  if (now != date_second) {
    std::tm tm{};
    char text[64];
    date_text.assign(text, std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", ::gmtime_r(&now, &tm)));
    date_second = now;
  }
  return date_text;
}

namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};  // after running out of descriptors or memory
constexpr int kAcceptsInARow = 64;

// Takes one connection from the queue of the listener; kOk also for one that was refused.
Step accept_one(Shard& shard) {
  Endpoint from;
  from.length = sizeof from.address;
  FileDescriptor fd(
      ::accept4(shard.acceptor.native_handle(), reinterpret_cast<sockaddr*>(&from.address), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Step::kWantRead;
    return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM ? Step::kError : Step::kOk;
  }
  Shared& shared = *shard.shared;
  ++shared.total;
  if (shared.open >= shared.options.connections_max) {
    ++shared.refused;
    return Step::kOk;
  }
  ++shared.open;
  if (from.family() != AF_UNIX) set_no_delay(fd.get());
  shard.loop.spawn(session(shard.shared_from_this(), std::move(fd), from.host()));
  return Step::kOk;
}

// A shard's life: accepts until it drains, then waits for its connections to end.
Task<> serve(std::shared_ptr<Shard> shard) {
  const Watch stop(shard->loop, Deadline::max(), [&shard] { shard->end(); });
  if (stop.interrupted() != Interrupt::kNone) shard->end();
  shard->turn_wheel();
  while (!shard->draining) {
    co_await shard->acceptor.async_wait(Descriptor::wait_read, kAwait);
    Step step = Step::kOk;
    for (int i = 0; i < kAcceptsInARow && step == Step::kOk && !shard->draining; ++i) step = accept_one(*shard);
    if (step == Step::kError) {
      log_error("net", errno_error("accept").message);
      (void)co_await shard->loop.sleep(kAcceptPause);
    }
  }
  error_code ignored;
  shard->acceptor.close(ignored);
  while (!shard->connections.empty()) co_await shard->gone.async_wait(kAwait);
  shard->wheel_timer.cancel();
}

}  // namespace
}  // namespace edge

struct HttpServer::Impl {
  std::shared_ptr<edge::Shared> shared;
  std::vector<std::shared_ptr<edge::Shard>> shards;
  std::string address;
  std::string socket_path;  // of a unix socket, removed at the end
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(std::vector<Loop*> loops, ServerOptions options, Handler handler) {
  if (loops.empty()) return invalid("a server needs a loop");
  if (options.header_bytes_max > kHeaderBytesMax) return invalid("header_bytes_max exceeds " + std::to_string(kHeaderBytesMax));
  const bool is_unix = options.address.starts_with("unix:");
  Endpoint endpoint;
  if (is_unix) {
    PGA_TRY(endpoint, unix_endpoint(options.address.substr(5)));
  } else {
    PGA_TRY(const HostPort name, parse_host_port(options.address));
    PGA_TRY(const std::vector<Endpoint> found, resolve(name));
    endpoint = found.at(0);
  }
  auto impl = std::make_unique<Impl>();
  impl->shared = std::make_shared<edge::Shared>(std::move(options), std::move(handler));
  for (Loop* loop : loops) {
    FileDescriptor fd;
    if (is_unix && !impl->shards.empty()) {
      fd = FileDescriptor(::dup(impl->shards[0]->acceptor.native_handle()));
      if (!fd) return errno_error("dup of the listening socket");
    } else {
      PGA_TRY(fd, listen_on(endpoint, !is_unix && loops.size() > 1));
      if (!is_unix) {
        PGA_TRY(endpoint, local_endpoint(fd.get()));  // the others take the same port
      }
    }
    impl->shards.push_back(std::make_shared<edge::Shard>(*loop, impl->shared, std::move(fd)));
  }
  impl->address = endpoint.text();
  if (is_unix) impl->socket_path = impl->address.substr(5);
  for (const auto& shard : impl->shards) shard->loop.spawn(edge::serve(shard));
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() {
  if (!impl_->socket_path.empty()) ::unlink(impl_->socket_path.c_str());
  for (const auto& shard : impl_->shards) shard->loop.post([shard] { shard->end(); });
}

std::string HttpServer::address() const { return impl_->address; }

void HttpServer::drain() {
  for (const auto& shard : impl_->shards) shard->loop.post([shard] { shard->drain(); });
}

ServerStats HttpServer::stats() const {
  const edge::Shared& s = *impl_->shared;
  return {.connections_open = s.open,
          .connections_total = s.total,
          .connections_refused = s.refused,
          .handshakes_failed = s.handshakes_failed,
          .handshakes_resumed = s.handshakes_resumed,
          .requests = s.requests,
          .bad_requests = s.bad_requests};
}

}  // namespace pga::net
