#include "identity/jwt.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <array>

#include "base/text.h"
#include "identity/claims_internal.h"
#include "identity/openssl_internal.h"

namespace pga::identity {
namespace {

using namespace std::chrono_literals;

const std::string kCertificate = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const std::string kOther = "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const CollectorClaims kClaims{
    .subject = "spiffe://install/tenant/1/collector/4b1c", .tenant = "1", .certificate_sha256 = kCertificate, .id = {}};

std::string encode(std::string_view text) { return to_base64url(as_bytes(text)); }

struct Fixture {
  Fixture()
      : key(std::move(*make_signing_key())), tokens(std::move(*CollectorTokens::create({key}, "install", "collectors", clock, random))) {
    token = *tokens.issue(kClaims);
    const std::size_t first = token.find('.'), second = token.rfind('.');
    header = std::string(as_text(*parse_base64url(std::string_view(token).substr(0, first))));
    payload = std::string(as_text(*parse_base64url(std::string_view(token).substr(first + 1, second - first - 1))));
    signature = token.substr(second + 1);
  }
  // A token with our key's signature, whatever it says.
  std::string sign(const std::string& with_header, const std::string& with_payload) const {
    return sign_encoded(encode(with_header), encode(with_payload));
  }
  std::string sign_encoded(const std::string& with_header, const std::string& with_payload) const {
    const std::string text = with_header + "." + with_payload;
    const KeyPtr pkey = std::move(*read_private_key(key.read()));
    const std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>> digest(EVP_MD_CTX_new());
    std::array<unsigned char, 64> out;
    std::size_t size = out.size();
    REQUIRE(EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, pkey.get()) == 1);
    REQUIRE(EVP_DigestSign(digest.get(), out.data(), &size, reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1);
    return text + "." + to_base64url(ByteView(reinterpret_cast<const std::byte*>(out.data()), size));
  }
  // The classic: the public key, in any of its forms, as the secret of a MAC.
  std::string mac(const std::string& with_header, const std::string& secret) const {
    const std::string text = encode(with_header) + "." + encode(payload);
    std::array<unsigned char, 32> out;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         out.data(), nullptr);
    return text + "." + to_base64url(ByteView(reinterpret_cast<const std::byte*>(out.data()), out.size()));
  }
  std::string public_pem() const {
    const KeyPtr pkey = std::move(*read_private_key(key.read()));
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(bio.get(), pkey.get());
    return text_of(bio.get());
  }
  static std::string replaced(std::string text, std::string_view what, std::string_view with) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), with);
  }
  std::string with_header(std::string_view what, std::string_view with) const { return sign(replaced(header, what, with), payload); }
  std::string with_payload(std::string_view what, std::string_view with) const { return sign(header, replaced(payload, what, with)); }

  FakeClock clock;  // 1'700'000'000
  SystemRandom random;
  Secret<std::string> key;
  CollectorTokens tokens;
  std::string token, header, payload, signature;
};

TEST_CASE("a token that we issued is accepted, with what it says") {
  const Fixture f;
  const auto claims = f.tokens.verify(f.token, kCertificate);
  REQUIRE_MESSAGE(claims, (claims ? "" : claims.error().message));
  CHECK(claims->subject == kClaims.subject);
  CHECK(claims->tenant == "1");
  CHECK(claims->certificate_sha256 == kCertificate);
  CHECK(claims->id.size() == 22);
  CHECK(claims->issued == WallTime(1'700'000'000s));
  CHECK(claims->expires == claims->issued + kJwtLife);
  CHECK(*f.tokens.issue(kClaims) != f.token);
}

TEST_CASE("every token that is not exactly ours is refused with its reason") {
  const Fixture f;
  const std::string kid = f.header.substr(f.header.find("kid"), 23);
  const std::string none = "{\"alg\":\"none\",\"" + kid + ",\"typ\":\"pga-collector+jwt\"}";
  const std::string hs256 = Fixture::replaced(f.header, "EdDSA", "HS256");
  const auto added = [&](const std::string& member) { return f.with_header("{", "{" + member + ","); };
  std::string flipped = f.token;
  flipped[flipped.size() - 10] = flipped[flipped.size() - 10] == 'A' ? 'B' : 'A';
  std::string loose = f.token;  // the same bytes with other trailing bits
  loose.back() = loose.back() == 'A' ? 'B' : static_cast<char>(loose.back() + 1);
  struct Case {
    std::string what;
    std::string token;
    std::string error;
  };
  const Case cases[] = {
      {"nothing", "", "not three parts"},
      {"one part", "abc", "not three parts"},
      {"two parts", "a.b", "not three parts"},
      {"four parts", f.token + ".", "not three parts"},
      {"too long", f.token + std::string(kJwtBytesMax, 'a'), "exceed the limit of 4096"},
      {"padding", f.token + "=", "base64url"},
      {"a blank", f.token + " ", "base64url"},
      {"an ending that is not canonical", loose, "not canonical"},
      {"a changed signature", flipped, "signature does not hold"},
      {"no signature", encode(f.header) + "." + encode(f.payload) + ".", "signature does not hold"},
      {"a signature cut short", f.token.substr(0, f.token.size() - 2), "signature does not hold"},
      {"a changed payload",
       encode(f.header) + "." + encode(Fixture::replaced(f.payload, "tenant\":\"1", "tenant\":\"2")) + "." + f.signature,
       "signature does not hold"},
      {"algorithm none, no signature", encode(none) + "." + encode(f.payload) + ".", "algorithm is \"none\""},
      {"algorithm none, signed", f.sign(none, f.payload), "algorithm is \"none\""},
      {"algorithm None", f.with_header("EdDSA", "None"), "algorithm is \"None\""},
      {"HS256 with the public key", f.mac(hs256, f.public_pem()), "algorithm is \"HS256\""},
      {"HS256 with nothing", f.mac(hs256, ""), "algorithm is \"HS256\""},
      {"our algorithm with a MAC", f.mac(f.header, f.public_pem()), "signature does not hold"},
      {"no algorithm", f.with_header("\"alg\":\"EdDSA\",", ""), "algorithm is \"\""},
      {"an algorithm that is a number", f.with_header("\"EdDSA\"", "1"), "algorithm is \"\""},
      {"another key", f.with_header("kid\":\"", "kid\":\"x"), "key is not known"},
      {"a key that is a path", f.with_header(kid, "kid\":\"../../dev/null\""), "key is not known"},
      {"no key", f.with_header("\"" + kid + ",", ""), "key is not known"},
      {"another type", f.with_header("pga-collector+jwt", "JWT"), "type is \"JWT\""},
      {"no type", f.with_header(",\"typ\":\"pga-collector+jwt\"", ""), "type is \"\""},
      {"crit", added("\"crit\":\"exp\""), "the header has crit"},
      {"crit as an array", added("\"crit\":[\"exp\"]"), "header: offset"},
      {"jku", added("\"jku\":\"https://x\""), "the header has jku"},
      {"jwk", added("\"jwk\":{\"kty\":\"OKP\"}"), "the header has jwk"},
      {"x5u", added("\"x5u\":\"https://x\""), "the header has x5u"},
      {"x5c", added("\"x5c\":\"abc\""), "the header has x5c"},
      {"zip", added("\"zip\":\"DEF\""), "the header has zip"},
      {"b64", added("\"b64\":\"false\""), "the header has b64"},
      {"the algorithm twice", added("\"alg\":\"EdDSA\""), "a name is there twice"},
      {"the key twice, once escaped", added("\"k\\u0069d\":\"x\""), "unusual character"},
      {"a header that is no object", f.sign("[]", f.payload), "an object is expected"},
      {"a payload that is no object", f.sign(f.header, "1"), "an object is expected"},
      {"something behind the payload", f.sign(f.header, f.payload + " "), "something behind the end"},
      {"the tenant twice", f.with_payload("{", "{\"tenant\":\"2\","), "a name is there twice"},
      {"another issuer", f.with_payload("iss\":\"install", "iss\":\"other"), "issuer is \"other\""},
      {"no issuer", f.with_payload("\"iss\":\"install\",", ""), "issuer is \"\""},
      {"another audience", f.with_payload("collectors", "people"), "audience is \"people\""},
      {"several audiences", f.with_payload("\"collectors\"", "[\"collectors\"]"), "payload: offset"},
      {"no subject", f.with_payload("\"sub\"", "\"bus\""), "no sub"},
      {"no tenant", f.with_payload("\"tenant\"", "\"tenants\""), "no tenant"},
      {"no id", f.with_payload("\"jti\"", "\"itj\""), "no jti"},
      {"no expiry", f.with_payload("\"exp\"", "\"pxe\""), "no exp"},
      {"no start", f.with_payload("\"nbf\"", "\"fbn\""), "no nbf"},
      {"no time of issue", f.with_payload("\"iat\"", "\"tai\""), "no iat"},
      {"an expiry that is text", f.with_payload("\"exp\":1700000900", "\"exp\":\"1700000900\""), "no exp"},
      {"an expiry with a fraction", f.with_payload("\"exp\":1700000900", "\"exp\":1700000900.5"), "payload: offset"},
      {"an expiry beyond time", f.with_payload("\"exp\":1700000900", "\"exp\":99999999999999999999"), "payload: offset"},
      {"expired", f.with_payload("\"exp\":1700000900", "\"exp\":1699999940"), "expired 60 s ago"},
      {"not valid yet", f.with_payload("\"nbf\":1700000000", "\"nbf\":1700000061"), "not valid yet"},
      {"issued in the future", f.with_payload("\"iat\":1700000000", "\"iat\":1700000061"), "not valid yet"},
      {"no certificate", f.with_payload("\"cnf\"", "\"fnc\""), "no cnf.x5t#S256"},
      {"another certificate", f.with_payload(kCertificate, kOther), "another certificate"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto got = f.tokens.verify(c.token, kCertificate);
    REQUIRE(!got);
    CHECK(got.error().code == ErrorCode::kUnauthorized);
    CHECK_MESSAGE(got.error().message.find(c.error) != std::string::npos, got.error().message);
  }
  CHECK(f.tokens.verify(f.sign(f.header, f.payload), kCertificate));
  CHECK(!f.tokens.verify(f.token, kOther));
  CHECK(!f.tokens.verify(f.token, ""));
}

TEST_CASE("a token of another installation's key is refused") {
  const Fixture ours, theirs;
  CHECK(ours.tokens.verify(theirs.token, kCertificate).error().message == "access token: its key is not known");
}

TEST_CASE("a token lives for its time and a minute of leeway") {
  Fixture f;
  f.clock.advance(kJwtLife + 59s);
  CHECK(f.tokens.verify(f.token, kCertificate));
  f.clock.advance(1s);
  CHECK(!f.tokens.verify(f.token, kCertificate));
  f.clock.step_wall(-kJwtLife - 120s);
  CHECK(f.tokens.verify(f.token, kCertificate));
  f.clock.step_wall(-1s);
  CHECK(!f.tokens.verify(f.token, kCertificate));
}

TEST_CASE("keys can be changed: the new one signs, the old one still verifies, the one before does not") {
  Fixture f;
  const auto second = std::move(*make_signing_key()), third = std::move(*make_signing_key());
  const auto both = std::move(*CollectorTokens::create({second, f.key}, "install", "collectors", f.clock, f.random));
  CHECK(both.verify(f.token, kCertificate));
  CHECK(!f.tokens.verify(*both.issue(kClaims), kCertificate));
  const auto later = std::move(*CollectorTokens::create({third, second}, "install", "collectors", f.clock, f.random));
  CHECK(later.verify(*both.issue(kClaims), kCertificate));
  CHECK(!later.verify(f.token, kCertificate));
}

TEST_CASE("keys, names and claims that cannot be right are refused when they are given") {
  Fixture f;
  const KeyPtr ec(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  const Secret<std::string> wrong(*write_private_key(ec.get()));
  const auto create = [&](const std::vector<Secret<std::string>>& keys, const std::string& issuer = "i") {
    return CollectorTokens::create(keys, issuer, "a", f.clock, f.random);
  };
  CHECK(!create({}));
  CHECK(!create({f.key, f.key, f.key}));
  CHECK(!create({wrong}));
  CHECK(!create({Secret<std::string>("")}));
  CHECK(!create({f.key}, ""));
  CHECK(!create({f.key}, "a\"b"));
  CollectorClaims forged = kClaims;
  forged.tenant = "1\",\"sub\":\"x";
  CHECK(!f.tokens.issue(forged));
  forged.tenant = "";
  CHECK(!f.tokens.issue(forged));
}

TEST_CASE("the little parser of claims refuses whatever we never write") {
  for (const std::string_view text : {"",
                                      "{",
                                      "{}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1",
                                      "{\"a\":1,}",
                                      "{\"a\":01}",
                                      "{\"a\":-1}",
                                      "{\"a\":true}",
                                      "{\"a\":null}",
                                      "{ \"a\":1}",
                                      "{\"a\":{\"b\":{\"c\":1}}}",
                                      "{\"a\":{}}",
                                      "{\"a.b\":1}",
                                      "{\"\":1}",
                                      "{\"a\":1}}",
                                      "{\"a\":{\"b\":1},\"a\":2}",
                                      "{\"a\":\"\xc3\xa4\"}",
                                      "{\"a\":\"\\n\"}",
                                      "{\"a\":1e3}"}) {
    CAPTURE(std::string(text));
    CHECK(!parse_claims(text));
  }
  const auto good = parse_claims(R"({"a":0,"b":"x y","c":{"d":12}})");
  REQUIRE(good);
  CHECK(number_claim(*good, "a") == 0);
  CHECK(text_claim(*good, "b") == "x y");
  CHECK(number_claim(*good, "c.d") == 12);
  CHECK(!text_claim(*good, "a"));
}

}  // namespace
}  // namespace pga::identity
