#include "directory/audit.h"

namespace pga::directory {

Status Audit::record(const AuditEntry& entry) {
  const std::optional<std::int64_t> tenant = entry.tenant ? std::optional<std::int64_t>(entry.tenant->value) : std::nullopt;
  PGA_TRY_STATUS(
      database_.run("INSERT INTO audit (at_us, tenant_id, actor, action, outcome, address, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    {to_micros(clock_.now()), tenant, entry.actor, entry.action, entry.outcome, entry.address, entry.detail}));
  return {};
}

Result<std::vector<AuditEntry>> Audit::newest(std::int64_t limit) {
  std::vector<AuditEntry> entries;
  PGA_TRY_STATUS(database_.run("SELECT at_us, tenant_id, actor, action, outcome, address, detail FROM audit ORDER BY id DESC LIMIT $1",
                               {limit}, [&](const Row& row) {
                                 AuditEntry e;
                                 e.at = from_micros(row.integer(0));
                                 if (const auto tenant = row.maybe_integer(1)) e.tenant = TenantId{static_cast<std::uint32_t>(*tenant)};
                                 e.actor = row.text(2);
                                 e.action = row.text(3);
                                 e.outcome = row.text(4);
                                 e.address = row.text(5);
                                 e.detail = row.text(6);
                                 entries.push_back(std::move(e));
                               }));
  return entries;
}

Status Audit::delete_old() {
  PGA_TRY_STATUS(database_.run("DELETE FROM audit WHERE at_us < $1", {to_micros(clock_.now() - kAuditKept)}));
  return {};
}

}  // namespace pga::directory
