// TLS parameters, without OpenSSL's types. TLS 1.3 only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/secret.h"

namespace pga::net {

enum class ClientCertificate { kNone, kOptional, kRequired };

struct TlsServerOptions {
  std::string certificate_pem = {};  // leaf first, then intermediates
  Secret<std::string> key_pem = {};
  std::string client_ca_pem = {};  // our own CA; never the system's store
  ClientCertificate client_certificate = ClientCertificate::kNone;
};

class TlsServerContext {
 public:
  static Result<std::shared_ptr<TlsServerContext>> create(const TlsServerOptions& options);
  virtual ~TlsServerContext() = default;
};

struct TlsClientOptions {
  std::string ca_pem = {};           // trust only these; empty together with `ca_sha256`: the chain's CA must have this fingerprint
  std::string ca_sha256 = {};        // base64url SHA-256 of the CA's DER (enrolment: the token carries it)
  std::string certificate_pem = {};  // client certificate, may be empty
  Secret<std::string> key_pem = {};
  std::string server_name = {};  // verified against the certificate (DNS name or address); empty: the host of the URL
};

class TlsClientContext {
 public:
  static Result<std::shared_ptr<TlsClientContext>> create(const TlsClientOptions& options);
  virtual ~TlsClientContext() = default;
};

}  // namespace pga::net
