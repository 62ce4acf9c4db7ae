// The PostgreSQL servers that run on this machine: told by those who are connected to them, read by the readers of the machine.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "wire/frame.h"

namespace pga::collect {

struct LocalServer {
  wire::Target target;
  int postmaster = 0;  // process id, as this collector's process namespace numbers it
};

class LocalServers {
 public:
  // `name`: of the target in the configuration. A postmaster of 0: the server is not on this machine, or no longer known to be.
  void set(const std::string& name, wire::Target target, int postmaster) {
    std::erase_if(servers_, [&](const LocalServer& server) { return server.target.name == name; });
    if (postmaster > 0) servers_.push_back({std::move(target), postmaster});
  }
  [[nodiscard]] const std::vector<LocalServer>& all() const { return servers_; }

 private:
  std::vector<LocalServer> servers_;
};

}  // namespace pga::collect
