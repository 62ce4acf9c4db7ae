#include "identity/ca.h"

#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <set>

#include "base/text.h"
#include "identity/openssl_internal.h"

namespace pga::identity {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = WallTime(std::chrono::seconds(1'800'000'000));
const std::string kUri = "spiffe://install/tenant/1/collector/4b1c";

struct Authority {
  Authority() {
    auto made = make_authority("pgAnalytics", kNow, 87'600h);
    REQUIRE(made);
    pair = std::move(*made);
  }
  KeyAndCertificate pair;
};

CertificatePtr parse(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return CertificatePtr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

// OpenSSL's own text for a certificate that `ca_pem` does not vouch for; "ok" if it does.
std::string verify(const std::string& pem, const std::string& ca_pem, int purpose, WallTime at) {
  const std::unique_ptr<X509_STORE, Free<X509_STORE_free>> store(X509_STORE_new());
  const CertificatePtr ca = parse(ca_pem), leaf = parse(pem);
  X509_STORE_add_cert(store.get(), ca.get());
  const std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_X509_STRICT);
  X509_STORE_CTX_set_time(context.get(), 0, std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
  X509_verify_cert(context.get());
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

// A certificate request as a stranger would make it.
struct Request {
  explicit Request(KeyPtr with) : key(std::move(with)), request(X509_REQ_new()) { X509_REQ_set_pubkey(request.get(), key.get()); }
  void ask_for(const char* alternative) {
    STACK_OF(X509_EXTENSION)* wishes = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(wishes, X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative));
    sk_X509_EXTENSION_push(wishes, X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
    X509_REQ_add_extensions(request.get(), wishes);
    sk_X509_EXTENSION_pop_free(wishes, X509_EXTENSION_free);
  }
  std::string pem(const EVP_MD* digest = EVP_sha256(), EVP_PKEY* signer = nullptr) {
    X509_REQ_sign(request.get(), signer == nullptr ? key.get() : signer, digest);
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_REQ(bio.get(), request.get());
    return text_of(bio.get());
  }
  KeyPtr key;
  RequestPtr request;
};

TEST_CASE("the authority signs itself, and a collector's certificate is good for clients only") {
  const Authority ca;
  const auto made = make_request("host");
  REQUIRE(made);
  const auto pem = sign_collector_request(ca.pair, made->request_pem, kUri, kNow, 24h);
  REQUIRE(pem);
  CHECK(verify(*pem, ca.pair.certificate_pem, X509_PURPOSE_SSL_CLIENT, kNow) == "ok");
  CHECK(verify(*pem, ca.pair.certificate_pem, X509_PURPOSE_SSL_CLIENT, kNow - 1min) == "ok");
  CHECK(verify(*pem, ca.pair.certificate_pem, X509_PURPOSE_SSL_SERVER, kNow).find("purpose") != std::string::npos);
  CHECK(verify(*pem, ca.pair.certificate_pem, X509_PURPOSE_SSL_CLIENT, kNow + 25h) == "certificate has expired");
  CHECK(verify(*pem, Authority().pair.certificate_pem, X509_PURPOSE_SSL_CLIENT, kNow) != "ok");

  const auto info = read_certificate(*pem);
  REQUIRE(info);
  CHECK(info->uri == kUri);
  CHECK(info->serial.size() == 32);
  CHECK(info->not_after == kNow + 24h);
  CHECK(info->not_before == kNow - 5min);
  CHECK(parse_base64url(info->sha256)->size() == 32);
  CHECK(made->key_pem.read().starts_with("-----BEGIN PRIVATE KEY-----"));
}

TEST_CASE("a server's certificate carries its names and the authority behind it") {
  const Authority ca;
  const auto made = issue_server_certificate(ca.pair, {"localhost", "db.example.org", "127.0.0.1", "::1"}, kNow, 8'760h);
  REQUIRE(made);
  CHECK(verify(made->certificate_pem, ca.pair.certificate_pem, X509_PURPOSE_SSL_SERVER, kNow) == "ok");
  CHECK(verify(made->certificate_pem, ca.pair.certificate_pem, X509_PURPOSE_SSL_CLIENT, kNow) != "ok");
  const CertificatePtr leaf = parse(made->certificate_pem);
  for (const char* name : {"localhost", "db.example.org"}) CHECK(X509_check_host(leaf.get(), name, 0, 0, nullptr) == 1);
  for (const char* address : {"127.0.0.1", "::1"}) CHECK(X509_check_ip_asc(leaf.get(), address, 0) == 1);
  CHECK(X509_check_host(leaf.get(), "example.org", 0, 0, nullptr) == 0);
  CHECK(made->certificate_pem.ends_with(ca.pair.certificate_pem));
  for (const std::string name : {"", "a b", "a,DNS:evil", "a\nb", "*:x"}) {
    CAPTURE(name);
    CHECK(!issue_server_certificate(ca.pair, {name}, kNow, 1h));
  }
  CHECK(!issue_server_certificate(ca.pair, {}, kNow, 1h));
}

TEST_CASE("whatever a request asks for is ignored") {
  const Authority ca;
  Request greedy(KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")));
  greedy.ask_for("URI:spiffe://install/tenant/1/collector/another,DNS:server");
  const auto pem = sign_collector_request(ca.pair, greedy.pem(), kUri, kNow, 24h);
  REQUIRE(pem);
  CHECK(read_certificate(*pem)->uri == kUri);
  const CertificatePtr certificate = parse(*pem);
  CHECK(X509_check_ca(certificate.get()) == 0);
  CHECK(X509_check_host(certificate.get(), "server", 0, 0, nullptr) == 0);
}

TEST_CASE("a request is refused for its key, its signature or its size") {
  const Authority ca;
  const KeyPtr other(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  Request forged(KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")));
  Request p384(KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384")));
  Request rsa(KeyPtr(EVP_RSA_gen(2048)));
  Request ed25519(KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")));
  KeyPtr spelled_out(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  REQUIRE(EVP_PKEY_set_utf8_string_param(spelled_out.get(), "encoding", "explicit") == 1);
  Request explicit_curve(std::move(spelled_out));
  struct Case {
    std::string what;
    std::string pem;
    std::string error;  // empty: signed
  };
  const Case cases[] = {
      {"Ed25519", ed25519.pem(nullptr), ""},
      {"P-384", p384.pem(), "neither P-256 nor Ed25519"},
      {"RSA", rsa.pem(), "neither P-256 nor Ed25519"},
      {"a curve that is spelled out", explicit_curve.pem(), "neither P-256 nor Ed25519"},
      {"signed by another key", forged.pem(EVP_sha256(), other.get()), "signature does not hold"},
      {"nothing", "", "not a certificate request"},
      {"a certificate", ca.pair.certificate_pem, "not a certificate request"},
      {"too long", std::string(70'000, 'x'), "exceeds the limit"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto pem = sign_collector_request(ca.pair, c.pem, kUri, kNow, 24h);
    CHECK(bool(pem) == c.error.empty());
    if (!pem) CHECK_MESSAGE(pem.error().message.find(c.error) != std::string::npos, pem.error().message);
  }
  for (const std::string uri : {"", "spiffe://a b", "spiffe://x\",URI:y"}) {
    CAPTURE(uri);
    CHECK(!sign_collector_request(ca.pair, ed25519.pem(nullptr), uri, kNow, 24h));
  }
}

TEST_CASE("an authority whose key is another's does not sign") {
  Authority ca;
  ca.pair.key_pem = Authority().pair.key_pem;
  CHECK(!sign_collector_request(ca.pair, make_request("host")->request_pem, kUri, kNow, 24h));
}

TEST_CASE("serial numbers do not repeat") {
  const Authority ca;
  const auto made = make_request("host");
  std::set<std::string> serials;
  for (int i = 0; i < 20; ++i)
    serials.insert(read_certificate(*sign_collector_request(ca.pair, made->request_pem, kUri, kNow, 24h))->serial);
  CHECK(serials.size() == 20);
}

TEST_CASE("a host's name of any length makes a request") {
  CHECK(make_request(std::string(300, 'h')));
  CHECK(make_request("höst"));
}

}  // namespace
}  // namespace pga::identity
