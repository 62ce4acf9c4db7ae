// What one server has on its loops, between http_server.cc (listening, accepting, ending) and http_session.cc (one connection's life).
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <ctime>
#include <memory>
#include <vector>

#include "net/http_server.h"
#include "net/loop_internal.h"
#include "net/sockets_internal.h"
#include "net/stream_internal.h"
#include "net/wheel_internal.h"

namespace pga::net::edge {

namespace intrusive = boost::intrusive;
using Block = std::unique_ptr<char[]>;

// What all loops of one server share; constant but for the counters.
struct Shared {
  Shared(ServerOptions with, Handler by) : options(std::move(with)), handler(std::move(by)) {}
  [[nodiscard]] const Clock& clock() const { return options.clock == nullptr ? system_clock : *options.clock; }

  const ServerOptions options;
  const Handler handler;
  const SystemClock system_clock;
  std::atomic<std::uint64_t> open{0}, total{0}, refused{0}, handshakes_failed{0}, handshakes_resumed{0}, requests{0}, bad_requests{0};
};

struct Shard;
struct Slot;
struct Turn;
using TurnHook = intrusive::list_base_hook<intrusive::tag<Turn>, intrusive::link_mode<intrusive::auto_unlink>>;
using SlotHook = intrusive::list_base_hook<intrusive::tag<Slot>, intrusive::link_mode<intrusive::auto_unlink>>;
using ShardHook = intrusive::list_base_hook<intrusive::tag<Shard>, intrusive::link_mode<intrusive::auto_unlink>>;

struct Connection : Wheel::Node, ShardHook {
  Connection(Shard& on, FileDescriptor fd, std::string remote);
  ~Connection();
  Connection(const Connection&) = delete;

  void interrupt() {
    interrupted = true;
    stream.cancel();
  }
  [[nodiscard]] bool over() const { return interrupted || timed_out; }
  void arm(std::chrono::milliseconds timeout);

  Shard& shard;
  Stream stream;
  const std::string remote_address;
  std::unique_ptr<const PeerCertificate> peer;
  bool idle = true;  // nothing of a request has come, so that drain may close it
  bool interrupted = false;
};

// The part of a server on one loop, touched on that loop only. Shared by the server and its activities, which may outlive it.
struct Shard : std::enable_shared_from_this<Shard> {
  Shard(Loop& on, std::shared_ptr<Shared> common, FileDescriptor listener)
      : loop(on), shared(std::move(common)), acceptor(on.impl().context, listener.release()), wheel(longest(shared->options)) {}
  static std::chrono::milliseconds longest(const ServerOptions& o) {
    return std::max({o.handshake_timeout, o.request_timeout, o.idle_timeout, o.drain_timeout});
  }
  void turn_wheel();
  void drain();
  void end();  // all connections, at once
  Block take_block();
  std::string_view date();
  [[nodiscard]] bool all_slots_taken() const;
  void call_next();  // a place was left, or another one is the first in line now

  Loop& loop;
  const std::shared_ptr<Shared> shared;
  Descriptor acceptor;
  intrusive::list<Slot, intrusive::base_hook<SlotHook>, intrusive::constant_time_size<false>> handshakes;  // the oldest first
  intrusive::list<Turn, intrusive::base_hook<TurnHook>, intrusive::constant_time_size<false>> line;        // the same; wait for a place
  Deadline last_handshake{};                                                                               // that succeeded
  Wheel wheel;
  Wheel::Node drain_limit;
  Timer wheel_timer{loop.impl().context};
  Timer gone{loop.impl().context, Deadline::max()};  // cancelled when a connection ends
  intrusive::list<Connection, intrusive::base_hook<ShardHook>, intrusive::constant_time_size<false>> connections;
  std::vector<Block> blocks;
  std::time_t date_second = 0;
  std::string date_text;
  bool draining = false;
};

// One of the places for a handshake under way.
struct Slot : SlotHook {
  explicit Slot(Connection& of) : connection(of) { connection.shard.handshakes.push_back(*this); }
  ~Slot() {
    unlink();
    connection.shard.call_next();
  }
  Slot(const Slot&) = delete;
  Connection& connection;
  const Deadline since = Deadline::clock::now();
};

// A connection in the line for a place. Only the first is woken for one that is left: when a thousand peers come back at once, waking
// everybody each time costs more than their handshakes.
struct Turn : TurnHook {
  explicit Turn(Shard& of) : shard(of), called(of.loop) { shard.line.push_back(*this); }
  ~Turn() {
    unlink();
    shard.call_next();
  }
  Turn(const Turn&) = delete;
  [[nodiscard]] bool is_first() const { return &shard.line.front() == this; }
  Shard& shard;
  Event called;
};

inline bool Shard::all_slots_taken() const { return handshakes.size() >= shared->options.handshakes_max; }
inline void Shard::call_next() {
  if (!line.empty()) line.front().called.set();
}

// One connection, from its handshake on, until it ends or is interrupted.
Task<> session(std::shared_ptr<Shard> shard, FileDescriptor fd, std::string remote);

}  // namespace pga::net::edge
