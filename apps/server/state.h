// What a server is, on disk below state_dir:
//   ca.key, ca.pem           the authority that collectors trust; ca.next.*, ca.previous.pem while one follows another
//   server.key, server.pem   this server's certificate; renewed at start when it is old or the names changed
//   token.key                signs access tokens
//   directory.sqlite         people, collectors, servers
//   journal/                 accepted frames on their way to the store
//   engine/                  data and socket of the embedded engine
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "authorities.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "config.h"
#include "identity/ca.h"
#include "identity/jwt.h"

namespace pga::server {

inline constexpr std::chrono::hours kServerCertificateLife{24 * 90};
inline constexpr std::chrono::hours kServerCertificateRenewBefore{24 * 30};

std::filesystem::path database_file(const Config& config);

struct State {
  AuthorityState authority;
  identity::KeyAndCertificate certificate;      // the server's own
  std::vector<Secret<std::string>> token_keys;  // the first signs; the second, if there is one, is still good for tokens that it signed
};

struct Administrator {
  std::string name;
  Secret<std::string> password;  // one-time
};

// Makes what is missing. kInvalid if there is an administrator already.
Result<Administrator> initialise(const Config& config, const std::string& administrator, const Clock& clock, Random& random);

// Makes a new key that signs access tokens; the present one goes on verifying. A running server takes it up on SIGHUP.
Status rotate_token_key(const Config& config);
Result<std::vector<Secret<std::string>>> load_token_keys(const Config& config);

// kNotFound: never initialised. kInvalid: a secret is missing, empty, or can be read by others. Renews the server's certificate if needed.
Result<State> load_state(const Config& config, const Clock& clock);

}  // namespace pga::server
