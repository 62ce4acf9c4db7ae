// People's sessions: login with rate limits, the cookie, CSRF, and the guard of every operation with the policy "session".
#pragma once

#include <optional>
#include <string>

#include "api/rate_limit.h"
#include "api/router.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"
#include "directory/audit.h"
#include "directory/people.h"
#include "identity/password.h"
#include "net/loop.h"

namespace pga::api {

inline constexpr std::size_t kHashesWaitingMax = 32;  // password checks under way; beyond, 429
inline constexpr std::size_t kUserNameBytesMax = 128;

struct SessionOptions {
  bool tls = true;  // cookie __Host-pga with Secure; else pga, for plain HTTP on loopback
  // Of one address: a bucket of the account alone would let anybody lock its owner out.
  RateLimitOptions per_account{.burst = 10, .refill = std::chrono::seconds(6)};
  RateLimitOptions per_address{.burst = 30, .refill = std::chrono::seconds(2)};
  identity::PasswordCost cost{};
};

class Sessions {
 public:
  Sessions(net::Loop& loop, const Clock& clock, Random& random, directory::People& people, directory::Audit& audit, SessionOptions options);

  void add_handlers(Handlers& handlers);  // login, logout, getSession
  // 401 without a live session; 403 for a request other than GET without its CSRF token or from another site.
  net::Task<std::optional<net::Response>> guard(Call& call);

 private:
  net::Task<Result<net::Response>> login(Call& call);
  net::Task<Result<net::Response>> logout(Call& call);
  Result<std::optional<directory::User>> check(const std::string& name, const Secret<std::string>& password);
  [[nodiscard]] std::string set_cookie(std::string_view value, std::chrono::seconds life) const;
  [[nodiscard]] std::optional<std::string> token_of(const net::Request& request) const;

  net::Loop& loop_;
  Random& random_;
  directory::People& people_;
  directory::Audit& audit_;
  const SessionOptions options_;
  const std::string nobody_hash_;  // checked for names that do not exist, so that they take as long
  RateLimit accounts_;
  RateLimit addresses_;
  std::size_t hashes_waiting_ = 0;
};

// True unless a browser says that the request comes from a page of another site (Sec-Fetch-Site, Origin).
bool same_site(const net::Request& request);

// The value of a cookie in the header, or nothing.
std::optional<std::string> cookie_value(std::string_view header, std::string_view name);

}  // namespace pga::api
