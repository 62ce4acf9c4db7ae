// A connected socket, plain or with TLS, in plain attempts that never wait: whoever gets kWantRead or kWantWrite waits for the descriptor.
// No buffer and no coroutine frame below the caller, which is what makes an idle connection small (the socket, and OpenSSL's own 20 KiB).
#pragma once

#include <string>
#include <string_view>

#include "net/asio_internal.h"
#include "net/tls_internal.h"

namespace pga::net {

enum class Step : std::uint8_t { kOk, kWantRead, kWantWrite, kEnd, kError };

struct Attempt {
  Step step = Step::kOk;
  std::size_t bytes = 0;
};

class Stream {
 public:
  // Takes over the descriptor, which must be connected and not blocking.
  Stream(asio::io_context& context, int fd);
  void secure(SslPtr ssl) { ssl_ = std::move(ssl); }

  Attempt handshake();
  Attempt read_some(char* into, std::size_t size);
  Attempt write_some(std::string_view bytes);
  // Unread bytes are inside of OpenSSL, where waiting for the descriptor does not see them.
  [[nodiscard]] bool has_pending() const;
  // Says goodbye without waiting: close_notify, then FIN.
  void shutdown();
  // Reads what is in the socket and throws it away, without TLS: only after shutdown().
  Attempt discard(char* scratch, std::size_t size);

  // Of the last kError, for the person on call.
  [[nodiscard]] std::string error() const;
  // Through the socket so far, with all that TLS adds.
  [[nodiscard]] std::uint64_t socket_bytes_sent() const;
  [[nodiscard]] std::uint64_t socket_bytes_received() const;
  [[nodiscard]] bool is_tls() const { return ssl_ != nullptr; }
  [[nodiscard]] const ssl_st& ssl() const { return *ssl_; }
  [[nodiscard]] int fd() { return descriptor_.native_handle(); }
  void cancel();
  auto ready(Step step) {
    return descriptor_.async_wait(step == Step::kWantWrite ? Descriptor::wait_write : Descriptor::wait_read, kAwait);
  }

 private:
  Attempt outcome(int result, int system_error);

  Descriptor descriptor_;
  SslPtr ssl_;  // after the descriptor: it goes first
  unsigned long tls_error_ = 0;
  int system_error_ = 0;
  std::uint64_t sent_ = 0, received_ = 0;  // without TLS; with it OpenSSL counts
  bool broken_ = false;
};

}  // namespace pga::net
