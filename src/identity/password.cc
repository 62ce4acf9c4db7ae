#include "identity/password.h"

#include <argon2.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"

namespace pga::identity {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kTagBytes = 32;
constexpr std::size_t kHashTextMax = 256;

std::string parameters(const PasswordCost& cost) {
  return "$argon2id$v=19$m=" + std::to_string(cost.memory_kib) + ",t=" + std::to_string(cost.passes) + ",p=" + std::to_string(cost.lanes) +
         "$";
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// What is left of `text` without every occurrence of `word`.
std::string without(std::string text, const std::string& word) {
  for (std::size_t at; !word.empty() && (at = text.find(word)) != std::string::npos;) text.erase(at, word.size());
  return text;
}

// Longest run in which every character is the one before plus the same step of -1, 0 or 1: "aaaa", "4567", "dcba".
std::size_t longest_run(std::string_view text) {
  std::size_t longest = 0;
  for (const int step : {-1, 0, 1}) {
    std::size_t run = 1;
    for (std::size_t i = 1; i < text.size(); ++i) {
      run = text[i] - text[i - 1] == step ? run + 1 : 1;
      longest = std::max(longest, run);
    }
  }
  return longest;
}

}  // namespace

Result<std::string> hash_password(const Secret<std::string>& password, Random& random, const PasswordCost& cost) {
  if (password.read().size() > kPasswordBytesMax)
    return too_large("a password has at most " + std::to_string(kPasswordBytesMax) + " bytes");
  std::array<std::byte, kSaltBytes> salt;
  random.fill(salt);
  std::array<char, kHashTextMax> text{};
  const int error = argon2id_hash_encoded(cost.passes, cost.memory_kib, cost.lanes, password.read().data(), password.read().size(),
                                          salt.data(), salt.size(), kTagBytes, text.data(), text.size());
  if (error != ARGON2_OK) return Error{ErrorCode::kInternal, std::string("argon2: ") + argon2_error_message(error)};
  return std::string(text.data());
}

Result<bool> verify_password(const Secret<std::string>& password, const std::string& hash) {
  if (password.read().size() > kPasswordBytesMax) return false;
  if (hash.size() >= kHashTextMax || !hash.starts_with("$argon2id$v=19$")) return corrupt("a stored password hash is not argon2id");
  const int error = argon2id_verify(hash.c_str(), password.read().data(), password.read().size());
  if (error == ARGON2_OK) return true;
  if (error == ARGON2_VERIFY_MISMATCH) return false;
  return corrupt(std::string("a stored password hash cannot be used: ") + argon2_error_message(error));
}

bool needs_rehash(const std::string& hash, const PasswordCost& cost) { return !hash.starts_with(parameters(cost)); }

Status check_new_password(const Secret<std::string>& password, std::string_view user_name) {
  const std::string& text = password.read();
  if (text.size() < kPasswordBytesMin)
    return invalid("the password has " + std::to_string(text.size()) + " characters; it needs " + std::to_string(kPasswordBytesMin));
  if (text.size() > kPasswordBytesMax)
    return invalid("the password has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(kPasswordBytesMax) +
                   " are taken");
  if (!is_utf8(text)) return invalid("the password is not UTF-8");
  std::string rest = without(lower(text), lower(user_name));
  for (const char* word : {"pganalytics", "postgresql", "postgres", "password", "passwort", "administrator", "admin", "qwertyuiop",
                           "qwerty", "letmein", "welcome", "changeme", "iloveyou"}) {
    rest = without(rest, word);
  }
  if (rest.size() < kPasswordBytesMin / 2) return invalid("the password is made of words that are tried first");
  if (longest_run(rest) > rest.size() / 2) return invalid("the password is mostly one run of characters");
  return {};
}

Secret<std::string> make_one_time_password(Random& random) {
  constexpr std::string_view kReadable = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";  // 32, without 0 O 1 I
  static_assert(kReadable.size() == 32);
  std::array<std::byte, 20> bytes;
  random.fill(bytes);
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 4 == 0) out += '-';
    out += kReadable[static_cast<std::size_t>(bytes[i]) & 31];
  }
  return Secret<std::string>(std::move(out));
}

}  // namespace pga::identity
