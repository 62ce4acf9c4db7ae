// TLS as the streams see it. OpenSSL's types stay in tls.cc and stream.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/http.h"
#include "net/tls.h"

struct ssl_st;

namespace pga::net {

struct SslDeleter {
  void operator()(ssl_st* ssl) const;
};
using SslPtr = std::unique_ptr<ssl_st, SslDeleter>;

// A session of the server on a connected socket; the descriptor is not owned.
Result<SslPtr> tls_accept(TlsServerContext& context, int fd);
// Of the client; `host` is what the URL says.
Result<SslPtr> tls_connect(TlsClientContext& context, int fd, const std::string& host);
// What the verified certificate of the peer says; nothing if it sent none.
std::optional<PeerCertificate> tls_peer(const ssl_st& ssl);
bool tls_resumed(const ssl_st& ssl);

}  // namespace pga::net
