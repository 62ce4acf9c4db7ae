// The access token of a collector: a signed JWT that is bound to the collector's certificate. A closed format: we read only what we wrote.
//
//   header   {"alg":"EdDSA","kid":...,"typ":"pga-collector+jwt"}, nothing else
//   payload  iss, aud, sub, tenant, jti: text; iat, nbf, exp: seconds since 1970; cnf: {"x5t#S256": SHA-256 of the certificate's DER}
//
// The algorithm is that of our key, never the header's. (RFC 7519, RFC 8037, RFC 8705 section 3.1, RFC 8725.)
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace pga::identity {

inline constexpr std::size_t kJwtBytesMax = 4'096;
inline constexpr std::chrono::seconds kJwtLeeway{60};
inline constexpr std::chrono::minutes kJwtLife{15};

struct CollectorClaims {
  std::string subject;  // the URI of the collector's certificate
  std::string tenant;
  std::string certificate_sha256;  // base64url
  std::string id;                  // jti; set by issue()
  WallTime issued{};               // these two as well
  WallTime expires{};
};

// A new Ed25519 key, PEM.
Result<Secret<std::string>> make_signing_key();

class CollectorTokens {
 public:
  // One or two keys: the first signs, both verify, so that keys can be changed without refusing live tokens.
  static Result<CollectorTokens> create(const std::vector<Secret<std::string>>& keys_pem, std::string issuer, std::string audience,
                                        const Clock& clock, Random& random);
  ~CollectorTokens();
  CollectorTokens(CollectorTokens&&) noexcept;
  CollectorTokens& operator=(CollectorTokens&&) noexcept;

  // Valid from now for kJwtLife.
  Result<std::string> issue(const CollectorClaims& claims) const;
  // `certificate_sha256` is that of the connection's certificate. kUnauthorized with the reason, for the log: do not tell it to the peer.
  Result<CollectorClaims> verify(std::string_view token, std::string_view certificate_sha256) const;

 private:
  struct Impl;
  explicit CollectorTokens(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pga::identity
