// How a collector becomes one, stays one, and proves it: enrolment token -> certificate -> newer certificate, and access tokens bound to
// it.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "directory/audit.h"
#include "directory/fleet.h"
#include "identity/ca.h"
#include "identity/jwt.h"
#include "ingest/registry.h"
#include "net/http.h"
#include "net/loop.h"

namespace pga::ingest {

inline constexpr std::chrono::microseconds kCertificateLife = std::chrono::hours{24};
inline constexpr std::chrono::minutes kEnrolmentTokenLife{60};
inline constexpr std::size_t kCollectorNameBytesMax = 200;
inline constexpr std::chrono::minutes kRefusalNotedEvery{1};
inline constexpr std::size_t kRefusalsRememberedMax = 1'000;  // beyond, all are noted anew
inline constexpr const char* kTokenAudience = "pganalytics-collectors";

// What an enrolled or renewed collector gets.
struct Granted {
  directory::Collector collector;
  std::string certificate_pem;
  std::string authorities_pem;  // all that it is to trust
};

class Enrolment {
 public:
  Enrolment(net::Loop& loop, const Clock& clock, Random& random, directory::Fleet& fleet, directory::Audit& audit, Registry& registry,
            identity::Authorities authorities, identity::CollectorTokens tokens,
            std::chrono::microseconds certificate_life = kCertificateLife)
      : loop_(loop),
        clock_(clock),
        random_(random),
        fleet_(fleet),
        audit_(audit),
        registry_(registry),
        authorities_(std::move(authorities)),
        certificate_life_(certificate_life),
        tokens_(std::move(tokens)) {}

  // kUnauthorized: the token is not one, is for another authority, used up or expired. kInvalid: name or request. Takes one use of the
  // token.
  net::Task<Result<Granted>> enrol(std::string token, std::string request_pem, std::string name, std::string address);
  // The replaced certificate stays good until it expires or the next renewal.
  net::Task<Result<Granted>> renew(directory::Collector collector, std::string replaced_serial, std::string request_pem,
                                   std::string address);

  // A request that was refused for who sent it: logged and audited, the same one at most once a minute.
  net::Task<> note_refusal(const std::optional<directory::TenantId>& tenant, const std::string& actor, const Error& why,
                           const std::string& address);

  void set_tokens(identity::CollectorTokens tokens) { tokens_ = std::move(tokens); }  // the keys were changed
  Result<std::string> access_token(const directory::Collector& collector, const net::PeerCertificate& peer) const;
  // kUnauthorized: missing, expired, or bound to another certificate; the reason goes to the log.
  Status check_access_token(std::string_view token, const directory::Collector& collector, const net::PeerCertificate& peer) const;

 private:
  struct Signed {
    std::string certificate_pem;
    directory::IssuedCertificate issued;
  };
  Result<Signed> sign(const directory::Collector& collector, const std::string& request_pem) const;
  Granted grant(directory::Collector collector, const std::string& certificate);  // from any thread
  void record(const std::optional<directory::TenantId>& tenant, std::string actor, std::string action, const Status& status,
              std::string address);

  net::Loop& loop_;
  const Clock& clock_;
  Random& random_;
  directory::Fleet& fleet_;
  directory::Audit& audit_;
  Registry& registry_;
  const identity::Authorities authorities_;
  const std::chrono::microseconds certificate_life_;
  identity::CollectorTokens tokens_;
  std::map<std::string, SteadyTime> refusals_;  // by what was refused: when it was last noted
};

}  // namespace pga::ingest
