// Certificates of our own authority: made, requested, signed and read. All texts are PEM.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace pga::identity {

struct KeyAndCertificate {
  Secret<std::string> key_pem;
  std::string certificate_pem;
};

// While one authority follows another: collectors are signed by one and are to trust all, and certificates of all are taken.
struct Authorities {
  KeyAndCertificate signing;
  std::string next_certificate_pem = {};      // is told to collectors and signs later; empty: there is none
  std::string previous_certificate_pem = {};  // signed before; empty: there is none

  [[nodiscard]] std::string bundle_pem() const { return signing.certificate_pem + next_certificate_pem + previous_certificate_pem; }
  [[nodiscard]] const std::string& newest_certificate_pem() const {
    return next_certificate_pem.empty() ? signing.certificate_pem : next_certificate_pem;
  }
};

struct KeyAndRequest {
  Secret<std::string> key_pem;
  std::string request_pem;  // PKCS #10
};

struct CertificateInfo {
  std::string uri;     // first URI SAN; empty if none
  std::string serial;  // hexadecimal, lower case
  std::string sha256;  // of the DER, base64url without padding
  WallTime not_before;
  WallTime not_after;
};

// EC P-256, CA:TRUE with path length 0.
Result<KeyAndCertificate> make_authority(const std::string& common_name, WallTime now, std::chrono::microseconds validity);

// For a server: `names` are DNS names and IP addresses.
Result<KeyAndCertificate> issue_server_certificate(const KeyAndCertificate& authority, const std::vector<std::string>& names, WallTime now,
                                                   std::chrono::microseconds validity);

// On the collector: a new Ed25519 key, which never leaves it.
Result<KeyAndRequest> make_request(const std::string& common_name);

// On the server: checks the request's own signature and its key (P-256 or Ed25519); whatever names it asks for are ignored.
Result<std::string> sign_collector_request(const KeyAndCertificate& authority, const std::string& request_pem, const std::string& uri,
                                           WallTime now, std::chrono::microseconds validity);

Result<CertificateInfo> read_certificate(const std::string& certificate_pem);

}  // namespace pga::identity
