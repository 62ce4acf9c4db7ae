#include "identity/token.h"

#include <doctest/doctest.h>

#include "base/text.h"

namespace pga::identity {
namespace {

const std::string kAuthority(43, 'A');
const std::string kSecret = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

TEST_CASE("a token has 256 random bits, and what is stored of it does not tell it") {
  SystemRandom random;
  const auto token = make_token(random);
  CHECK(parse_base64url(token.read())->size() == 32);
  CHECK(make_token(random).read() != token.read());
  CHECK(stored_form(token.read()) == stored_form(token.read()));
  CHECK(stored_form(token.read()) != token.read());
  CHECK(stored_form("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");  // the test vector of FIPS 180-4
}

TEST_CASE("an enrolment token survives a round trip") {
  const auto text = format_enrolment_token({kAuthority, Secret<std::string>(kSecret)});
  CHECK(text.read() == "pga1." + kAuthority + "." + kSecret);
  const auto token = parse_enrolment_token(text.read());
  REQUIRE(token);
  CHECK(token->ca_sha256 == kAuthority);
  CHECK(token->secret.read() == kSecret);
}

TEST_CASE("a text that is no enrolment token is refused") {
  const std::string cases[] = {
      "",
      "pga1.",
      "pga2." + kAuthority + "." + kSecret,
      "pga1." + kAuthority,
      "pga1." + kAuthority + "." + kSecret.substr(1),
      "pga1." + kAuthority + "." + kSecret + "A",
      "pga1." + kAuthority + "." + kSecret + "\n",
      "pga1." + kAuthority + "-" + kSecret,
      "pga1." + kAuthority + "." + kSecret.substr(1) + "=",
      "pga1." + kAuthority.substr(1) + "B" + "." + kSecret,
      " pga1." + kAuthority + "." + kSecret,
  };
  for (const std::string& text : cases) {
    CAPTURE(text);
    const auto token = parse_enrolment_token(text);
    REQUIRE(!token);
    CHECK(token.error().message.find("BBBB") == std::string::npos);  // errors do not tell secrets
  }
}

}  // namespace
}  // namespace pga::identity
