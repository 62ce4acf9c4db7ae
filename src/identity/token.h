// Random tokens, and the text of an enrolment token: pga1.<base64url SHA-256 of the CA's DER>.<base64url secret>.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"

namespace pga::identity {

Secret<std::string> make_token(Random& random);   // 256 bits, base64url
std::string stored_form(std::string_view token);  // base64url of its SHA-256: what the directory keeps

struct EnrolmentToken {
  std::string ca_sha256;
  Secret<std::string> secret;
};
Secret<std::string> format_enrolment_token(const EnrolmentToken& token);
Result<EnrolmentToken> parse_enrolment_token(std::string_view text);

}  // namespace pga::identity
