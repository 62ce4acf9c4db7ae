#include "verbs.h"

#include <unistd.h>

#include <cstdio>

#include "api/openapi.h"
#include "base/clock.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "directory/audit.h"
#include "directory/fleet.h"
#include "state.h"
#include "verbs_internal.h"

namespace pga::server {
namespace {

Status check_engine(const Config& config) {
  if (!config.embedded()) return {};
  if (::access(config.engine_program.c_str(), X_OK) != 0) return errno_error("engine.program " + config.engine_program.string());
  if (::access(config.engine_library.c_str(), R_OK) != 0) return errno_error("engine.library " + config.engine_library.string());
  return {};
}

}  // namespace

void print(const boost::json::value& value) { std::printf("%s\n", boost::json::serialize(value).c_str()); }

Status audit_verb(directory::Database& database, const Clock& clock, const std::string& action, const Status& outcome,
                  std::optional<directory::TenantId> tenant, const std::string& detail) {
  directory::AuditEntry entry;
  entry.tenant = tenant;
  entry.actor = "uid " + std::to_string(::getuid());
  entry.action = action;
  entry.outcome = outcome ? "ok" : "refused";
  entry.detail = outcome ? detail : detail + (detail.empty() ? "" : ": ") + outcome.error().message;
  return directory::Audit(database, clock).record(entry);
}

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

int rotate_key(const Config& config) {
  const SystemClock clock;
  const auto work = [&]() -> Status {
    PGA_TRY(const auto database, directory::Database::open(database_file(config)));
    const Status rotated = rotate_token_key(config);
    PGA_TRY_STATUS(audit_verb(*database, clock, "key rotate", rotated));
    return rotated;
  };
  if (const Status rotated = work(); !rotated) return print_error(kBadState, rotated.error().message);
  std::printf(
      "access tokens are signed with a new key once the server has got SIGHUP or was started again; the key before stays good for tokens "
      "that it signed\n");
  return kDone;
}

namespace {

const char* describe(AuthorityStep step) {
  switch (step) {
    case AuthorityStep::kOne:
      return "one authority";
    case AuthorityStep::kNextMade:
      return "a next authority is told to collectors; the present one still signs";
    case AuthorityStep::kNextSigns:
      return "the new authority signs; the one before is still trusted";
  }
  return "";
}

// At most ten names.
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < 10; ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 10 ? text + " and " + std::to_string(names.size() - 10) + " more" : text;
}

}  // namespace

int rotate_authority(const Config& config, bool force, bool json) {
  const SystemClock clock;
  std::vector<std::string> late;
  const auto work = [&]() -> Result<AuthorityStep> {
    PGA_TRY(const AuthorityState state, load_authorities(config));
    PGA_TRY(const auto database, directory::Database::open(database_file(config)));
    PGA_TRY(const auto collectors, directory::Fleet(*database, clock).collectors());
    PGA_TRY(late, not_ready(state, collectors, clock.now()));
    Result<AuthorityStep> step = state.step;
    if (!late.empty() && !force) {
      step = unavailable(std::to_string(late.size()) + " of " + std::to_string(collectors.size()) + " collectors are not ready (" +
                         listed(late) +
                         "). Each gets ready when it renews its certificate, within 12 h of the server's last start. --force goes on "
                         "without them, and they must enrol again");
    } else {
      step = rotate_authority(config, clock.now());
    }
    PGA_TRY_STATUS(
        audit_verb(*database, clock, "ca rotate", step ? Status() : Status(step.error()), std::nullopt, step ? describe(*step) : ""));
    return step;
  };
  const auto step = work();
  if (!step) return print_error(kBadState, step.error().message);
  if (json) {
    boost::json::array names(late.begin(), late.end());
    print({{"state", describe(*step)}, {"must_enrol_again", std::move(names)}});
    return kDone;
  }
  std::printf("%s\nstart the server again, so that it follows%s\n", describe(*step),
              *step == AuthorityStep::kOne ? "" : "; run this again when the collectors have renewed their certificates, within 12 h");
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
