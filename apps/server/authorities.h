// The authorities below state_dir, and how one follows another without a collector that has to enrol again:
//   1. a next one is made and told to collectors when they renew their certificates (twice a day)
//   2. it becomes the one that signs; the one before is still trusted
//   3. the one before is forgotten
// Each step waits until every collector is ready for it.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config.h"
#include "directory/fleet.h"
#include "identity/ca.h"

namespace pga::server {

inline constexpr std::chrono::hours kAuthorityLife{24 * 3'650};

enum class AuthorityStep : std::uint8_t { kOne, kNextMade, kNextSigns };  // what is on disk

struct AuthorityState {
  identity::Authorities authorities;
  // In the URIs of collectors' certificates and the issuer of their tokens: of the first authority, for ever.
  std::string name;
  AuthorityStep step = AuthorityStep::kOne;
};

// The first one, if there is none.
Status make_first_authority(const Config& config, WallTime now);
// kNotFound: never initialised. Finishes a step that was cut short.
Result<AuthorityState> load_authorities(const Config& config);

// Names of the collectors that are not ready for the next step, of those that are let in and whose certificate is good.
Result<std::vector<std::string>> not_ready(const AuthorityState& state, const std::vector<directory::Collector>& collectors, WallTime now);
// Takes the next step; a running server follows when it is started again. Returns what is on disk now.
Result<AuthorityStep> rotate_authority(const Config& config, WallTime now);

}  // namespace pga::server
