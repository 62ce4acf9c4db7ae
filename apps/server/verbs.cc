#include "verbs.h"

#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>

#include "api/openapi.h"
#include "base/clock.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "directory/audit.h"
#include "directory/fleet.h"
#include "identity/token.h"
#include "ingest/registry.h"
#include "state.h"

namespace pga::server {
namespace {

void print(const boost::json::value& value) { std::printf("%s\n", boost::json::serialize(value).c_str()); }

Status check_engine(const Config& config) {
  if (!config.embedded()) return {};
  if (::access(config.engine_program.c_str(), X_OK) != 0) return errno_error("engine.program " + config.engine_program.string());
  if (::access(config.engine_library.c_str(), R_OK) != 0) return errno_error("engine.library " + config.engine_library.string());
  return {};
}

}  // namespace

int print_error(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "pganalytics-server: %s\n", message.c_str());
  return code;
}

int init(const Config& config, const std::string& administrator, bool json) {
  const SystemClock clock;
  SystemRandom random;
  const auto made = initialise(config, administrator, clock, random);
  if (!made) return print_error(kBadState, made.error().message);
  if (json) {
    print({{"administrator", made->name}, {"password", made->password.read()}});
  } else {
    std::printf("administrator: %s\none-time password: %s\n", made->name.c_str(), made->password.read().c_str());
  }
  return kDone;
}

int check(const Config& config) {
  const SystemClock clock;
  const auto catalog = catalog::Catalog::load(config.sources_dir);
  if (!catalog) return print_error(kBadConfiguration, catalog.error().message);
  if (const Status engine = check_engine(config); !engine) return print_error(kBadConfiguration, engine.error().message);
  if (const auto state = load_state(config, clock); !state) return print_error(kBadState, state.error().message);
  std::printf("%s: good\n%s: initialised\nsources: %zu\n", config.file.c_str(), config.state_dir.c_str(), catalog->sources().size());
  return kDone;
}

int create_token(const Config& config, std::int64_t uses, std::chrono::microseconds life, bool json) {
  const SystemClock clock;
  SystemRandom random;
  const auto work = [&]() -> Result<std::pair<Secret<std::string>, WallTime>> {
    PGA_TRY(const State state, load_state(config, clock));
    PGA_TRY(const auto authority, identity::read_certificate(state.authority.certificate_pem));
    PGA_TRY(const auto database, directory::Database::open(database_file(config)));
    const identity::EnrolmentToken token{authority.sha256, identity::make_token(random)};
    const WallTime expires = clock.now() + life;
    PGA_TRY_STATUS(directory::Fleet(*database, clock)
                       .create_enrolment_token(directory::kDefaultTenant, identity::stored_form(token.secret.read()), expires, uses));
    directory::AuditEntry entry;
    entry.tenant = directory::kDefaultTenant;
    entry.actor = "uid " + std::to_string(::getuid());
    entry.action = "token create";
    entry.outcome = "ok";
    PGA_TRY_STATUS(directory::Audit(*database, clock).record(entry));
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
    items.push_back({{"uuid", c.uuid},
                     {"name", c.name},
                     {"version", c.version},
                     {"last_seen", seen},
                     {"revoked", c.revoked},
                     {"locked", c.locked ? boost::json::value(*c.locked) : boost::json::value(nullptr)}});
    if (!json)
      std::printf("%s  %s%s\n", c.uuid.c_str(), c.name.c_str(),
                  c.revoked  ? "  (revoked)"
                  : c.locked ? ("  (locked: " + *c.locked + ")").c_str()
                             : "");
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
  directory::AuditEntry entry;
  if (collector) entry.tenant = collector->tenant;
  entry.actor = "uid " + std::to_string(::getuid());
  entry.action = action;
  entry.outcome = collector ? "ok" : "refused";
  entry.detail = uuid;
  PGA_TRY_STATUS(directory::Audit(*database, clock).record(entry));
  if (!collector) return Error{ErrorCode::kNotFound, "there is no collector " + uuid};
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

int rotate_key(const Config& config) {
  const SystemClock clock;
  const auto work = [&]() -> Status {
    PGA_TRY(const auto database, directory::Database::open(database_file(config)));
    const Status rotated = rotate_token_key(config);
    directory::AuditEntry entry;
    entry.actor = "uid " + std::to_string(::getuid());
    entry.action = "key rotate";
    entry.outcome = rotated ? "ok" : "refused";
    if (!rotated) entry.detail = rotated.error().message;
    PGA_TRY_STATUS(directory::Audit(*database, clock).record(entry));
    return rotated;
  };
  if (const Status rotated = work(); !rotated) return print_error(kBadState, rotated.error().message);
  std::printf(
      "access tokens are signed with a new key once the server has got SIGHUP or was started again; the key before stays good for tokens "
      "that it signed\n");
  return kDone;
}

int print_sources(const std::filesystem::path& sources_dir, bool markdown) {
  const auto catalog = catalog::Catalog::load(sources_dir);
  if (!catalog) return print_error(kBadConfiguration, catalog.error().message);
  if (markdown) {
    std::fputs(catalog::reference_markdown(*catalog).c_str(), stdout);
    return kDone;
  }
  for (const auto& source : catalog->sources()) std::printf("%-28s %s\n", source.name.c_str(), source.doc.c_str());
  return kDone;
}

}  // namespace pga::server
