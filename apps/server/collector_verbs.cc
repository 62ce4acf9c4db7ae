// token and collector: who may enrol, who has, and what they are to do.
#include <unistd.h>

#include <cstdio>

#include "base/clock.h"
#include "base/files.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "directory/fleet.h"
#include "identity/token.h"
#include "ingest/registry.h"
#include "settings/collector_settings.h"
#include "state.h"
#include "verbs.h"
#include "verbs_internal.h"

namespace pga::server {

int create_token(const Config& config, std::int64_t uses, std::chrono::microseconds life, bool needs_approval, bool json) {
  const SystemClock clock;
  SystemRandom random;
  const auto work = [&]() -> Result<std::pair<Secret<std::string>, WallTime>> {
    PGA_TRY(const State state, load_state(config, clock));
    PGA_TRY(const auto authority, identity::read_certificate(state.authority.authorities.signing.certificate_pem));
    PGA_TRY(const auto database, directory::Database::open(database_file(config)));
    const identity::EnrolmentToken token{authority.sha256, identity::make_token(random)};
    const WallTime expires = clock.now() + life;
    PGA_TRY_STATUS(
        directory::Fleet(*database, clock)
            .create_enrolment_token(directory::kDefaultTenant, identity::stored_form(token.secret.read()), expires, uses, needs_approval));
    PGA_TRY_STATUS(audit_verb(*database, clock, "token create", {}, directory::kDefaultTenant, needs_approval ? "with approval" : ""));
    return std::pair{identity::format_enrolment_token(token), expires};
  };
  const auto made = work();
  if (!made) return print_error(kBadState, made.error().message);
  if (json) {
    print({{"token", made->first.read()}, {"expires", to_micros(made->second) / 1'000}});
  } else {
    std::printf("%s\n", made->first.read().c_str());
  }
  return kDone;
}

namespace {

std::string remark(const directory::Collector& c) {
  if (c.revoked) return "  (revoked)";
  if (c.locked) return "  (locked: " + *c.locked + ")";
  if (c.waits_for_approval) return "  (to be approved)";
  const std::string version = std::to_string(c.configuration);
  if (c.configuration != c.configuration_seen) return "  (has not taken configuration " + version + " yet)";
  if (c.configuration_refused) return "  (refused configuration " + version + ": " + *c.configuration_refused + ")";
  return "";
}

}  // namespace

int list_collectors(const Config& config, bool json) {
  const SystemClock clock;
  const auto work = [&]() -> Result<std::vector<directory::Collector>> {
    PGA_TRY(const auto database, directory::Database::open(database_file(config)));
    return directory::Fleet(*database, clock).collectors();
  };
  const auto collectors = work();
  if (!collectors) return print_error(kBadState, collectors.error().message);
  boost::json::array items;
  for (const directory::Collector& c : *collectors) {
    const boost::json::value seen = c.last_seen ? boost::json::value(to_micros(*c.last_seen) / 1'000) : boost::json::value(nullptr);
    items.push_back(
        {{"uuid", c.uuid},
         {"name", c.name},
         {"version", c.version},
         {"last_seen", seen},
         {"revoked", c.revoked},
         {"to_be_approved", c.waits_for_approval},
         {"locked", c.locked ? boost::json::value(*c.locked) : boost::json::value(nullptr)},
         {"configuration", c.configuration},
         {"configuration_seen", c.configuration_seen},
         {"configuration_refused", c.configuration_refused ? boost::json::value(*c.configuration_refused) : boost::json::value(nullptr)}});
    if (!json) std::printf("%s  %s%s\n", c.uuid.c_str(), c.name.c_str(), remark(c).c_str());
  }
  if (json) print(items);
  return kDone;
}

namespace {

// Does it to the collector of this uuid and audits that, also where there is none.
Result<directory::Collector> change_collector(const Config& config, const std::string& uuid, const std::string& action,
                                              Status (directory::Fleet::*change)(directory::CollectorId)) {
  const SystemClock clock;
  PGA_TRY(const auto database, directory::Database::open(database_file(config)));
  directory::Fleet fleet(*database, clock);
  PGA_TRY(const auto collector, fleet.find_collector(uuid));
  const Status there = collector ? Status() : Status(Error{ErrorCode::kNotFound, "there is no collector " + uuid});
  PGA_TRY_STATUS(audit_verb(*database, clock, action, there, collector ? std::optional(collector->tenant) : std::nullopt, uuid));
  PGA_TRY_STATUS(there);
  PGA_TRY_STATUS((fleet.*change)(collector->id));
  return *collector;
}

int tell_changed(const Result<directory::Collector>& changed, const std::string& what, const std::string& then, bool json) {
  if (!changed) return print_error(kBadState, changed.error().message);
  if (json) {
    print({{"uuid", changed->uuid}, {"name", changed->name}, {what, true}});
  } else {
    std::printf("collector %s is %s; a running server %s within %lld s\n", changed->name.c_str(), what.c_str(), then.c_str(),
                static_cast<long long>(ingest::kRegistryAgeMax.count()));
  }
  return kDone;
}

}  // namespace

int revoke_collector(const Config& config, const std::string& uuid, bool json) {
  return tell_changed(change_collector(config, uuid, "revoke", &directory::Fleet::revoke), "revoked", "refuses it", json);
}

int unlock_collector(const Config& config, const std::string& uuid, bool json) {
  return tell_changed(change_collector(config, uuid, "unlock", &directory::Fleet::unlock), "unlocked", "lets it in", json);
}

int approve_collector(const Config& config, const std::string& uuid, bool json) {
  return tell_changed(change_collector(config, uuid, "approve", &directory::Fleet::approve), "approved", "lets it in", json);
}

namespace {

// Checked as the collectors check it, so that what they would refuse is not handed out.
Result<std::optional<std::string>> read_configuration(const Config& config, const std::filesystem::path& file) {
  if (file.empty()) return std::optional<std::string>();
  PGA_TRY(std::string yaml, read_file(file, settings::kCollectorSettingsBytesMax));
  PGA_TRY(const auto parsed, settings::parse_collector_settings(yaml, file.string()));
  PGA_TRY(const auto catalog, catalog::Catalog::load(config.sources_dir));
  PGA_TRY_STATUS(settings::check_sources(parsed, catalog.names()));
  return std::optional(std::move(yaml));
}

}  // namespace

int configure_collectors(const Config& config, const std::string& uuid, const std::filesystem::path& file, bool json) {
  const SystemClock clock;
  const auto work = [&]() -> Result<std::int64_t> {
    PGA_TRY(const auto yaml, read_configuration(config, file));
    PGA_TRY(const auto database, directory::Database::open(database_file(config)));
    directory::Fleet fleet(*database, clock);
    directory::TenantId tenant = directory::kDefaultTenant;
    std::optional<directory::CollectorId> only;
    if (!uuid.empty()) {
      PGA_TRY(const auto collector, fleet.find_collector(uuid));
      if (!collector) return Error{ErrorCode::kNotFound, "there is no collector " + uuid};
      tenant = collector->tenant;
      only = collector->id;
    }
    PGA_TRY(const std::int64_t version, fleet.set_configuration(tenant, only, yaml));
    PGA_TRY_STATUS(
        audit_verb(*database, clock, "configure", {}, tenant,
                   (uuid.empty() ? "all collectors" : uuid) + ", version " + std::to_string(version) + (yaml ? "" : ", withdrawn")));
    return version;
  };
  const auto version = work();
  if (!version) return print_error(version.error().code == ErrorCode::kInvalid ? kBadConfiguration : kBadState, version.error().message);
  const std::string whom = uuid.empty() ? "all collectors that have none of their own" : "collector " + uuid;
  if (json) {
    print({{"version", *version}, {"collector", uuid.empty() ? boost::json::value(nullptr) : boost::json::value(uuid)}});
  } else if (file.empty()) {
    std::printf("the configuration of %s is withdrawn; their own files hold again after their next frame\n", whom.c_str());
  } else {
    std::printf("configuration %lld is for %s; each takes it after its next frame, and collector list says how it went\n",
                static_cast<long long>(*version), whom.c_str());
  }
  return kDone;
}

}  // namespace pga::server
