#include "pg/local_server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>
#include <string>

#include "base/files.h"
#include "base/limits.h"

namespace pga::pg {
namespace {

constexpr std::size_t kProcFileBytesMax = 64 * kKiB;

// The port at our end if both ends have the same address; 0 otherwise.
int port_of_local_connection(int socket) {
  sockaddr_storage ours{};
  sockaddr_storage theirs{};
  socklen_t ours_size = sizeof ours;
  socklen_t theirs_size = sizeof theirs;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&ours), &ours_size) != 0 ||
      ::getpeername(socket, reinterpret_cast<sockaddr*>(&theirs), &theirs_size) != 0 || ours.ss_family != theirs.ss_family) {
    return 0;
  }
  if (ours.ss_family == AF_INET) {
    const auto* a = reinterpret_cast<const sockaddr_in*>(&ours);
    const auto* b = reinterpret_cast<const sockaddr_in*>(&theirs);
    return a->sin_addr.s_addr == b->sin_addr.s_addr ? ntohs(a->sin_port) : 0;
  }
  if (ours.ss_family == AF_INET6) {
    const auto* a = reinterpret_cast<const sockaddr_in6*>(&ours);
    const auto* b = reinterpret_cast<const sockaddr_in6*>(&theirs);
    return std::memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0 ? ntohs(a->sin6_port) : 0;
  }
  return 0;
}

int parent_of(const std::string& process) {
  const auto stat = read_file("/proc/" + process + "/stat", kProcFileBytesMax);
  if (!stat) return 0;
  const std::size_t end = stat->rfind(") ");  // the name before it may have anything in it
  if (end == std::string::npos || end + 4 >= stat->size()) return 0;
  int parent = 0;
  std::from_chars(stat->data() + end + 4, stat->data() + stat->size(), parent);
  return parent;
}

}  // namespace

int local_postmaster(int socket, int backend) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return 0;
  if (peer.ss_family == AF_UNIX) {
    // Whoever called listen(), numbered for us even if it lives in a container.
    ucred credentials{};
    size = sizeof credentials;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 ? credentials.pid : 0;
  }
  // The same address may be another namespace's; then the process of that number is another one, or none. A backend has our port in its
  // title: "postgres: user database 127.0.0.1(54321) …".
  const int port = port_of_local_connection(socket);
  if (port == 0 || backend <= 0) return 0;
  const std::string process = std::to_string(backend);
  const auto title = read_file("/proc/" + process + "/cmdline", kProcFileBytesMax);
  if (!title || !title->starts_with("postgres: ") || title->find("(" + std::to_string(port) + ")") == std::string::npos) return 0;
  return parent_of(process);
}

}  // namespace pga::pg
