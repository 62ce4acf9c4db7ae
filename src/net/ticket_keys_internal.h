// The keys that encrypt session tickets. OpenSSL's own are made once per context and live as long as the process; these change every 12
// hours, and the one before still opens tickets, which live an hour.
#pragma once

#include <openssl/types.h>

#include <array>
#include <chrono>
#include <mutex>

namespace pga::net {

class TicketKeys {
 public:
  void install(SSL_CTX* ctx);  // outlives the context's sessions

 private:
  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
    std::chrono::steady_clock::time_point made{};
  };
  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypt);
  Key current();  // rotates when due
  bool find(const unsigned char* name, Key& out);

  std::mutex mutex_;  // of the next: loops share the context
  std::array<Key, 2> keys_{};
};

}  // namespace pga::net
