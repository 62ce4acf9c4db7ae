// People and their sessions. Passwords arrive as argon2id PHC strings, tokens as SHA-256 in hexadecimal.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "directory/database.h"
#include "directory/ids.h"

namespace pga::directory {

inline constexpr std::chrono::minutes kSessionIdle{30};
inline constexpr std::chrono::hours kSessionLife{12};
inline constexpr std::chrono::minutes kSessionTouchEvery{1};  // how stale "last used" may be: a write per minute, not per request
inline constexpr std::int64_t kSessionsPerUserMax = 100;      // beyond, the one that was unused longest ends

struct User {
  UserId id;
  TenantId tenant;
  std::string name;
  std::string role;  // "administrator" or "viewer"
  std::string password_hash;
};

struct Session {
  UserId user;
  TenantId tenant;
  std::string user_name;
  std::string role;
  std::string csrf;
};

class People {
 public:
  People(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  // Fails with kInvalid if the name is taken.
  Result<UserId> create_user(TenantId tenant, const std::string& name, const std::string& role, const std::string& password_hash);
  Result<std::optional<User>> find_user(const std::string& name);  // not the disabled ones
  Status replace_password_hash(UserId user, const std::string& password_hash);
  Result<std::int64_t> count_users();

  Status open_session(const std::string& token_sha256, UserId user, const std::string& csrf);
  // The session if it is neither idle too long nor too old nor of a disabled user; notes that it was used.
  Result<std::optional<Session>> use_session(const std::string& token_sha256);
  Status close_session(const std::string& token_sha256);
  Status delete_expired_sessions();

 private:
  Database& database_;
  const Clock& clock_;
};

}  // namespace pga::directory
