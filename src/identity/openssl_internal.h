// OpenSSL's objects with owners, PEM in both directions, and its errors as ours.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pga::identity {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Free<X509_REQ_free>>;

// `what`, and the oldest error that OpenSSL has to tell; clears its queue.
Error openssl_error(std::string_view what);

Result<KeyPtr> read_private_key(const std::string& pem);
Result<std::string> write_private_key(EVP_PKEY* key);

// What was written to a BIO in memory.
std::string text_of(BIO* bio);

}  // namespace pga::identity
