#include "oracle.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

namespace pga::collector {

Oracle::~Oracle() { close(); }

void Oracle::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Status Oracle::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_.string();
  if (path.size() >= sizeof address.sun_path) return invalid("the oracle's socket " + path + " has too long a name");
  std::ranges::copy(path, address.sun_path);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno_error("oracle " + path);
  return {};
}

Status Oracle::exchange(ByteView frame) {
  ByteWriter out;
  out.fixed(static_cast<std::uint32_t>(frame.size()));
  out.raw(frame);
  for (ByteView rest = out.view(); !rest.empty();) {
    const ssize_t sent = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return errno_error("telling the oracle");
    rest = rest.subspan(static_cast<std::size_t>(sent));
  }
  char answer = 0;
  if (::recv(fd_, &answer, 1, 0) != 1) return unavailable("the oracle did not answer");
  return {};
}

Status Oracle::tell(ByteView frame) {
  if (fd_ < 0) PGA_TRY_STATUS(connect());
  Status told = exchange(frame);
  if (!told) close();
  return told;
}

}  // namespace pga::collector
