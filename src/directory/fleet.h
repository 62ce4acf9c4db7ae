// Enrolment tokens, collectors and the servers that they watch.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "directory/database.h"
#include "directory/ids.h"

namespace pga::directory {

struct Collector {
  CollectorId id;
  std::string uuid;
  TenantId tenant;
  std::string name;
  std::string version;             // empty while unknown
  std::string certificate_serial;  // of the newest certificate, hexadecimal
  std::string previous_serial;     // of the one that it replaced: good until it expires, because the answer with the new one may be lost
  WallTime certificate_expires{};
  WallTime enrolled{};
  std::optional<WallTime> last_seen;                    // newest accepted frame
  std::optional<std::chrono::microseconds> clock_skew;  // its clock minus ours
  std::int64_t frames = 0;
  std::int64_t rows = 0;
  std::int64_t duplicates = 0;
  std::int64_t refused = 0;
  bool revoked = false;
  std::int64_t generation = 1;                            // of certificates: counts renewals
  std::optional<WallTime> certificate_used = {};          // when the newest one was first seen
  std::optional<std::string> locked = {};                 // why it is refused until a person unlocks it
  bool waits_for_approval = false;                        // enrolled, but refused until a person approves
  std::int64_t configuration = 0;                         // version that it is to have; 0: what its own file says
  std::int64_t configuration_seen = 0;                    // version that it has, or refused
  std::optional<std::string> configuration_refused = {};  // why, in its own words
  std::string signed_by = {};  // fingerprint of the authority that signed its certificate; empty before this was noted
  std::string knows = {};      // fingerprint of the newest authority that it was told to trust
};

// What a collector is to do beside what its own file says, as YAML.
struct CollectorConfiguration {
  std::int64_t version = 0;
  std::string yaml;
};

// What happened since the last note; added to the collector's totals.
struct CollectorActivity {
  CollectorId collector;
  std::int64_t frames = 0;
  std::int64_t rows = 0;
  std::int64_t duplicates = 0;
  std::int64_t refused = 0;
  std::optional<WallTime> last_seen = {};
  std::optional<std::chrono::microseconds> clock_skew = {};
  std::string version = {};  // empty: unchanged
};

struct Server {
  ServerId id;
  TenantId tenant;
  std::string kind;               // "postgres", "host"
  std::string system_identifier;  // empty while unknown
  std::string name;
  std::string version;
  CollectorId collector;
};

struct TargetIdentity {
  std::string kind;
  std::string system_identifier;
  std::string name;
  std::string version;
};

struct IssuedCertificate {
  std::string serial;
  WallTime expires{};
  std::string signed_by = {};  // fingerprints as in Collector
  std::string knows = {};
};
using Certify = std::function<Result<IssuedCertificate>(const Collector&)>;

inline constexpr std::int64_t kServersPerCollectorMax = 1'000;
inline constexpr std::chrono::hours kHeldFor{1};  // a collector that was not seen for so long gives up what it watched

class Fleet {
 public:
  Fleet(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  Status create_enrolment_token(TenantId tenant, const std::string& secret_sha256, WallTime expires, std::int64_t uses,
                                bool needs_approval = false);
  // Takes one use of the token, creates the collector and records the certificate that `certify` makes for it, all or nothing; nothing
  // if the token is unknown, used up or expired.
  Result<std::optional<Collector>> enrol(const std::string& secret_sha256, const std::string& uuid, const std::string& name,
                                         const Certify& certify = {});

  // `replaced`: the certificate that asked for this one; empty at enrolment.
  Status record_certificate(CollectorId collector, const IssuedCertificate& issued, const std::string& replaced);
  Status record_activity(const std::vector<CollectorActivity>& activity);
  Status revoke(CollectorId collector);
  Status note_certificate_used(CollectorId collector);  // the newest one, for the first time
  Status lock(CollectorId collector, const std::string& why);
  Status unlock(CollectorId collector);
  Status approve(CollectorId collector);

  // For one collector, or for all of the tenant that have none of their own. No text: what was said before is withdrawn.
  Result<std::int64_t> set_configuration(TenantId tenant, std::optional<CollectorId> collector, const std::optional<std::string>& yaml);
  Result<CollectorConfiguration> wanted_configuration(CollectorId collector);  // version 0: nothing is said
  Status note_configuration(CollectorId collector, std::int64_t seen, const std::optional<std::string>& refused);

  Result<std::optional<Collector>> find_collector(const std::string& uuid);
  Result<std::vector<Collector>> collectors(std::optional<TenantId> tenant = std::nullopt);  // all, also revoked ones, in order of name

  // The ids of a frame's targets, in their order; new ones are created. A server whose system identifier was unknown keeps its id
  // when the identifier becomes known, and is found by its name while its identifier cannot be read. A PostgreSQL cluster goes on under
  // its id when another collector takes it over; a host, or a target of unknown identifier, only when its collector is gone (kHeldFor),
  // else it becomes a server of its own, named after its collector too. kTooLarge: the collector would watch more than
  // kServersPerCollectorMax.
  Result<std::vector<ServerId>> identify(TenantId tenant, CollectorId collector, const std::vector<TargetIdentity>& targets);
  Result<std::vector<Server>> servers(TenantId tenant);
  Result<std::optional<Server>> find_server(TenantId tenant, ServerId id);

 private:
  // Under which a target of this name may stand: its own, or with the collector's when somebody else has that.
  Result<std::array<std::string, 3>> names_of(CollectorId collector, const std::string& target);
  // A row of this very identity belongs to another collector that lives.
  Result<bool> held_by_another(TenantId tenant, CollectorId collector, const TargetIdentity& target);
  Result<ServerId> identify_one(TenantId tenant, CollectorId collector, const TargetIdentity& target);

  Database& database_;
  const Clock& clock_;
};

}  // namespace pga::directory
