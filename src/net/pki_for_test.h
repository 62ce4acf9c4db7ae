// Certificates for the tests of net, which may not use identity.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "base/secret.h"
#include "base/text.h"

namespace pga::net {

struct TestCertificate {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;

  [[nodiscard]] std::string pem() const {
    return write([&](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
  }
  [[nodiscard]] Secret<std::string> key_pem() const {
    return Secret(write([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); }));
  }
  [[nodiscard]] std::string sha256() const {
    unsigned char digest[32];
    X509_digest(certificate.get(), EVP_sha256(), digest, nullptr);
    return to_base64url(ByteView(reinterpret_cast<const std::byte*>(digest), sizeof digest));
  }

 private:
  template <class F>
  static std::string write(F f) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), BIO_free_all);
    f(bio.get());
    char* data = nullptr;
    const long size = BIO_ctrl(bio.get(), BIO_CTRL_INFO, 0, &data);
    return {data, static_cast<std::size_t>(size)};
  }
};

struct TestCertificateOptions {
  std::string name = "test";
  std::string alternative = {};  // "DNS:localhost,IP:127.0.0.1"
  std::string usage = {};        // "serverAuth"; empty: an authority
  long valid_from = -60;         // seconds from now
  long valid_until = 3'600;
};

// Signed by `issuer`, or by itself.
inline TestCertificate make_certificate(const TestCertificateOptions& options, const TestCertificate* issuer = nullptr) {
  TestCertificate out{{X509_new(), X509_free}, {EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), EVP_PKEY_free}};
  X509* x = out.certificate.get();
  static long serial = 0x1000;
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x), options.valid_from);
  X509_gmtime_adj(X509_getm_notAfter(x), options.valid_until);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(options.name.data()),
                             static_cast<int>(options.name.size()), -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(issuer == nullptr ? x : issuer->certificate.get()));
  X509_set_pubkey(x, out.key.get());
  const auto extend = [&](int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, options.usage.empty() ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!options.usage.empty()) extend(NID_ext_key_usage, options.usage);
  if (!options.alternative.empty()) extend(NID_subject_alt_name, options.alternative);
  X509_sign(x, issuer == nullptr ? out.key.get() : issuer->key.get(), EVP_sha256());
  return out;
}

}  // namespace pga::net
