#include "net/sockets_internal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "net/limits.h"

namespace pga::net {
namespace {

Status replace_stale_socket(const Endpoint& endpoint) {
  const std::string path = endpoint.text().substr(5);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return errno == ENOENT ? Status{} : Status{errno_error(path)};
  if (!S_ISSOCK(info.st_mode)) return invalid(path + " is in the way: it is not a socket");
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), endpoint.get(), endpoint.length) == 0 || errno == EAGAIN)
    return unavailable(path + " is in use by another process");
  if (::unlink(path.c_str()) != 0) return errno_error("unlink " + path);
  return {};
}

}  // namespace

std::string Endpoint::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&address)->sin_addr, text.data(), text.size());
  } else if (family() == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr, text.data(), text.size());
  }
  return text.data();
}

std::string Endpoint::text() const {
  switch (family()) {
    case AF_INET:
      return host() + ":" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port));
    case AF_INET6:
      return "[" + host() + "]:" + std::to_string(ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port));
    case AF_UNIX:
      return std::string("unix:") + reinterpret_cast<const sockaddr_un*>(&address)->sun_path;
    default:
      return "no address";
  }
}

Result<HostPort> parse_host_port(std::string_view text, std::string_view default_port) {
  const auto wrong = [&] { return invalid("\"" + std::string(text) + "\" is not an address such as 127.0.0.1:8443 or [::1]:8443"); };
  HostPort out{.host = {}, .port = std::string(default_port)};
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return wrong();
    out.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    out.host = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (rest.starts_with(':')) {
    out.port = rest.substr(1);
  } else if (!rest.empty()) {
    return wrong();
  }
  if (out.host.empty() || out.port.empty() || out.port.size() > 5 || out.port.find_first_not_of("0123456789") != std::string::npos)
    return wrong();
  if (std::stoi(out.port) > 65'535) return wrong();
  return out;
}

bool is_ip_address(const std::string& host) {
  in6_addr scratch{};
  return ::inet_pton(AF_INET, host.c_str(), &scratch) == 1 || ::inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
}

Result<Endpoint> unix_endpoint(const std::string& path) {
  Endpoint out;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return invalid("the socket path \"" + path + "\" has " + std::to_string(path.size()) + " bytes, not 1 to " +
                   std::to_string(sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  std::memcpy(&out.address, &address, sizeof address);
  out.length = sizeof address;
  return out;
}

Result<std::vector<Endpoint>> resolve(const HostPort& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (is_ip_address(name.host) ? AI_NUMERICHOST : AI_ADDRCONFIG);
  addrinfo* raw = nullptr;
  const int error = ::getaddrinfo(name.host.c_str(), name.port.c_str(), &hints, &raw);
  if (error != 0) return unavailable("the host name " + name.host + " has no address: " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(raw, ::freeaddrinfo);
  std::vector<Endpoint> out;
  for (const addrinfo* at = raw; at != nullptr; at = at->ai_next) {
    Endpoint endpoint;
    std::memcpy(&endpoint.address, at->ai_addr, at->ai_addrlen);
    endpoint.length = at->ai_addrlen;
    out.push_back(endpoint);
  }
  return out;
}

Result<FileDescriptor> listen_on(const Endpoint& endpoint, bool reuse_port) {
  const bool is_unix = endpoint.family() == AF_UNIX;
  if (is_unix) PGA_TRY_STATUS(replace_stale_socket(endpoint));
  FileDescriptor fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto failed = [&](const char* what) { return errno_error(std::string(what) + " " + endpoint.text()); };
  if (!fd) return failed("socket for");
  const int on = 1;
  if (!is_unix && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return failed("SO_REUSEADDR of");
  if (reuse_port && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) return failed("SO_REUSEPORT of");
  if (::bind(fd.get(), endpoint.get(), endpoint.length) != 0) return failed("bind");
  // Before listen(), so that nobody else can have connected.
  if (is_unix && ::chmod(endpoint.text().c_str() + 5, 0600) != 0) return failed("chmod");
  if (::listen(fd.get(), kListenBacklog) != 0) return failed("listen on");
  return fd;
}

Result<Endpoint> local_endpoint(int fd) {
  Endpoint out;
  out.length = sizeof out.address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&out.address), &out.length) != 0) return errno_error("getsockname");
  return out;
}

Result<FileDescriptor> begin_connect(const Endpoint& endpoint, const std::string& source_address) {
  FileDescriptor fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("socket for " + endpoint.text());
  if (!source_address.empty()) {
    PGA_TRY(const std::vector<Endpoint> sources, resolve({source_address, "0"}));
    const int on = 1;  // the port is chosen when the peer is known: 4-tuples must differ, not ports
    ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(fd.get(), sources.front().get(), sources.front().length) != 0) return errno_error("bind to " + source_address);
  }
  if (::connect(fd.get(), endpoint.get(), endpoint.length) != 0 && errno != EINPROGRESS)
    return errno_error("connect to " + endpoint.text());
  return fd;
}

Status connect_result(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error == 0) return {};
  errno = error;
  return errno_error("connect");
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on a unix socket, which does not need it
}

}  // namespace pga::net
