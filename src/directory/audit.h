// Who tried what, from where, and what came of it. Rows are kept for a year.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "directory/database.h"
#include "directory/ids.h"

namespace pga::directory {

inline constexpr std::chrono::days kAuditKept{365};

struct AuditEntry {
  WallTime at{};
  std::optional<TenantId> tenant = {};
  std::string actor;    // user name, collector uuid, or what was claimed
  std::string action;   // "login", "enrol", "renew", "push", "token create"
  std::string outcome;  // "ok" or "refused"
  std::string address;
  std::string detail = {};
};

class Audit {
 public:
  Audit(Database& database, const Clock& clock) : database_(database), clock_(clock) {}
  Status record(const AuditEntry& entry);  // `at` is set here
  Result<std::vector<AuditEntry>> newest(std::int64_t limit);
  Status delete_old();

 private:
  Database& database_;
  const Clock& clock_;
};

}  // namespace pga::directory
