#include "directory/people.h"

namespace pga::directory {
namespace {

std::int64_t micros(std::chrono::microseconds duration) { return duration.count(); }

}  // namespace

Result<UserId> People::create_user(TenantId tenant, const std::string& name, const std::string& role, const std::string& password_hash) {
  UserId id;
  PGA_TRY(const auto changed,
          database_.run("INSERT INTO users (tenant_id, name, role, password_hash, created_us) VALUES ($1, $2, $3, $4, $5) "
                        "ON CONFLICT (name) DO NOTHING RETURNING id",
                        {tenant.value, name, role, password_hash, to_micros(clock_.now())},
                        [&](const Row& row) { id.value = static_cast<std::uint32_t>(row.integer(0)); }));
  if (changed == 0) return invalid("there is already a user \"" + name + "\"");
  return id;
}

Result<std::optional<User>> People::find_user(const std::string& name) {
  std::optional<User> user;
  PGA_TRY_STATUS(database_.run("SELECT id, tenant_id, name, role, password_hash FROM users WHERE name = $1 AND disabled_us IS NULL", {name},
                               [&](const Row& row) {
                                 user = User{.id = {static_cast<std::uint32_t>(row.integer(0))},
                                             .tenant = {static_cast<std::uint32_t>(row.integer(1))},
                                             .name = row.text(2),
                                             .role = row.text(3),
                                             .password_hash = row.text(4)};
                               }));
  return user;
}

Status People::replace_password_hash(UserId user, const std::string& password_hash) {
  PGA_TRY_STATUS(database_.run("UPDATE users SET password_hash = $1 WHERE id = $2", {password_hash, user.value}));
  return {};
}

Result<std::int64_t> People::count_users() {
  std::int64_t count = 0;
  PGA_TRY_STATUS(database_.run("SELECT count(*) FROM users", {}, [&](const Row& row) { count = row.integer(0); }));
  return count;
}

Status People::open_session(const std::string& token_sha256, UserId user, const std::string& csrf) {
  return database_.transaction([&]() -> Status {
    const std::int64_t now = to_micros(clock_.now());
    PGA_TRY_STATUS(database_.run("INSERT INTO sessions (token_sha256, user_id, csrf, created_us, last_used_us) VALUES ($1, $2, $3, $4, $4)",
                                 {token_sha256, user.value, csrf, now}));
    PGA_TRY_STATUS(
        database_.run("DELETE FROM sessions WHERE user_id = $1 AND token_sha256 NOT IN "
                      "(SELECT token_sha256 FROM sessions WHERE user_id = $1 ORDER BY last_used_us DESC, token_sha256 = $2 DESC LIMIT $3)",
                      {user.value, token_sha256, kSessionsPerUserMax}));
    return {};
  });
}

Result<std::optional<Session>> People::use_session(const std::string& token_sha256) {
  const std::int64_t now = to_micros(clock_.now());
  std::optional<Session> session;
  std::int64_t last_used = 0;
  PGA_TRY_STATUS(
      database_.run("SELECT u.id, u.tenant_id, u.name, u.role, s.csrf, s.last_used_us FROM sessions s JOIN users u ON u.id = s.user_id "
                    "WHERE s.token_sha256 = $1 AND u.disabled_us IS NULL AND s.last_used_us > $2 AND s.created_us > $3",
                    {token_sha256, now - micros(kSessionIdle), now - micros(kSessionLife)}, [&](const Row& row) {
                      session = Session{.user = {static_cast<std::uint32_t>(row.integer(0))},
                                        .tenant = {static_cast<std::uint32_t>(row.integer(1))},
                                        .user_name = row.text(2),
                                        .role = row.text(3),
                                        .csrf = row.text(4)};
                      last_used = row.integer(5);
                    }));
  if (session && now - last_used >= micros(kSessionTouchEvery)) {
    PGA_TRY_STATUS(database_.run("UPDATE sessions SET last_used_us = $1 WHERE token_sha256 = $2", {now, token_sha256}));
  }
  return session;
}

Status People::close_session(const std::string& token_sha256) {
  PGA_TRY_STATUS(database_.run("DELETE FROM sessions WHERE token_sha256 = $1", {token_sha256}));
  return {};
}

Status People::delete_expired_sessions() {
  const std::int64_t now = to_micros(clock_.now());
  PGA_TRY_STATUS(database_.run("DELETE FROM sessions WHERE last_used_us <= $1 OR created_us <= $2",
                               {now - micros(kSessionIdle), now - micros(kSessionLife)}));
  return {};
}

}  // namespace pga::directory
