#include "identity/jwt.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <array>

#include "base/bytes.h"
#include "base/text.h"
#include "identity/claims_internal.h"
#include "identity/openssl_internal.h"

namespace pga::identity {
namespace {

constexpr std::string_view kAlgorithm = "EdDSA";
constexpr std::string_view kType = "pga-collector+jwt";
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kKeysMax = 2;

using Digest = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;

Error refused(std::string why) { return {ErrorCode::kUnauthorized, "access token: " + std::move(why)}; }

std::int64_t seconds(WallTime time) { return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count(); }

struct Key {
  std::string id;  // of the public key, so that it need not be kept anywhere
  KeyPtr key;
};

Result<Key> read_key(const Secret<std::string>& pem) {
  PGA_TRY(KeyPtr key, read_private_key(pem.read()));
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_ED25519) return invalid("a signing key for access tokens is not of Ed25519");
  std::array<unsigned char, 32> raw;
  std::size_t size = raw.size();
  std::array<std::byte, 32> digest;
  if (EVP_PKEY_get_raw_public_key(key.get(), raw.data(), &size) != 1 ||
      EVP_Digest(raw.data(), size, reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(), nullptr) != 1) {
    return openssl_error("public part of a signing key");
  }
  return Key{to_base64url(ByteView(digest).first(12)), std::move(key)};
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

struct CollectorTokens::Impl {
  std::vector<Key> keys;
  std::string issuer;
  std::string audience;
  const Clock& clock;
  Random& random;
};

Result<Secret<std::string>> make_signing_key() {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!key) return openssl_error("making a signing key");
  PGA_TRY(std::string pem, write_private_key(key.get()));
  return Secret<std::string>(std::move(pem));
}

Result<CollectorTokens> CollectorTokens::create(const std::vector<Secret<std::string>>& keys_pem, std::string issuer, std::string audience,
                                                const Clock& clock, Random& random) {
  if (keys_pem.empty() || keys_pem.size() > kKeysMax)
    return invalid("access tokens need one or two signing keys, not " + std::to_string(keys_pem.size()));
  std::unique_ptr<Impl> impl(new Impl{{}, std::move(issuer), std::move(audience), clock, random});
  if (!is_claim_text(impl->issuer) || !is_claim_text(impl->audience))
    return invalid("issuer and audience of access tokens must be printable and not empty");
  for (const Secret<std::string>& pem : keys_pem) {
    PGA_TRY(Key key, read_key(pem));
    impl->keys.push_back(std::move(key));
  }
  return CollectorTokens(std::move(impl));
}

CollectorTokens::CollectorTokens(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CollectorTokens::~CollectorTokens() = default;
CollectorTokens::CollectorTokens(CollectorTokens&&) noexcept = default;
CollectorTokens& CollectorTokens::operator=(CollectorTokens&&) noexcept = default;

Result<std::string> CollectorTokens::issue(const CollectorClaims& claims) const {
  for (const std::string& text : {claims.subject, claims.tenant, claims.certificate_sha256}) {
    if (!is_claim_text(text)) return invalid("a claim of an access token is empty or not printable");
  }
  const Key& key = impl_->keys[0];
  const std::int64_t now = seconds(impl_->clock.now());
  std::array<std::byte, 16> id;
  impl_->random.fill(id);
  const auto text = [](std::string_view name, std::string_view value) {
    return "\"" + std::string(name) + "\":\"" + std::string(value) + "\",";
  };
  const auto number = [](std::string_view name, std::int64_t value) {
    return "\"" + std::string(name) + "\":" + std::to_string(value) + ",";
  };
  const std::string header = "{" + text("alg", kAlgorithm) + text("kid", key.id) + "\"typ\":\"" + std::string(kType) + "\"}";
  const std::string payload = "{" + text("iss", impl_->issuer) + text("aud", impl_->audience) + text("sub", claims.subject) +
                              text("tenant", claims.tenant) + text("jti", to_base64url(id)) + number("iat", now) + number("nbf", now) +
                              number("exp", now + std::chrono::seconds(kJwtLife).count()) + "\"cnf\":{\"x5t#S256\":\"" +
                              claims.certificate_sha256 + "\"}}";
  std::string out = to_base64url(as_bytes(header)) + "." + to_base64url(as_bytes(payload));

  ERR_clear_error();
  const Digest digest(EVP_MD_CTX_new());
  std::array<std::byte, kSignatureBytes> signature;
  std::size_t size = signature.size();
  if (EVP_DigestSignInit(digest.get(), nullptr, nullptr, nullptr, key.key.get()) != 1 ||
      EVP_DigestSign(digest.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes_of(out), out.size()) != 1) {
    return openssl_error("signing an access token");
  }
  out += "." + to_base64url(signature);
  if (out.size() > kJwtBytesMax)
    return too_large("an access token of " + std::to_string(out.size()) + " bytes exceeds the limit of " + std::to_string(kJwtBytesMax));
  return out;
}

Result<CollectorClaims> CollectorTokens::verify(std::string_view token, std::string_view certificate_sha256) const {
  if (token.size() > kJwtBytesMax)
    return refused(std::to_string(token.size()) + " bytes exceed the limit of " + std::to_string(kJwtBytesMax));
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return refused("it has not three parts");

  const auto decode = [&](std::string_view part) -> Result<std::string> {
    auto bytes = parse_base64url(part);
    if (!bytes) return refused(bytes.error().message);
    return std::string(as_text(*bytes));
  };
  PGA_TRY(const std::string header_text, decode(token.substr(0, first)));
  PGA_TRY(const std::string signature, decode(token.substr(second + 1)));
  const auto header = parse_claims(header_text);
  if (!header) return refused("header: " + header.error().message);
  for (const auto& [name, claim] : *header) {
    // Among others crit, jku, jwk, x5u, x5c, zip and b64: nothing of these is ever wanted.
    if (name != "alg" && name != "kid" && name != "typ") return refused("the header has " + name);
  }
  const auto field = [&](const Claims& of, std::string_view name) { return text_claim(of, name).value_or(std::string()); };
  if (field(*header, "typ") != kType) return refused("its type is " + in_quotes(field(*header, "typ")));
  const Key* key = nullptr;
  for (const Key& candidate : impl_->keys) {
    if (candidate.id == field(*header, "kid")) key = &candidate;
  }
  if (key == nullptr) return refused("its key is not known");
  if (field(*header, "alg") != kAlgorithm) return refused("its algorithm is " + in_quotes(field(*header, "alg")));

  ERR_clear_error();
  const Digest digest(EVP_MD_CTX_new());
  const std::string_view signed_part = token.substr(0, second);
  const bool good = signature.size() == kSignatureBytes &&
                    EVP_DigestVerifyInit(digest.get(), nullptr, nullptr, nullptr, key->key.get()) == 1 &&
                    EVP_DigestVerify(digest.get(), bytes_of(signature), signature.size(), bytes_of(signed_part), signed_part.size()) == 1;
  ERR_clear_error();
  if (!good) return refused("its signature does not hold");

  PGA_TRY(const std::string payload_text, decode(token.substr(first + 1, second - first - 1)));
  const auto payload = parse_claims(payload_text);
  if (!payload) return refused("payload: " + payload.error().message);
  CollectorClaims out;
  std::array<std::int64_t, 3> times{};
  constexpr std::array<std::string_view, 3> kTimes = {"iat", "nbf", "exp"};
  for (std::size_t i = 0; i < kTimes.size(); ++i) {
    const auto value = number_claim(*payload, kTimes[i]);
    if (!value) return refused("it has no " + std::string(kTimes[i]));
    times[i] = *value;
  }
  const auto& [issued, not_before, expires] = times;
  for (const auto& [name, into] :
       {std::pair{"sub", &out.subject}, {"tenant", &out.tenant}, {"jti", &out.id}, {"cnf.x5t#S256", &out.certificate_sha256}}) {
    *into = field(*payload, name);
    if (into->empty()) return refused(std::string("it has no ") + name);
  }
  if (field(*payload, "iss") != impl_->issuer) return refused("its issuer is " + in_quotes(field(*payload, "iss")));
  if (field(*payload, "aud") != impl_->audience) return refused("its audience is " + in_quotes(field(*payload, "aud")));
  const std::int64_t now = seconds(impl_->clock.now());
  if (now >= expires + kJwtLeeway.count()) return refused("it expired " + std::to_string(now - expires) + " s ago");
  if (now < not_before - kJwtLeeway.count() || now < issued - kJwtLeeway.count()) return refused("it is not valid yet");
  if (!equal_constant_time(out.certificate_sha256, certificate_sha256)) return refused("it belongs to another certificate");
  out.issued = WallTime(std::chrono::seconds(issued));
  out.expires = WallTime(std::chrono::seconds(expires));
  return out;
}

}  // namespace pga::identity
