// HTTP/1.1 messages, without any socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pga::net {

struct Headers {
  // Constructors, so that it is no aggregate: g++ 12 destroys an aggregate that is a temporary of a co_await twice.
  Headers() = default;
  Headers(std::string_view name, std::string_view value) { add(name, value); }

  std::vector<std::pair<std::string, std::string>> items;
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;  // case-insensitive, first match
  void add(std::string_view name, std::string_view value);
};

// Who is at the other end, as far as TLS knows. `serial` and `uri` are empty without a client certificate.
struct PeerCertificate {
  std::string uri;             // URI SAN of the client certificate
  std::string serial;          // hexadecimal
  std::string sha256;          // of the DER, base64url: the JWT's cnf.x5t#S256
  std::int64_t not_after = 0;  // seconds since 1970
  std::int64_t not_before = 0;
};

struct Request {
  std::string method;  // "GET"
  std::string target;  // "/api/v1/servers?from=1"
  Headers headers;
  std::string body;
  std::string remote_address;  // "127.0.0.1"; empty on a unix socket
  std::optional<PeerCertificate> peer;

  [[nodiscard]] std::string_view path() const;  // before '?'
  // The first parameter of that name, decoded; nothing if it is absent or its percent encoding is broken.
  [[nodiscard]] std::optional<std::string> query(std::string_view name) const;
};

// Percent encoding of everything but the unreserved characters, and back; nothing if the encoding is broken.
std::string percent_encode(std::string_view text);
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// The server adds Date, Content-Length and Connection itself and ignores them here. 204 and 304 go without body and length.
struct Response {
  int status = 200;
  Headers headers = {};
  std::string body = {};
  bool close = false;  // "Connection: close" and end after this answer

  static Response text(int status, std::string body);
};

}  // namespace pga::net
