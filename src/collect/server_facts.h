// What of a server and its database decides which sources can be read: asked once for all of them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "net/task.h"
#include "pg/connection.h"

namespace pga::collect {

class ServerFacts {
 public:
  explicit ServerFacts(Clock& clock) : clock_(clock) {}

  // Asks when it was not asked yet, or some minutes ago.
  net::Task<std::optional<pg::Failure>> refresh(pg::Connection& connection, Deadline deadline);
  void forget() { asked_ = false; }

  [[nodiscard]] bool has_role(const std::string& role) const { return roles_.contains(role); }
  // Its schema, quoted; nothing if it is not installed in this database.
  [[nodiscard]] std::optional<std::string> extension(const std::string& name) const;
  [[nodiscard]] std::uint64_t version() const { return version_; }  // another one: what can be read may be something else

 private:
  Clock& clock_;
  bool asked_ = false;
  SteadyTime asked_at_{};
  std::uint64_t version_ = 0;
  std::set<std::string> roles_;                    // whose rights we have
  std::map<std::string, std::string> extensions_;  // name to quoted schema
  bool helper_ = false;                            // the optional schema pganalytics is there and may be used
};

}  // namespace pga::collect
