#include "identity/token.h"

#include <openssl/evp.h>

#include <array>

#include "base/check.h"
#include "base/text.h"

namespace pga::identity {
namespace {

constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kDigestText = 43;  // base64url of 32 bytes
constexpr std::string_view kPrefix = "pga1.";

}  // namespace

Secret<std::string> make_token(Random& random) {
  std::array<std::byte, kTokenBytes> bytes;
  random.fill(bytes);
  return Secret<std::string>(to_base64url(bytes));
}

std::string stored_form(std::string_view token) {
  std::array<std::byte, 32> digest;
  unsigned size = 0;
  PGA_CHECK(EVP_Digest(token.data(), token.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(), nullptr) == 1 &&
            size == digest.size());
  return to_base64url(digest);
}

Secret<std::string> format_enrolment_token(const EnrolmentToken& token) {
  return Secret<std::string>(std::string(kPrefix) + token.ca_sha256 + "." + token.secret.read());
}

Result<EnrolmentToken> parse_enrolment_token(std::string_view text) {
  const auto bad = [](const char* why) { return invalid(std::string("not an enrolment token (pga1.<authority>.<secret>): ") + why); };
  if (!text.starts_with(kPrefix)) return bad("it does not begin with pga1.");
  text.remove_prefix(kPrefix.size());
  if (text.size() != 2 * kDigestText + 1 || text[kDigestText] != '.') return bad("its length is wrong; was it copied whole?");
  for (const std::string_view part : {text.substr(0, kDigestText), text.substr(kDigestText + 1)}) {
    if (auto bytes = parse_base64url(part); !bytes) return bad(bytes.error().message.c_str());
  }
  return EnrolmentToken{std::string(text.substr(0, kDigestText)), Secret<std::string>(std::string(text.substr(kDigestText + 1)))};
}

}  // namespace pga::identity
