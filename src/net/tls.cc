#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <mutex>
#include <vector>

#include "base/text.h"
#include "net/sockets_internal.h"
#include "net/ticket_keys_internal.h"
#include "net/tls_internal.h"

namespace pga::net {
namespace {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
using Ctx = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Session = std::unique_ptr<SSL_SESSION, Free<SSL_SESSION_free>>;

constexpr int kChainDepthMax = 3;
constexpr long kSessionSeconds = 3'600;

// `what`, and the oldest error that OpenSSL has to tell.
Error tls_error(std::string_view what) {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return invalid(std::string(what) + (reason == nullptr ? std::string() : std::string(": ") + reason));
}

Bio memory_bio(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Without it OpenSSL would ask for a pass phrase on the terminal.
int no_pass_phrase(char*, int, int, void*) { return 0; }

Result<std::vector<Certificate>> parse_certificates(const std::string& pem, std::string_view what) {
  ERR_clear_error();
  std::vector<Certificate> out;
  const Bio bio = memory_bio(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr)) out.emplace_back(next);
  if (out.empty()) return tls_error(std::string(what) + " has no certificate in PEM");
  ERR_clear_error();  // the end of the text counts as an error
  return out;
}

std::string fingerprint(const X509& certificate) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest, &size) != 1) return {};
  return to_base64url(ByteView(reinterpret_cast<const std::byte*>(digest), size));
}

Result<Ctx> make_context(const SSL_METHOD* method) {
  ERR_clear_error();
  Ctx ctx(SSL_CTX_new(method));
  if (!ctx) return tls_error("TLS context");
  if (SSL_CTX_set_min_proto_version(ctx.get(), TLS1_3_VERSION) != 1) return tls_error("TLS 1.3");
  char groups[] = "X25519:P-256";  // the macro casts constness away
  if (SSL_CTX_set1_groups_list(ctx.get(), groups) != 1) return tls_error("TLS groups");
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx.get(), 1);
  SSL_CTX_set_verify_depth(ctx.get(), kChainDepthMax);
  SSL_CTX_set_timeout(ctx.get(), kSessionSeconds);
  return ctx;
}

Status use_own_certificate(SSL_CTX* ctx, const std::string& certificate_pem, const Secret<std::string>& key_pem) {
  PGA_TRY(const std::vector<Certificate> chain, parse_certificates(certificate_pem, "the own certificate"));
  if (SSL_CTX_use_certificate(ctx, chain[0].get()) != 1) return tls_error("the own certificate is not usable");
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ctx, chain[i].get()) != 1) return tls_error("the own chain is not usable");
  }
  const Bio bio = memory_bio(key_pem.read());
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!key) return tls_error("the own key is not a private key in PEM without a pass phrase");
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1 || SSL_CTX_check_private_key(ctx) != 1)
    return tls_error("the own key does not fit the own certificate");
  return {};
}

// Trusts these and nothing else: the system's authorities are never loaded.
Status trust(SSL_CTX* ctx, const std::string& ca_pem, bool announce) {
  PGA_TRY(const std::vector<Certificate> authorities, parse_certificates(ca_pem, "the authority"));
  X509_STORE* store = SSL_CTX_get_cert_store(ctx);
  for (const Certificate& authority : authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) return tls_error("the authority is not usable");
    if (announce && SSL_CTX_add_client_CA(ctx, authority.get()) != 1) return tls_error("the authority is not usable");
  }
  return {};
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm tm{};
  return ASN1_TIME_to_tm(time, &tm) == 1 ? ::timegm(&tm) : 0;
}

// The only URI of the subject alternative names; empty if there are more, or if it has anything but printable ASCII.
std::string uri_of(const X509& certificate) {
  const std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* text = name->d.uniformResourceIdentifier;
    if (!out.empty()) return {};
    out.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  for (const char c : out) {
    if (c <= 0x20 || c >= 0x7f) return {};
  }
  return out;
}

class ServerContext final : public TlsServerContext {
 public:
  Ctx ctx;
  TicketKeys tickets;
};

class ClientContext final : public TlsClientContext {
 public:
  Ctx ctx;
  std::string server_name;
  std::string ca_sha256;
  std::mutex mutex;  // of the next: the newest ticket, so that a reconnection costs half
  Session session;
};

// Verifies against the one authority of the sent chain that has the pinned fingerprint, and against nothing else.
int verify_pinned(X509_STORE_CTX* store, void* argument) {
  const std::string& pin = *static_cast<const std::string*>(argument);
  const STACK_OF(X509)* sent = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; i < sk_X509_num(sent); ++i) {
    X509* candidate = sk_X509_value(sent, i);
    if (X509_check_ca(candidate) < 1 || !equal_constant_time(fingerprint(*candidate), pin)) continue;
    STACK_OF(X509)* anchor = sk_X509_new_null();
    sk_X509_push(anchor, candidate);
    X509_STORE_CTX_set0_trusted_stack(store, anchor);
    const int verified = X509_verify_cert(store);
    sk_X509_free(anchor);
    return verified;
  }
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto& context = *static_cast<ClientContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const std::lock_guard lock(context.mutex);
  context.session.reset(session);
  return 1;
}

}  // namespace

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::create(const TlsServerOptions& options) {
  auto out = std::make_shared<ServerContext>();
  PGA_TRY(out->ctx, make_context(TLS_server_method()));
  SSL_CTX* ctx = out->ctx.get();
  PGA_TRY_STATUS(use_own_certificate(ctx, options.certificate_pem, options.key_pem));
  if (options.client_certificate != ClientCertificate::kNone) {
    if (options.client_ca_pem.empty()) return invalid("client certificates are asked for, but no authority for them is given");
    PGA_TRY_STATUS(trust(ctx, options.client_ca_pem, true));
    const int required = options.client_certificate == ClientCertificate::kRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | required, nullptr);
  }
  // Without a session id context a resumption does not fall back to a full handshake: it fails with "internal error".
  constexpr unsigned char kSessionId[] = "pganalytics";
  if (SSL_CTX_set_session_id_context(ctx, kSessionId, sizeof kSessionId - 1) != 1) return tls_error("session id context");
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 1);
  out->tickets.install(ctx);
  return std::shared_ptr<TlsServerContext>(std::move(out));
}

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::create(const TlsClientOptions& options) {
  auto out = std::make_shared<ClientContext>();
  PGA_TRY(out->ctx, make_context(TLS_client_method()));
  SSL_CTX* ctx = out->ctx.get();
  out->server_name = options.server_name;
  out->ca_sha256 = options.ca_sha256;
  if (options.ca_pem.empty() == options.ca_sha256.empty())
    return invalid("a client needs the authority to trust: its certificate, or its fingerprint");
  if (options.ca_pem.empty()) {
    SSL_CTX_set_cert_verify_callback(ctx, verify_pinned, &out->ca_sha256);
  } else {
    PGA_TRY_STATUS(trust(ctx, options.ca_pem, false));
  }
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  if (!options.certificate_pem.empty()) PGA_TRY_STATUS(use_own_certificate(ctx, options.certificate_pem, options.key_pem));
  SSL_CTX_set_app_data(ctx, out.get());
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, keep_session);
  return std::shared_ptr<TlsClientContext>(std::move(out));
}

Result<SslPtr> tls_accept(TlsServerContext& context, int fd) {
  SslPtr ssl(SSL_new(static_cast<ServerContext&>(context).ctx.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) return tls_error("TLS session");
  SSL_set_accept_state(ssl.get());
  return ssl;
}

Result<SslPtr> tls_connect(TlsClientContext& base, int fd, const std::string& host) {
  auto& context = static_cast<ClientContext&>(base);
  const std::string& name = context.server_name.empty() ? host : context.server_name;
  SslPtr ssl(SSL_new(context.ctx.get()));
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) return tls_error("TLS session");
  SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (is_ip_address(name)) {
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) != 1) return tls_error("the server's address " + name);
  } else if (SSL_set1_host(ssl.get(), name.c_str()) != 1 ||
             SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name.c_str())) != 1) {
    return tls_error("the server's name " + name);
  }
  {
    const std::lock_guard lock(context.mutex);
    if (context.session && SSL_SESSION_is_resumable(context.session.get()) == 1) SSL_set_session(ssl.get(), context.session.get());
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

std::optional<PeerCertificate> tls_peer(const ssl_st& ssl) {
  const Certificate certificate(SSL_get1_peer_certificate(&ssl));
  if (!certificate || SSL_get_verify_result(&ssl) != X509_V_OK) return std::nullopt;
  PeerCertificate out;
  out.uri = uri_of(*certificate);
  const std::unique_ptr<BIGNUM, Free<BN_free>> serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr));
  std::vector<std::byte> bytes(static_cast<std::size_t>(BN_num_bytes(serial.get())));
  BN_bn2bin(serial.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  out.serial = to_hex(ByteView(bytes));
  out.sha256 = fingerprint(*certificate);
  out.not_before = seconds_of(X509_get0_notBefore(certificate.get()));
  out.not_after = seconds_of(X509_get0_notAfter(certificate.get()));
  return out;
}

bool tls_resumed(const ssl_st& ssl) { return SSL_session_reused(&ssl) == 1; }

}  // namespace pga::net
