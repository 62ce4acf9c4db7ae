#include "directory/fleet.h"

namespace pga::directory {
namespace {

constexpr std::string_view kCollectorColumns =
    "id, uuid, tenant_id, name, version, certificate_serial, certificate_expires_us, previous_serial, enrolled_us, last_seen_us, "
    "clock_skew_us, "
    "frames, rows_accepted, duplicates, refused, revoked_us, generation, certificate_used_us, locked_why, waits_for_approval, "
    "(SELECT version FROM wanted_configurations WHERE collector_id = collectors.id), configuration_seen, configuration_refused, signed_by, "
    "knows";
constexpr std::string_view kServerColumns = "id, tenant_id, kind, system_identifier, name, version, collector_id";

std::uint32_t id_of(const Row& row, int column) { return static_cast<std::uint32_t>(row.integer(column)); }

Collector read_collector(const Row& row) {
  Collector c;
  c.id = {id_of(row, 0)};
  c.uuid = row.text(1);
  c.tenant = {id_of(row, 2)};
  c.name = row.text(3);
  c.version = row.text(4);
  c.certificate_serial = row.text(5);
  c.certificate_expires = from_micros(row.integer(6));
  c.previous_serial = row.text(7);
  c.enrolled = from_micros(row.integer(8));
  if (const auto seen = row.maybe_integer(9)) c.last_seen = from_micros(*seen);
  if (const auto skew = row.maybe_integer(10)) c.clock_skew = std::chrono::microseconds(*skew);
  c.frames = row.integer(11);
  c.rows = row.integer(12);
  c.duplicates = row.integer(13);
  c.refused = row.integer(14);
  c.revoked = row.maybe_integer(15).has_value();
  c.generation = row.integer(16);
  if (const auto used = row.maybe_integer(17)) c.certificate_used = from_micros(*used);
  c.locked = row.maybe_text(18);
  c.waits_for_approval = row.integer(19) != 0;
  c.configuration = row.integer(20);
  c.configuration_seen = row.integer(21);
  c.configuration_refused = row.maybe_text(22);
  c.signed_by = row.text(23);
  c.knows = row.text(24);
  return c;
}

Server read_server(const Row& row) {
  return {.id = {id_of(row, 0)},
          .tenant = {id_of(row, 1)},
          .kind = row.text(2),
          .system_identifier = row.text(3),
          .name = row.text(4),
          .version = row.text(5),
          .collector = {id_of(row, 6)}};
}

std::string select(std::string_view columns, std::string_view rest) { return "SELECT " + std::string(columns) + " " + std::string(rest); }

}  // namespace

Status Fleet::create_enrolment_token(TenantId tenant, const std::string& secret_sha256, WallTime expires, std::int64_t uses,
                                     bool needs_approval) {
  PGA_TRY_STATUS(database_.run("DELETE FROM enrolment_tokens WHERE expires_us <= $1", {to_micros(clock_.now())}));
  PGA_TRY_STATUS(
      database_.run("INSERT INTO enrolment_tokens (secret_sha256, tenant_id, created_us, expires_us, uses_left, needs_approval) "
                    "VALUES ($1, $2, $3, $4, $5, $6)",
                    {secret_sha256, tenant.value, to_micros(clock_.now()), to_micros(expires), uses, needs_approval}));
  return {};
}

Result<std::optional<Collector>> Fleet::enrol(const std::string& secret_sha256, const std::string& uuid, const std::string& name,
                                              const Certify& certify) {
  return database_.transaction([&]() -> Result<std::optional<Collector>> {
    const std::int64_t now = to_micros(clock_.now());
    std::optional<std::int64_t> tenant;
    bool needs_approval = false;
    PGA_TRY_STATUS(database_.run(
        "UPDATE enrolment_tokens SET uses_left = uses_left - 1 WHERE secret_sha256 = $1 AND uses_left > 0 AND expires_us > $2 "
        "RETURNING tenant_id, needs_approval",
        {secret_sha256, now}, [&](const Row& row) {
          tenant = row.integer(0);
          needs_approval = row.integer(1) != 0;
        }));
    if (!tenant) return std::optional<Collector>();
    PGA_TRY_STATUS(
        database_.run("INSERT INTO collectors (uuid, tenant_id, name, enrolled_us, waits_for_approval) VALUES ($1, $2, $3, $4, $5)",
                      {uuid, *tenant, name, now, needs_approval}));
    if (certify) {
      PGA_TRY(const auto collector, find_collector(uuid));
      PGA_TRY(const IssuedCertificate issued, certify(*collector));
      PGA_TRY_STATUS(record_certificate(collector->id, issued, ""));
    }
    return find_collector(uuid);
  });
}

Status Fleet::record_certificate(CollectorId collector, const IssuedCertificate& issued, const std::string& replaced) {
  PGA_TRY(const std::int64_t changed,
          database_.run("UPDATE collectors SET certificate_serial = $1, certificate_expires_us = $2, previous_serial = $3, "
                        "certificate_used_us = NULL, generation = generation + ($3 <> ''), signed_by = $5, knows = $6 WHERE id = $4 AND "
                        "revoked_us IS NULL",
                        {issued.serial, to_micros(issued.expires), replaced, collector.value, issued.signed_by, issued.knows}));
  if (changed != 1) return Error{ErrorCode::kForbidden, "the collector was revoked"};
  return {};
}

Status Fleet::record_activity(const std::vector<CollectorActivity>& activity) {
  return database_.transaction([&]() -> Status {
    for (const CollectorActivity& a : activity) {
      const auto seen = a.last_seen ? std::optional(to_micros(*a.last_seen)) : std::nullopt;
      const auto skew = a.clock_skew ? std::optional<std::int64_t>(a.clock_skew->count()) : std::nullopt;
      PGA_TRY_STATUS(
          database_.run("UPDATE collectors SET frames = frames + $1, rows_accepted = rows_accepted + $2, duplicates = duplicates + $3, "
                        "refused = refused + $4, "
                        "last_seen_us = coalesce($5, last_seen_us), clock_skew_us = coalesce($6, clock_skew_us), "
                        "version = CASE WHEN $7 = '' THEN version ELSE $7 END WHERE id = $8",
                        {a.frames, a.rows, a.duplicates, a.refused, seen, skew, a.version, a.collector.value}));
    }
    return {};
  });
}

Status Fleet::revoke(CollectorId collector) {
  PGA_TRY_STATUS(database_.run("UPDATE collectors SET revoked_us = $1 WHERE id = $2 AND revoked_us IS NULL",
                               {to_micros(clock_.now()), collector.value}));
  return {};
}

Status Fleet::note_certificate_used(CollectorId collector) {
  PGA_TRY_STATUS(database_.run("UPDATE collectors SET certificate_used_us = $1 WHERE id = $2 AND certificate_used_us IS NULL",
                               {to_micros(clock_.now()), collector.value}));
  return {};
}

Status Fleet::lock(CollectorId collector, const std::string& why) {
  PGA_TRY_STATUS(database_.run("UPDATE collectors SET locked_why = $1 WHERE id = $2 AND locked_why IS NULL", {why, collector.value}));
  return {};
}

Status Fleet::unlock(CollectorId collector) {
  PGA_TRY_STATUS(database_.run("UPDATE collectors SET locked_why = NULL WHERE id = $1", {collector.value}));
  return {};
}

Status Fleet::approve(CollectorId collector) {
  PGA_TRY_STATUS(database_.run("UPDATE collectors SET waits_for_approval = 0 WHERE id = $1", {collector.value}));
  return {};
}

Result<std::int64_t> Fleet::set_configuration(TenantId tenant, std::optional<CollectorId> collector,
                                              const std::optional<std::string>& yaml) {
  std::int64_t version = 0;
  const std::optional<std::int64_t> only = collector ? std::optional<std::int64_t>(collector->value) : std::nullopt;
  PGA_TRY_STATUS(
      database_.run("INSERT INTO collector_configurations (tenant_id, collector_id, yaml, created_us) VALUES ($1, $2, iif($3, $4, NULL), "
                    "$5) RETURNING version",
                    {tenant.value, only, yaml.has_value(), yaml.value_or(""), to_micros(clock_.now())},
                    [&](const Row& row) { version = row.integer(0); }));
  return version;
}

Result<CollectorConfiguration> Fleet::wanted_configuration(CollectorId collector) {
  CollectorConfiguration wanted;
  PGA_TRY_STATUS(
      database_.run("SELECT version, yaml FROM collector_configurations WHERE version = (SELECT version FROM wanted_configurations WHERE "
                    "collector_id = $1)",
                    {collector.value}, [&](const Row& row) { wanted = {row.integer(0), row.text(1)}; }));
  return wanted;
}

Status Fleet::note_configuration(CollectorId collector, std::int64_t seen, const std::optional<std::string>& refused) {
  PGA_TRY_STATUS(database_.run("UPDATE collectors SET configuration_seen = $1, configuration_refused = iif($2, $3, NULL) WHERE id = $4",
                               {seen, refused.has_value(), refused.value_or(""), collector.value}));
  return {};
}

Result<std::optional<Collector>> Fleet::find_collector(const std::string& uuid) {
  std::optional<Collector> found;
  PGA_TRY_STATUS(database_.run(select(kCollectorColumns, "FROM collectors WHERE uuid = $1"), {uuid},
                               [&](const Row& row) { found = read_collector(row); }));
  return found;
}

Result<std::vector<Collector>> Fleet::collectors(std::optional<TenantId> tenant) {
  std::vector<Collector> all;
  const std::optional<std::int64_t> only = tenant ? std::optional<std::int64_t>(tenant->value) : std::nullopt;
  PGA_TRY_STATUS(database_.run(select(kCollectorColumns, "FROM collectors WHERE $1 IS NULL OR tenant_id = $1 ORDER BY name, id"), {only},
                               [&](const Row& row) { all.push_back(read_collector(row)); }));
  return all;
}

Result<std::vector<ServerId>> Fleet::identify(TenantId tenant, CollectorId collector, const std::vector<TargetIdentity>& targets) {
  return database_.transaction([&]() -> Result<std::vector<ServerId>> {
    std::vector<ServerId> ids;
    for (const TargetIdentity& target : targets) {
      PGA_TRY(const ServerId id, identify_one(tenant, collector, target));
      ids.push_back(id);
    }
    return ids;
  });
}

Result<std::array<std::string, 3>> Fleet::names_of(CollectorId collector, const std::string& target) {
  std::string name;
  PGA_TRY_STATUS(
      database_.run("SELECT name FROM collectors WHERE id = $1", {collector.value}, [&](const Row& row) { name = row.text(0); }));
  return std::array{target, target + " (" + name + ")", target + " (" + name + ", " + std::to_string(collector.value) + ")"};
}

Result<bool> Fleet::held_by_another(TenantId tenant, CollectorId collector, const TargetIdentity& t) {
  bool held = false;
  PGA_TRY_STATUS(
      database_.run("SELECT 1 FROM servers AS s JOIN collectors AS c ON c.id = s.collector_id WHERE s.tenant_id = $1 AND s.kind = $2 "
                    "AND s.system_identifier = $3 AND s.name = $4 AND c.id <> $5 AND c.revoked_us IS NULL "
                    "AND coalesce(c.last_seen_us, c.enrolled_us) > $6",
                    {tenant.value, t.kind, t.system_identifier, t.name, collector.value, to_micros(clock_.now() - kHeldFor)},
                    [&](const Row&) { held = true; }));
  return held;
}

Result<ServerId> Fleet::identify_one(TenantId tenant, CollectorId collector, const TargetIdentity& t) {
  std::optional<ServerId> id;
  const auto take = [&](const Row& row) { id = ServerId{id_of(row, 0)}; };
  PGA_TRY(const auto names, names_of(collector, t.name));
  // What this collector watches already; with an unknown identifier the newest under the name.
  PGA_TRY_STATUS(
      database_.run("SELECT id FROM servers WHERE tenant_id = $1 AND kind = $2 AND ($3 = '' OR system_identifier = $3) "
                    "AND name IN ($4, $5, $6) AND collector_id = $7 ORDER BY id DESC LIMIT 1",
                    {tenant.value, t.kind, t.system_identifier, names[0], names[1], names[2], collector.value}, take));
  const bool shared = t.system_identifier.empty() || t.kind == "host";  // identifiers that several machines may have
  if (!id && !shared) {
    PGA_TRY_STATUS(database_.run("SELECT id FROM servers WHERE tenant_id = $1 AND kind = $2 AND system_identifier = $3 AND name = $4",
                                 {tenant.value, t.kind, t.system_identifier, t.name}, take));
  }
  if (!id && !t.system_identifier.empty()) {
    // Known for the first time: the row that stood in for it keeps its id.
    PGA_TRY_STATUS(
        database_.run("UPDATE OR IGNORE servers SET system_identifier = $1 WHERE id = (SELECT max(id) FROM servers WHERE tenant_id = $2 "
                      "AND kind = $3 AND system_identifier = '' AND name IN ($4, $5, $6) AND collector_id = $7) RETURNING id",
                      {t.system_identifier, tenant.value, t.kind, names[0], names[1], names[2], collector.value}, take));
  }
  if (id) {
    PGA_TRY_STATUS(database_.run("UPDATE servers SET collector_id = $1, version = CASE WHEN $2 = '' THEN version ELSE $2 END WHERE id = $3",
                                 {collector.value, t.version, id->value}));
    return *id;
  }
  std::string name = t.name;
  for (const std::string& candidate : names) {
    if (!shared) break;
    PGA_TRY(const bool held, held_by_another(tenant, collector, {t.kind, t.system_identifier, candidate, t.version}));
    name = candidate;
    if (!held) break;
  }
  std::int64_t watched = 0;
  PGA_TRY_STATUS(database_.run("SELECT count(*) FROM servers WHERE collector_id = $1", {collector.value},
                               [&](const Row& row) { watched = row.integer(0); }));
  if (watched >= kServersPerCollectorMax) {
    return too_large("the collector already watches " + std::to_string(watched) + " servers; \"" + t.name + "\" would exceed the limit");
  }
  PGA_TRY_STATUS(
      database_.run("INSERT INTO servers (tenant_id, kind, system_identifier, name, version, collector_id, first_seen_us) "
                    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, kind, system_identifier, name) "
                    "DO UPDATE SET collector_id = excluded.collector_id RETURNING id",
                    {tenant.value, t.kind, t.system_identifier, name, t.version, collector.value, to_micros(clock_.now())}, take));
  if (!id) return Error{ErrorCode::kInternal, "no id came back for server \"" + t.name + "\""};
  return *id;
}

Result<std::vector<Server>> Fleet::servers(TenantId tenant) {
  std::vector<Server> all;
  PGA_TRY_STATUS(database_.run(select(kServerColumns, "FROM servers WHERE tenant_id = $1 ORDER BY name, id"), {tenant.value},
                               [&](const Row& row) { all.push_back(read_server(row)); }));
  return all;
}

Result<std::optional<Server>> Fleet::find_server(TenantId tenant, ServerId id) {
  std::optional<Server> found;
  PGA_TRY_STATUS(database_.run(select(kServerColumns, "FROM servers WHERE tenant_id = $1 AND id = $2"), {tenant.value, id.value},
                               [&](const Row& row) { found = read_server(row); }));
  return found;
}

}  // namespace pga::directory
