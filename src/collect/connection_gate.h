// Which databases of a server may hold a connection: no more than connections_max together, the others in turn, and nothing new while the
// server has few connections left. Arithmetic only: who asks opens and closes.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"

namespace pga::collect {

class ConnectionGate {
 public:
  using Id = const void*;

  // What the server said of its connections.
  struct Server {
    std::int64_t max = 0;        // max_connections
    std::int64_t kept_back = 0;  // of them for superusers and for pg_use_reserved_connections
    std::int64_t used = 0;
    std::set<std::string> held;  // databases that somebody holds or awaits exclusively: who connects to one waits, without a lock_timeout
  };
  struct Answer {
    bool open = false;
    Id instead_of = nullptr;            // whose connection is to be closed first
    std::string why;                    // not
    std::chrono::milliseconds again{};  // when to ask again
  };

  // How many connections stay for everybody else.
  [[nodiscard]] static std::int64_t kept_for_others(std::int64_t max);

  // One of connections_max is the main connection's, which never asks.
  ConnectionGate(std::size_t connections_max, Clock& clock) : places_(connections_max - 1), clock_(clock) {}

  // Whoever has a reading due and no connection asks again and again. Answered in the order in which they began to ask.
  Answer ask(Id who, const std::string& database);
  void rests(Id who, SteadyTime due);  // nothing is under way, and nothing due before
  void works(Id who);
  void leave(Id who);  // it has no connection any more, or could not get one
  void forget(Id who);

  // Somebody asked, and what the server said is old.
  [[nodiscard]] bool wants_server() const { return wants_server_; }
  void told(Server server);
  void refused(std::string why);  // the server gave no connection, or no answer: it is left alone for some seconds

  [[nodiscard]] std::size_t holders() const { return holders_.size(); }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Holder {
    Id id;
    SteadyTime since;
    bool works = true;
    SteadyTime due{};
  };
  struct Waiting {
    Id id;
    SteadyTime asked_at;
  };
  [[nodiscard]] const Holder* to_give_way(SteadyTime now) const;
  [[nodiscard]] Answer not_now(const std::string& database, SteadyTime now);

  const std::size_t places_;
  Clock& clock_;
  std::vector<Holder> holders_;
  std::vector<Waiting> waiting_;  // who began to ask first stands first
  Server server_;
  SteadyTime told_at_{};
  bool is_told_ = false;
  bool wants_server_ = false;
  std::int64_t opened_since_ = 0;
  SteadyTime patient_until_{};
  std::string patient_why_;
};

}  // namespace pga::collect
