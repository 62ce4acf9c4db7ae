#include "net/ticket_keys_internal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <cstring>

namespace pga::net {
namespace {

constexpr std::chrono::hours kRotation{12};

}  // namespace

void TicketKeys::install(SSL_CTX* ctx) {
  SSL_CTX_set_app_data(ctx, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}

TicketKeys::Key TicketKeys::current() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (keys_[0].made == decltype(now){} || now - keys_[0].made > kRotation) {
    keys_[1] = keys_[0];
    Key fresh;
    fresh.made = now;
    if (RAND_bytes(fresh.name.data(), fresh.name.size()) != 1 || RAND_priv_bytes(fresh.cipher.data(), fresh.cipher.size()) != 1 ||
        RAND_priv_bytes(fresh.mac.data(), fresh.mac.size()) != 1) {
      return {};
    }
    keys_[0] = fresh;
  }
  return keys_[0];
}

bool TicketKeys::find(const unsigned char* name, Key& out) {
  const std::lock_guard lock(mutex_);
  for (const Key& key : keys_) {
    if (key.made == std::chrono::steady_clock::time_point{} || std::memcmp(key.name.data(), name, key.name.size()) != 0) continue;
    out = key;
    return true;
  }
  return false;
}

int TicketKeys::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypt) {
  auto& keys = *static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  Key key;
  if (encrypt != 0) {
    key = keys.current();
    if (key.made == std::chrono::steady_clock::time_point{}) return -1;
    std::memcpy(name, key.name.data(), key.name.size());
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  } else {
    if (!keys.find(name, key)) return 0;  // a full handshake
  }
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
                                   OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv, encrypt) != 1) return -1;
  return encrypt != 0 ? 1 : 2;  // 2: a ticket is used once, so whoever resumes gets a new one
}

}  // namespace pga::net
