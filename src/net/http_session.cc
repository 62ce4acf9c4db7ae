#include <cstring>
#include <exception>
#include <optional>

#include "base/log.h"
#include "net/http_shard_internal.h"
#include "net/limits.h"
#include "net/message_internal.h"

namespace pga::net::edge {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLingerTimeout = 2s;

// A read buffer for the length of a burst.
struct Buffer {
  explicit Buffer(Shard& from) : shard(from), block(from.take_block()) {}
  ~Buffer() {
    if (shard.blocks.size() < kBlocksKept) shard.blocks.push_back(std::move(block));
  }
  Buffer(const Buffer&) = delete;

  [[nodiscard]] std::string_view unread() const { return {block.get() + begin, end - begin}; }
  // Makes room behind what is unread; nothing if it fills the block.
  std::span<char> room() {
    if (begin > 0) {
      std::memmove(block.get(), block.get() + begin, end - begin);
      end -= begin;
      begin = 0;
    }
    return {block.get() + end, kBlockBytes - end};
  }

  Shard& shard;
  Block block;
  std::size_t begin = 0, end = 0;
};

bool ignoring_case_is(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) { return (a | 0x20) == b || a == b; });
}

bool is_own_header(std::string_view name) {
  return ignoring_case_is(name, "content-length") || ignoring_case_is(name, "connection") || ignoring_case_is(name, "date") ||
         ignoring_case_is(name, "transfer-encoding");
}

// Status line and header fields, with the body behind them if it is to be sent and small.
std::string serialize(Shard& shard, const Response& response, bool with_body, bool close) {
  const bool has_length = response.status >= 200 && response.status != 204 && response.status != 304;
  std::string out;
  out.reserve(256 + (with_body && response.body.size() <= kJoinedBodyBytesMax ? response.body.size() : 0));
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ").append(reason_phrase(response.status)).append("\r\n");
  out.append(shard.date());
  if (has_length) out.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
  for (const auto& [name, value] : response.headers.items) {
    if (!is_own_header(name)) out.append(name).append(": ").append(value).append("\r\n");
  }
  out.append(close ? "Connection: close\r\n\r\n" : "\r\n");
  if (with_body && has_length && response.body.size() <= kJoinedBodyBytesMax) out.append(response.body);
  return out;
}

// What a handler must not answer is our mistake and becomes a 500.
void make_valid(Response& response) {
  const auto& items = response.headers.items;
  const bool good = std::all_of(items.begin(), items.end(), [](const auto& item) { return is_header(item.first, item.second); });
  if (good && response.status >= 200 && response.status <= 599) return;
  log_error("net", "a handler's answer with status " + std::to_string(response.status) + " has a status or header that cannot be sent");
  response = Response::text(500, "internal error\n");
  response.close = true;
}

// True when all is written; false when the connection is over.
Task<bool> write_all(Connection& c, std::string_view bytes) {
  c.arm(c.shard.shared->options.request_timeout);
  while (!bytes.empty()) {
    const Attempt attempt = c.stream.write_some(bytes);
    if (attempt.step == Step::kOk) {
      bytes.remove_prefix(attempt.bytes);
    } else if (attempt.step == Step::kWantRead || attempt.step == Step::kWantWrite) {
      if (c.over()) co_return false;
      co_await c.stream.ready(attempt.step);
      if (c.over()) co_return false;
      c.arm(c.shard.shared->options.request_timeout);
    } else {
      co_return false;
    }
  }
  co_return true;
}

// Ends a connection whose peer may still be sending: closing at once would reset it, and the peer would not see why.
Task<> linger(Connection& c) {
  c.stream.shutdown();
  Buffer buffer(c.shard);
  c.arm(std::min(kLingerTimeout, c.shard.shared->options.request_timeout));
  for (std::size_t discarded = 0; discarded < kLingerBytesMax && !c.over();) {
    const Attempt attempt = c.stream.discard(buffer.block.get(), kBlockBytes);
    discarded += attempt.bytes;
    if (attempt.step == Step::kEnd || attempt.step == Step::kError) break;
    if (attempt.step == Step::kWantRead) co_await c.stream.ready(Step::kWantRead);
  }
}

// By reference: g++ 12 destroys an aggregate that is a temporary of a co_await twice.
Task<> refuse(Connection& c, const Refusal& refusal) {
  ++c.shard.shared->bad_requests;
  const Response response = Response::text(refusal.status, refusal.reason + "\n");
  const std::string bytes = serialize(c.shard, response, true, true);
  c.timed_out = false;  // a request that came too slowly is still told so
  if (co_await write_all(c, bytes)) co_await linger(c);
}

bool certificate_expired(const Connection& c) { return c.peer && to_micros(c.shard.shared->clock().now()) / 1'000'000 > c.peer->not_after; }

// Answers one request; false when the connection ends after it.
Task<bool> answer(Connection& c, Request& request, bool keep_alive) {
  Shared& shared = *c.shard.shared;
  Wheel::disarm(c);
  ++shared.requests;
  request.remote_address = c.remote_address;
  if (c.peer) request.peer = *c.peer;
  Response response;
  if (certificate_expired(c)) {
    response = Response::text(401, "the client certificate has expired\n");
    response.close = true;
  } else {
    try {
      response = co_await shared.handler(request);
    } catch (const std::exception& error) {
      log_error("net", "the handler of " + request.method + " " + std::string(request.path()) + " failed: " + error.what());
      response = Response::text(500, "internal error\n");
    }
  }
  make_valid(response);
  const bool close = response.close || !keep_alive || c.shard.draining;
  const bool with_body = request.method != "HEAD" && response.status != 204 && response.status != 304;
  const std::string head = serialize(c.shard, response, with_body, close);
  const Attempt at_once = c.stream.write_some(head);
  if (at_once.step == Step::kEnd || at_once.step == Step::kError) co_return false;
  if (at_once.bytes < head.size() && !co_await write_all(c, std::string_view(head).substr(at_once.bytes))) co_return false;
  if (with_body && response.body.size() > kJoinedBodyBytesMax && !co_await write_all(c, response.body)) co_return false;
  co_return !close;
}

// Serves requests until there are no more bytes; parser and buffer live only here, so that an idle connection has neither.
// False when the connection is over.
Task<bool> burst(Connection& c) {
  const ServerOptions& options = c.shard.shared->options;
  const bool strangers = options.stranger_body_bytes_max != 0 && c.peer == nullptr;
  const MessageLimits limits{.header_bytes_max = std::min(options.header_bytes_max, kHeaderBytesMax),
                             .body_bytes_max = strangers ? options.stranger_body_bytes_max : options.body_bytes_max};
  Buffer buffer(c.shard);
  c.arm(options.request_timeout);
  for (;;) {
    Request request;
    RequestReader reader(request, limits);
    bool asked = false;
    while (!reader.done()) {
      if (!buffer.unread().empty()) {
        c.idle = false;
        const auto taken = reader.feed(buffer.unread());
        if (!taken) {
          co_await refuse(c, taken.error());
          co_return false;
        }
        buffer.begin += *taken;
        if (reader.done()) break;
        if (reader.header_done() && reader.expects_continue() && !std::exchange(asked, true)) {
          if (!co_await write_all(c, "HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
        }
      }
      const std::span<char> room = buffer.room();
      if (room.empty()) {
        const Refusal why{400, "a chunk's header does not fit into " + std::to_string(kBlockBytes) + " bytes"};
        co_await refuse(c, why);
        co_return false;
      }
      const Attempt attempt = c.stream.read_some(room.data(), room.size());
      if (attempt.step == Step::kOk) {
        buffer.end += attempt.bytes;
      } else if (attempt.step == Step::kEnd || attempt.step == Step::kError) {
        co_return false;
      } else {
        if (c.idle) co_return true;
        if (!c.over()) co_await c.stream.ready(attempt.step);
        if (c.interrupted) co_return false;
        if (c.timed_out) {
          const Refusal why{408, "the request did not come within " + std::to_string(options.request_timeout.count()) + " ms"};
          co_await refuse(c, why);
          co_return false;
        }
      }
    }
    if (!co_await answer(c, request, reader.keep_alive())) co_return false;
    c.idle = true;
    if (c.shard.draining) co_return false;
    if (buffer.unread().empty() && !c.stream.has_pending()) co_return true;
    c.arm(options.request_timeout);
  }
}

// Waits for a place, in order of arrival; false when the connection is over. Peers that begin a handshake and leave it there would keep
// everybody out until their timeout, so whoever has waited a tenth of that takes the place of the oldest that has had it as long. Not while
// handshakes succeed: then the line moves, and those that take long belong to honest peers that are far away or busy.
Task<bool> take_slot(Connection& c, std::optional<Slot>& slot) {
  Shard& shard = c.shard;
  if (shard.line.empty() && !shard.all_slots_taken()) {
    slot.emplace(c);
    co_return true;
  }
  const auto patience = shard.shared->options.handshake_timeout / 10;
  const Deadline begun = Deadline::clock::now();
  const auto may_push_out_at = [&] { return std::max({begun, shard.handshakes.front().since, shard.last_handshake}) + patience; };
  Turn turn(shard);
  while (!c.over()) {
    const bool is_first = turn.is_first();
    if (is_first && !shard.all_slots_taken()) {
      slot.emplace(c);
      co_return true;
    }
    turn.called.reset();
    Deadline until = Deadline::clock::now() + patience;  // the others look whether their connection is over
    if (is_first) until = may_push_out_at();
    const Status called = co_await turn.called.wait(until);
    if (called) continue;
    if (called.error().code != ErrorCode::kTimeout) break;  // the loop is stopping
    if (c.over() || !turn.is_first() || !shard.all_slots_taken()) continue;
    if (Deadline::clock::now() < may_push_out_at()) continue;
    Slot& oldest = shard.handshakes.front();
    oldest.connection.interrupt();
    oldest.unlink();
    slot.emplace(c);
    co_return true;
  }
  co_return false;
}

Task<bool> handshake(Connection& c) {
  Shared& shared = *c.shard.shared;
  c.arm(shared.options.handshake_timeout);
  co_await c.stream.ready(Step::kWantRead);  // a peer that says nothing takes no place
  std::optional<Slot> slot;
  if (!co_await take_slot(c, slot)) co_return false;
  auto ssl = tls_accept(*shared.options.tls, c.stream.fd());
  if (!ssl) {
    log_error("net", ssl.error().message);
    co_return false;
  }
  c.stream.secure(std::move(*ssl));
  for (;;) {
    const Attempt attempt = c.stream.handshake();
    if (attempt.step == Step::kOk) break;
    if (attempt.step == Step::kEnd || attempt.step == Step::kError) {
      log_debug("net", "handshake with " + c.remote_address + " failed: " + c.stream.error());
      co_return false;
    }
    if (!c.over()) co_await c.stream.ready(attempt.step);
    if (c.over()) co_return false;
  }
  c.shard.last_handshake = Deadline::clock::now();
  if (tls_resumed(c.stream.ssl())) ++shared.handshakes_resumed;
  if (auto peer = tls_peer(c.stream.ssl())) c.peer = std::make_unique<const PeerCertificate>(std::move(*peer));
  // OpenSSL looks at the dates in a full handshake only.
  co_return !certificate_expired(c);
}

}  // namespace

Task<> session(std::shared_ptr<Shard> shard, FileDescriptor fd, std::string remote) {
  Connection c(*shard, std::move(fd), std::move(remote));
  if (shard->draining) co_return;
  if (shard->shared->options.tls && !co_await handshake(c)) {
    ++shard->shared->handshakes_failed;
    if (!c.over()) co_await linger(c);
    co_return;
  }
  // What came with the end of the handshake is already inside of OpenSSL.
  if (c.stream.has_pending() && !co_await burst(c)) {
    c.stream.shutdown();
    co_return;
  }
  while (!shard->draining && !c.over()) {
    c.arm(shard->shared->options.idle_timeout);
    co_await c.stream.ready(Step::kWantRead);
    if (c.over() || !co_await burst(c)) break;
  }
  c.stream.shutdown();
}

}  // namespace pga::net::edge
