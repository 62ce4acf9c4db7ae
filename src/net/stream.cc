#include "net/stream_internal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

namespace pga::net {

void SslDeleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }

Stream::Stream(asio::io_context& context, int fd) : descriptor_(context, fd) { descriptor_.native_non_blocking(true); }

Attempt Stream::outcome(int result, int system_error) {
  if (result > 0) return {Step::kOk, static_cast<std::size_t>(result)};
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Step::kWantRead};
    case SSL_ERROR_WANT_WRITE:
      return {Step::kWantWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {Step::kEnd};
    default:
      break;
  }
  tls_error_ = ERR_peek_error();
  system_error_ = system_error;
  broken_ = true;
  ERR_clear_error();
  return {Step::kError};
}

// The error queue is one per thread, shared by all connections of a loop: it is empty before every call.
Attempt Stream::handshake() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_.get());
  return outcome(result, errno);
}

Attempt Stream::read_some(char* into, std::size_t size) {
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_read(ssl_.get(), into, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
    return outcome(result, errno);
  }
  return discard(into, size);
}

Attempt Stream::discard(char* scratch, std::size_t size) {
  for (;;) {
    const ssize_t got = ::recv(fd(), scratch, size, 0);
    if (got > 0) {
      received_ += static_cast<std::uint64_t>(got);
      return {Step::kOk, static_cast<std::size_t>(got)};
    }
    if (got == 0) return {Step::kEnd};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {Step::kWantRead};
    system_error_ = errno;
    broken_ = true;
    return {Step::kError};
  }
}

Attempt Stream::write_some(std::string_view bytes) {
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX)));
    return outcome(result, errno);
  }
  for (;;) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      sent_ += static_cast<std::uint64_t>(sent);
      return {Step::kOk, static_cast<std::size_t>(sent)};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {Step::kWantWrite};
    system_error_ = errno;
    broken_ = true;
    return {Step::kError};
  }
}

std::uint64_t Stream::socket_bytes_sent() const { return ssl_ ? BIO_number_written(SSL_get_wbio(ssl_.get())) : sent_; }
std::uint64_t Stream::socket_bytes_received() const { return ssl_ ? BIO_number_read(SSL_get_rbio(ssl_.get())) : received_; }

bool Stream::has_pending() const { return ssl_ && SSL_has_pending(ssl_.get()) == 1; }

void Stream::shutdown() {
  // Never after a fatal error, nor before the handshake's end: OpenSSL would only add an error.
  if (ssl_ && !broken_ && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  ::shutdown(fd(), SHUT_WR);
}

void Stream::cancel() {
  error_code ignored;
  descriptor_.cancel(ignored);
}

std::string Stream::error() const {
  if (tls_error_ != 0) {
    if (ERR_GET_REASON(tls_error_) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
      const long why = SSL_get_verify_result(ssl_.get());
      if (why == X509_V_ERR_APPLICATION_VERIFICATION) return "TLS: no authority in the server's chain has the pinned fingerprint";
      return std::string("TLS: the peer's certificate is not accepted: ") + X509_verify_cert_error_string(why);
    }
    const char* reason = ERR_reason_error_string(tls_error_);
    return std::string("TLS: ") + (reason == nullptr ? "error " + std::to_string(tls_error_) : reason);
  }
  if (system_error_ != 0) return std::generic_category().message(system_error_);
  return "the peer closed the connection";
}

}  // namespace pga::net
