// Passwords of people: argon2id in the PHC string format, rules for new ones, and one-time passwords.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace pga::identity {

inline constexpr std::size_t kPasswordBytesMin = 12;
inline constexpr std::size_t kPasswordBytesMax = 256;

// OWASP's first choice: about 50 ms and 46 MiB each, so it runs on a worker, and the number at once is bounded by the workers.
struct PasswordCost {
  std::uint32_t passes = 1;
  std::uint32_t memory_kib = 47'104;
  std::uint32_t lanes = 1;
};

// "$argon2id$v=19$m=47104,t=1,p=1$<salt>$<tag>", 16 bytes of salt, 32 of tag.
Result<std::string> hash_password(const Secret<std::string>& password, Random& random, const PasswordCost& cost = {});

// kCorrupt if `hash` is not one of ours. For a name that does not exist, verify against the hash of a random token, so that it takes as
// long.
Result<bool> verify_password(const Secret<std::string>& password, const std::string& hash);

// True if `hash` was made at another cost: hash again at the next login.
bool needs_rehash(const std::string& hash, const PasswordCost& cost = {});

// Length, UTF-8, and nothing that is guessed first; no rules of composition. kInvalid tells the person what to change.
Status check_new_password(const Secret<std::string>& password, std::string_view user_name);

// 100 random bits in five groups that can be read aloud: "K7QF-...".
Secret<std::string> make_one_time_password(Random& random);

}  // namespace pga::identity
