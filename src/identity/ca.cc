#include "identity/ca.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/socket.h>

#include <array>
#include <ctime>

#include "base/limits.h"
#include "base/text.h"
#include "identity/openssl_internal.h"

namespace pga::identity {
namespace {

using GeneralNames = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using GeneralName = std::unique_ptr<GENERAL_NAME, Free<GENERAL_NAME_free>>;

constexpr std::size_t kPemBytesMax = 64 * kKiB;
constexpr std::chrono::minutes kBackdated{5};  // for clocks of peers that are behind ours

Result<CertificatePtr> parse_certificate(const std::string& pem) {
  if (pem.size() > kPemBytesMax)
    return too_large("a certificate of " + std::to_string(pem.size()) + " bytes exceeds the limit of " + std::to_string(kPemBytesMax));
  ERR_clear_error();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return openssl_error("not a certificate in PEM");
  return certificate;
}

Result<std::string> write_certificate(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) return openssl_error("writing a certificate");
  return text_of(bio.get());
}

std::time_t seconds(WallTime time) { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

WallTime wall_time(const ASN1_TIME* time) {
  std::tm tm{};
  return ASN1_TIME_to_tm(time, &tm) == 1 ? WallTime(std::chrono::seconds(::timegm(&tm))) : WallTime{};
}

// What is common to all certificates: version, random positive serial of 127 bits, validity, key.
Result<CertificatePtr> make_certificate(EVP_PKEY* key, WallTime now, std::chrono::microseconds validity) {
  CertificatePtr out(X509_new());
  std::array<unsigned char, 16> serial;
  if (RAND_bytes(serial.data(), serial.size()) != 1) return openssl_error("random serial");
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);
  const std::unique_ptr<BIGNUM, Free<BN_free>> number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  if (!out || X509_set_version(out.get(), X509_VERSION_3) != 1 ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(out.get())) == nullptr ||
      ASN1_TIME_set(X509_getm_notBefore(out.get()), seconds(now - kBackdated)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(out.get()), seconds(now + validity)) == nullptr || X509_set_pubkey(out.get(), key) != 1) {
    return openssl_error("making a certificate");
  }
  return out;
}

Status set_common_name(X509_NAME* name, std::string_view common_name) {
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
  // The standard allows 64 characters; what a host calls itself may be longer.
  if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text, static_cast<int>(std::min<std::size_t>(common_name.size(), 64)),
                                 -1, 0) != 1) {
    return openssl_error("the name \"" + std::string(common_name) + "\"");
  }
  return {};
}

// Constant texts only: OpenSSL's syntax for extensions would let a name from outside add others.
Status add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) return openssl_error("extension of a certificate");
  return {};
}

Result<GeneralName> make_name(const std::string& text, bool is_uri) {
  GeneralName name(GENERAL_NAME_new());
  if (!is_uri) {
    if (ASN1_OCTET_STRING* address = a2i_IPADDRESS(text.c_str())) {
      GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address);
      return name;
    }
    ERR_clear_error();
  }
  const bool good =
      !text.empty() && text.size() <= 253 &&
      text.find_first_not_of(is_uri ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/"
                                    : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._*") == std::string::npos;
  if (!good) return invalid("\"" + text + "\" is not a name for a certificate");
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  ASN1_STRING_set(value, text.data(), static_cast<int>(text.size()));
  GENERAL_NAME_set0_value(name.get(), is_uri ? GEN_URI : GEN_DNS, value);
  return name;
}

Status add_names(X509* certificate, const std::vector<std::string>& texts, bool are_uris) {
  const GeneralNames names(sk_GENERAL_NAME_new_null());
  for (const std::string& text : texts) {
    PGA_TRY(GeneralName name, make_name(text, are_uris));
    if (sk_GENERAL_NAME_push(names.get(), name.get()) == 0) return openssl_error("names of a certificate");
    (void)name.release();
  }
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return openssl_error("names of a certificate");
  return {};
}

// A certificate of `authority` for `key`, that may only be used as `usage`.
Result<std::string> issue(const KeyAndCertificate& authority, EVP_PKEY* key, const std::string& common_name,
                          const std::vector<std::string>& names, bool are_uris, const char* usage, WallTime now,
                          std::chrono::microseconds validity) {
  if (names.empty()) return invalid("a certificate needs a name");
  PGA_TRY(const CertificatePtr issuer, parse_certificate(authority.certificate_pem));
  PGA_TRY(const KeyPtr issuer_key, read_private_key(authority.key_pem.read()));
  if (X509_check_private_key(issuer.get(), issuer_key.get()) != 1) return openssl_error("the authority's key does not fit its certificate");
  PGA_TRY(const CertificatePtr out, make_certificate(key, now, validity));
  PGA_TRY_STATUS(set_common_name(X509_get_subject_name(out.get()), common_name));
  if (X509_set_issuer_name(out.get(), X509_get_subject_name(issuer.get())) != 1) return openssl_error("issuer of a certificate");
  PGA_TRY_STATUS(add_extension(out.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
  PGA_TRY_STATUS(add_extension(out.get(), issuer.get(), NID_key_usage, "critical,digitalSignature"));
  PGA_TRY_STATUS(add_extension(out.get(), issuer.get(), NID_ext_key_usage, usage));
  PGA_TRY_STATUS(add_extension(out.get(), issuer.get(), NID_subject_key_identifier, "hash"));
  PGA_TRY_STATUS(add_extension(out.get(), issuer.get(), NID_authority_key_identifier, "keyid:always"));
  PGA_TRY_STATUS(add_names(out.get(), names, are_uris));
  if (X509_sign(out.get(), issuer_key.get(), EVP_sha256()) == 0) return openssl_error("signing a certificate");
  return write_certificate(out.get());
}

// P-256 by its name, or Ed25519. A curve that is spelled out in the key is refused: such keys have forged signatures before.
bool is_permitted_key(EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) return true;
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return false;
  std::array<char, 32> group{};
  int is_explicit = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1 || std::string_view(group.data()) != SN_X9_62_prime256v1)
    return false;
  return EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &is_explicit) == 1 && is_explicit == 0;
}

}  // namespace

Result<KeyAndCertificate> make_authority(const std::string& common_name, WallTime now, std::chrono::microseconds validity) {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", SN_X9_62_prime256v1));
  if (!key) return openssl_error("making a key");
  PGA_TRY(const CertificatePtr out, make_certificate(key.get(), now, validity));
  PGA_TRY_STATUS(set_common_name(X509_get_subject_name(out.get()), common_name));
  if (X509_set_issuer_name(out.get(), X509_get_subject_name(out.get())) != 1) return openssl_error("issuer of a certificate");
  PGA_TRY_STATUS(add_extension(out.get(), out.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  PGA_TRY_STATUS(add_extension(out.get(), out.get(), NID_key_usage, "critical,keyCertSign,cRLSign"));
  PGA_TRY_STATUS(add_extension(out.get(), out.get(), NID_subject_key_identifier, "hash"));
  if (X509_sign(out.get(), key.get(), EVP_sha256()) == 0) return openssl_error("signing a certificate");
  PGA_TRY(std::string key_pem, write_private_key(key.get()));
  PGA_TRY(std::string certificate_pem, write_certificate(out.get()));
  return KeyAndCertificate{Secret<std::string>(std::move(key_pem)), std::move(certificate_pem)};
}

Result<KeyAndCertificate> issue_server_certificate(const KeyAndCertificate& authority, const std::vector<std::string>& names, WallTime now,
                                                   std::chrono::microseconds validity) {
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", SN_X9_62_prime256v1));
  if (!key) return openssl_error("making a key");
  PGA_TRY(std::string certificate_pem, issue(authority, key.get(), "pganalytics server", names, false, "serverAuth", now, validity));
  PGA_TRY(std::string key_pem, write_private_key(key.get()));
  return KeyAndCertificate{Secret<std::string>(std::move(key_pem)), certificate_pem + authority.certificate_pem};
}

Result<KeyAndRequest> make_request(const std::string& common_name) {
  // A server keeps the decoded certificate of each connection: with a P-256 key that is a curve of its own, 3 KiB more.
  const KeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const RequestPtr request(X509_REQ_new());
  if (!key || !request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.get()) != 1) {
    return openssl_error("making a certificate request");
  }
  PGA_TRY_STATUS(set_common_name(X509_REQ_get_subject_name(request.get()), common_name));
  if (X509_REQ_sign(request.get(), key.get(), nullptr) == 0) return openssl_error("signing a certificate request");
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) return openssl_error("writing a certificate request");
  PGA_TRY(std::string key_pem, write_private_key(key.get()));
  return KeyAndRequest{Secret<std::string>(std::move(key_pem)), text_of(bio.get())};
}

Result<std::string> sign_collector_request(const KeyAndCertificate& authority, const std::string& request_pem, const std::string& uri,
                                           WallTime now, std::chrono::microseconds validity) {
  if (request_pem.size() > kPemBytesMax)
    return too_large("a certificate request of " + std::to_string(request_pem.size()) + " bytes exceeds the limit of " +
                     std::to_string(kPemBytesMax));
  ERR_clear_error();
  const BioPtr bio(BIO_new_mem_buf(request_pem.data(), static_cast<int>(request_pem.size())));
  const RequestPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (!request) return openssl_error("not a certificate request in PEM");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || !is_permitted_key(key)) return invalid("the request's key is neither P-256 nor Ed25519");
  if (X509_REQ_verify(request.get(), key) != 1) return openssl_error("the request's signature does not hold");
  return issue(authority, key, "pganalytics collector", {uri}, true, "clientAuth", now, validity);
}

Result<CertificateInfo> read_certificate(const std::string& certificate_pem) {
  PGA_TRY(const CertificatePtr certificate, parse_certificate(certificate_pem));
  CertificateInfo out;
  const GeneralNames names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()) && out.uri.empty(); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    out.uri.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  const std::unique_ptr<BIGNUM, Free<BN_free>> serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(serial.get())));
  BN_bn2bin(serial.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  out.serial = to_hex(ByteView(bytes));
  std::array<std::byte, 32> digest;
  if (X509_digest(certificate.get(), EVP_sha256(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) != 1)
    return openssl_error("digest of a certificate");
  out.sha256 = to_base64url(digest);
  out.not_before = wall_time(X509_get0_notBefore(certificate.get()));
  out.not_after = wall_time(X509_get0_notAfter(certificate.get()));
  return out;
}

}  // namespace pga::identity
