// Addresses and sockets of POSIX as Results.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace pga::net {

struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  [[nodiscard]] int family() const { return address.ss_family; }
  // "127.0.0.1:80", "[::1]:80", "unix:/path".
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string host() const;  // without the port; empty on a unix socket
};

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address
  std::string port;
};

// "host:port", "[::1]:port"; the port may be absent if there is a default.
Result<HostPort> parse_host_port(std::string_view text, std::string_view default_port = {});
bool is_ip_address(const std::string& host);

Result<Endpoint> unix_endpoint(const std::string& path);
// Asks the resolver, so it may block, unless the host is an address.
Result<std::vector<Endpoint>> resolve(const HostPort& name);

// A listening socket, not blocking. A unix socket is private to its owner; a stale file in its place is replaced.
Result<FileDescriptor> listen_on(const Endpoint& endpoint, bool reuse_port);
Result<Endpoint> local_endpoint(int fd);

// Connecting, or connected already; then ask connect_result when it is writable.
// From `source_address`, an IP address of this machine, unless it is empty.
Result<FileDescriptor> begin_connect(const Endpoint& endpoint, const std::string& source_address = {});
Status connect_result(int fd);
void set_no_delay(int fd);

}  // namespace pga::net
