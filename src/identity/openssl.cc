#include <openssl/err.h>
#include <openssl/pem.h>

#include "identity/openssl_internal.h"

namespace pga::identity {
namespace {

// Without it OpenSSL would ask for a pass phrase on the terminal.
int no_pass_phrase(char*, int, int, void*) { return 0; }

}  // namespace

Error openssl_error(std::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return invalid(std::string(what) + (reason == nullptr ? std::string() : std::string(": ") + reason));
}

Result<KeyPtr> read_private_key(const std::string& pem) {
  ERR_clear_error();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!key) return openssl_error("not a private key in PEM without a pass phrase");
  return key;
}

Result<std::string> write_private_key(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return openssl_error("writing a private key");
  return text_of(bio.get());
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace pga::identity
