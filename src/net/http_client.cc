#include "net/http_client.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "net/limits.h"
#include "net/loop_internal.h"
#include "net/message_internal.h"
#include "net/sockets_internal.h"
#include "net/stream_internal.h"

namespace pga::net {
namespace {

// Where a base URL leads.
struct Route {
  bool tls = false;
  std::string socket_path;  // of a unix socket; empty: TCP
  HostPort name;
  std::string host_header;
  std::string prefix;  // path of the URL, in front of every target
};

Result<Route> parse_url(std::string_view url) {
  Route out;
  if (url.starts_with("unix:")) {
    out.socket_path = url.substr(5);
    out.host_header = "localhost";
    return out;
  }
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    out.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return invalid("\"" + std::string(url) + "\" is not a URL with https://, http:// or unix:");
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  out.host_header = rest.substr(0, slash);
  out.prefix = rest.substr(slash);
  while (out.prefix.ends_with('/')) out.prefix.pop_back();
  if (out.host_header.find('@') != std::string::npos) return invalid("the URL of a server has no user name or password");
  PGA_TRY(out.name, parse_host_port(out.host_header, out.tls ? "443" : "80"));
  return out;
}

bool is_visible(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// What a request has come to. Interrupts whatever it waits for at the deadline.
struct Progress {
  Progress(Loop& loop, Deadline until)
      : watch(loop, until, [this] {
          if (stream != nullptr) stream->cancel();
        }) {}
  Stream* stream = nullptr;  // what is waited for
  bool answered = false;     // a byte of the answer has come
  Watch watch;
};

// Waits for the stream; the error of the deadline or of stop().
Task<Status> wait_for(Progress& progress, Stream& stream, Step step, const char* what) {
  progress.stream = &stream;
  if (progress.watch.interrupted() == Interrupt::kNone) co_await stream.ready(step);
  progress.stream = nullptr;
  co_return progress.watch.status(what);
}

struct Lookup {
  explicit Lookup(Loop& loop) : done(loop) {}
  Event done;
  Result<std::vector<Endpoint>> found = Error{ErrorCode::kTimeout, "the resolver did not answer before the deadline"};
};

}  // namespace

struct HttpClient::Impl {
  struct Kept {
    std::unique_ptr<Stream> stream;  // none: there is no connection
    SteadyTime connected;
    SteadyTime idle_since;
    std::uint64_t sent_counted = 0, received_counted = 0;  // in the statistics
  };

  Impl(Loop& on, ClientOptions with) : loop(on), options(std::move(with)), route(parse_url(options.base_url)), released(on) {}

  Task<Result<Response>> request(std::string_view method, std::string_view head, std::string_view body, Deadline deadline);
  Task<Result<std::vector<Endpoint>>> find(Deadline deadline);
  Task<Result<std::unique_ptr<Stream>>> connect(Deadline deadline);
  Task<Status> secure(Stream& stream, Progress& progress);
  Task<Status> write(Stream& stream, std::string_view bytes, Progress& progress);
  // True if the connection can be used again.
  Task<Result<bool>> exchange(Stream& stream, std::string_view head, std::string_view body, bool no_body, Response& response,
                              Progress& progress);
  Kept take_idle();
  void count(Kept& connection);
  [[nodiscard]] SteadyTime now() const { return loop.impl().now(); }

  Loop& loop;
  const ClientOptions options;
  const Result<Route> route;
  std::deque<Kept> idle;  // the most recently used last
  std::size_t busy = 0;
  Event released;  // set when a connection came back
  ClientStats stats;
};

// The name's addresses. The resolver blocks a worker thread, and is left behind at the deadline.
Task<Result<std::vector<Endpoint>>> HttpClient::Impl::find(Deadline deadline) {
  if (!route->socket_path.empty()) {
    PGA_CO_TRY(const Endpoint endpoint, unix_endpoint(route->socket_path));
    co_return std::vector<Endpoint>{endpoint};
  }
  if (is_ip_address(route->name.host)) co_return resolve(route->name);
  // Shared, since the lookup may outlive the request and the client.
  const auto lookup = std::make_shared<Lookup>(loop);
  loop.spawn([](Loop& on, std::shared_ptr<Lookup> mine, HostPort name) -> Task<> {
    auto found = co_await on.run_blocking([&name] { return resolve(name); });
    mine->found = std::move(found);
    mine->done.set();
  }(loop, lookup, route->name));
  PGA_CO_TRY_STATUS(co_await lookup->done.wait(deadline));
  co_return lookup->found;
}

Task<Status> HttpClient::Impl::secure(Stream& stream, Progress& progress) {
  if (!options.tls) co_return invalid("https needs a TLS context");
  PGA_CO_TRY(SslPtr ssl, tls_connect(*options.tls, stream.fd(), route->name.host));
  stream.secure(std::move(ssl));
  for (;;) {
    const Attempt attempt = stream.handshake();
    if (attempt.step == Step::kOk) {
      ++stats.handshakes;
      co_return Status{};
    }
    if (attempt.step == Step::kEnd || attempt.step == Step::kError) co_return unavailable(stream.error());
    PGA_CO_TRY_STATUS(co_await wait_for(progress, stream, attempt.step, "TLS handshake"));
  }
}

Task<Result<std::unique_ptr<Stream>>> HttpClient::Impl::connect(Deadline deadline) {
  PGA_CO_TRY(const std::vector<Endpoint> endpoints, co_await find(deadline));
  Error last = unavailable("no address");
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    // An address that does not answer leaves time for the others.
    const Deadline begun = now();
    Progress progress(loop, i + 1 == endpoints.size() ? deadline : begun + (deadline - begun) / static_cast<int>(endpoints.size() - i));
    ++stats.connects;
    auto fd = begin_connect(endpoints[i], options.source_address);
    if (!fd) {
      last = fd.error();
      continue;
    }
    set_no_delay(fd->get());
    auto stream = std::make_unique<Stream>(loop.impl().context, fd->release());
    Status status = co_await wait_for(progress, *stream, Step::kWantWrite, "connect");
    if (status) status = connect_result(stream->fd());
    if (status && route->tls) status = co_await secure(*stream, progress);
    if (status) co_return stream;
    last = status.error();
    if (last.code == ErrorCode::kCancelled || last.code == ErrorCode::kInvalid) break;
  }
  co_return last;
}

Task<Status> HttpClient::Impl::write(Stream& stream, std::string_view bytes, Progress& progress) {
  while (!bytes.empty()) {
    const Attempt attempt = stream.write_some(bytes);
    if (attempt.step == Step::kOk) {
      bytes.remove_prefix(attempt.bytes);
      stats.bytes_sent += attempt.bytes;
    } else if (attempt.step == Step::kEnd || attempt.step == Step::kError) {
      co_return unavailable(stream.error());
    } else {
      PGA_CO_TRY_STATUS(co_await wait_for(progress, stream, attempt.step, "sending the request"));
    }
  }
  co_return Status{};
}

Task<Result<bool>> HttpClient::Impl::exchange(Stream& stream, std::string_view head, std::string_view body, bool no_body,
                                              Response& response, Progress& progress) {
  Status sent = co_await write(stream, head, progress);
  if (sent) sent = co_await write(stream, body, progress);
  if (!sent && sent.error().code != ErrorCode::kUnavailable) co_return sent.error();
  // After a failed write there may still be an answer that says why: 413, say.
  const MessageLimits limits{.header_bytes_max = kHeaderBytesMax, .body_bytes_max = options.response_bytes_max};
  const auto block = std::make_unique_for_overwrite<char[]>(kBlockBytes);
  std::size_t begin = 0, end = 0;
  for (;;) {
    response = Response{};
    ResponseReader reader(response, limits, no_body);
    while (!reader.done()) {
      if (begin < end) {
        PGA_CO_TRY(const std::size_t taken, reader.feed({block.get() + begin, end - begin}));
        begin += taken;
        if (reader.done()) break;
      }
      std::copy(block.get() + begin, block.get() + end, block.get());
      end -= begin;
      begin = 0;
      if (end == kBlockBytes) co_return corrupt("a chunk's header does not fit into " + std::to_string(kBlockBytes) + " bytes");
      const Attempt attempt = stream.read_some(block.get() + end, kBlockBytes - end);
      if (attempt.step == Step::kOk) {
        progress.answered = true;
        end += attempt.bytes;
        stats.bytes_received += attempt.bytes;
      } else if (attempt.step == Step::kWantRead || attempt.step == Step::kWantWrite) {
        PGA_CO_TRY_STATUS(co_await wait_for(progress, stream, attempt.step, "waiting for the answer"));
      } else {
        if (!sent && !progress.answered) co_return sent.error();
        if (attempt.step == Step::kError) co_return unavailable(stream.error());
        PGA_CO_TRY_STATUS(reader.end());
        co_return false;
      }
    }
    if (response.status == 101) co_return corrupt("the answer switches protocols");
    if (response.status >= 200) co_return sent&& reader.keep_alive() && begin == end;
  }
}

void HttpClient::Impl::count(Kept& connection) {
  const std::uint64_t sent = connection.stream->socket_bytes_sent(), received = connection.stream->socket_bytes_received();
  stats.socket_bytes_sent += sent - std::exchange(connection.sent_counted, sent);
  stats.socket_bytes_received += received - std::exchange(connection.received_counted, received);
}

// A connection that is young enough and on which the peer has neither said anything nor gone.
HttpClient::Impl::Kept HttpClient::Impl::take_idle() {
  while (!idle.empty()) {
    Kept candidate = std::move(idle.back());
    idle.pop_back();
    if (now() - candidate.idle_since > options.idle_max || now() - candidate.connected > options.age_max) {
      candidate.stream->shutdown();
      continue;
    }
    char byte = 0;
    if (candidate.stream->read_some(&byte, 1).step == Step::kWantRead) return candidate;
  }
  return {};
}

Task<Result<Response>> HttpClient::Impl::request(std::string_view method, std::string_view head, std::string_view body, Deadline deadline) {
  while (busy >= options.connections_max) {
    released.reset();
    PGA_CO_TRY_STATUS(co_await released.wait(deadline));
  }
  struct Place {
    explicit Place(Impl& of) : impl(of) { ++impl.busy; }
    ~Place() {
      --impl.busy;
      impl.released.set();
    }
    Place(const Place&) = delete;
    Impl& impl;
  } const place(*this);
  ++stats.requests;
  for (bool again = false;; again = true) {
    Kept connection;
    if (!again) connection = take_idle();
    const bool reused = connection.stream != nullptr;
    if (!reused) {
      PGA_CO_TRY(connection.stream, co_await connect(deadline));
      connection.connected = now();
    }
    Progress progress(loop, deadline);
    Response response;
    const auto reusable = co_await exchange(*connection.stream, head, body, method == "HEAD", response, progress);
    count(connection);
    if (reusable) {
      if (*reusable) {
        connection.idle_since = now();
        idle.push_back(std::move(connection));
      } else {
        connection.stream->shutdown();
      }
      co_return response;
    }
    if (reused && !progress.answered && reusable.error().code == ErrorCode::kUnavailable) continue;
    co_return reusable.error();
  }
}

HttpClient::HttpClient(Loop& loop, ClientOptions options) : impl_(std::make_unique<Impl>(loop, std::move(options))) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;

Task<Result<Response>> HttpClient::request(std::string method, std::string target, Headers headers, std::string body, Deadline deadline) {
  if (!impl_->route) co_return impl_->route.error();
  if (!is_visible(method) || !is_visible(target) || target[0] != '/')
    co_return invalid("\"" + method + " " + target + "\" is not a request");
  std::string head;
  head.append(method)
      .append(" ")
      .append(impl_->route->prefix)
      .append(target)
      .append(" HTTP/1.1\r\nHost: ")
      .append(impl_->route->host_header);
  head.append("\r\nUser-Agent: pganalytics/" PGA_VERSION "\r\n");
  for (const auto& [name, value] : headers.items) {
    if (!is_header(name, value)) co_return invalid("the header " + name + " cannot be sent");
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!body.empty() || (method != "GET" && method != "HEAD"))
    head.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  head.append("\r\n");
  if (body.size() <= kJoinedBodyBytesMax) {
    head.append(body);
    body.clear();
  }
  auto answer = co_await impl_->request(method, head, body, deadline);
  if (!answer) co_return answer.error().with_context(impl_->options.base_url);
  co_return answer;
}

void HttpClient::close_idle() {
  for (const auto& idle : impl_->idle) idle.stream->shutdown();
  impl_->idle.clear();
}

ClientStats HttpClient::stats() const { return impl_->stats; }

}  // namespace pga::net
