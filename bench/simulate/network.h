// The way between collectors and server: late, lost, twice, cut, or not at all.
#pragma once

#include <memory>
#include <set>

#include "machines.h"

namespace pga::simulate {

class Network {
 public:
  Network(Surroundings& around, ServerMachine& server) : around_(around), server_(server) {}

  std::set<std::uint32_t> cut_off;  // collectors that do not reach the server
  bool flaky = false;
  std::uint64_t answers_lost_percent = 2;  // also when it is well
  // The server's process is gone: who waits for its answer is told, or not.
  void server_is_gone();

  std::unique_ptr<uplink::Transport> transport(net::Loop& loop, std::uint32_t collector);

 private:
  // One request under way. The collector waits for `done`; the answer comes by the collector's loop, if that still exists.
  struct Exchange {
    explicit Exchange(net::Loop& on) : loop(&on), done(on) {}
    net::Loop* loop;
    net::Event done;
    Result<net::Response> answer = Error{ErrorCode::kTimeout, "no answer before the deadline"};
  };
  class Way;
  net::Task<Result<net::Response>> carry(net::Loop& loop, std::uint32_t collector, std::string path, std::string type, std::string body);
  void deliver(const std::shared_ptr<Exchange>& exchange, std::uint32_t collector, const std::string& path, const std::string& type,
               const std::string& body, bool answer_is_lost);
  [[nodiscard]] bool chance(std::uint64_t percent) { return around_.random.next_u64() % 100 < percent; }

  Surroundings& around_;
  ServerMachine& server_;
  std::vector<std::weak_ptr<Exchange>> under_way_;
};

}  // namespace pga::simulate
