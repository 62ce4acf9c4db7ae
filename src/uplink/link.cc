#include "uplink/link.h"

#include <algorithm>
#include <numeric>

#include "base/files.h"
#include "base/log.h"
#include "identity/ca.h"
#include "identity/token.h"
#include "uplink/answers_internal.h"

namespace pga::uplink {
namespace {

namespace json = boost::json;

constexpr std::chrono::minutes kRenewAgain{10};
constexpr net::RetryOptions kAvoid{std::chrono::seconds{10}, std::chrono::minutes{5}};  // an address that failed
constexpr std::size_t kAnswerBytesMax = 1 * kMiB;

void add(LinkStats& sum, const net::HttpClient* client) {
  if (client == nullptr) return;
  const net::ClientStats stats = client->stats();
  sum.connects += stats.connects;
  sum.handshakes += stats.handshakes;
  sum.socket_bytes_sent += stats.socket_bytes_sent;
  sum.socket_bytes_received += stats.socket_bytes_received;
}

}  // namespace

Link::Link(LinkOptions options, net::Loop& loop, const Clock& clock, Random& random)
    : options_(std::move(options)), loop_(loop), clock_(clock), random_(random), prepared_(loop) {
  for (const std::string& url : options_.urls) addresses_.push_back({url, nullptr, net::Backoff(kAvoid, random_), {}});
}

Link::~Link() = default;

std::string Link::peer() const { return addresses_[last_used_].url; }

LinkStats Link::stats() const {
  LinkStats sum = before_;
  for (const Address& address : addresses_) add(sum, address.client.get());
  return sum;
}

net::Task<Status> Link::ready() {
  while (preparing_) {
    prepared_.reset();
    PGA_CO_TRY_STATUS(co_await prepared_.wait(Deadline::max()));
  }
  preparing_ = true;
  Status made = co_await make_ready();
  preparing_ = false;
  prepared_.set();
  co_return made;
}

net::Task<Status> Link::make_ready() {
  const WallTime now = clock_.now();
  if (!credentials_) {
    PGA_CO_TRY(credentials_, load_credentials(options_.state_dir));
  }
  const bool connected = addresses_.front().client != nullptr;
  if (credentials_ && credentials_->not_after > now && !connected) PGA_CO_TRY_STATUS(connect_with(*credentials_));
  if (!credentials_ || credentials_->not_after <= now) {
    const bool expired = credentials_.has_value();
    auto enrolled = co_await enrol();
    if (!enrolled)
      co_return enrolled.error().with_context(
          expired ? "the certificate of this collector has expired and enrolling again failed; put a new token into token_file"
                  : "enrolling");
  } else if (now - credentials_->not_before > (credentials_->not_after - credentials_->not_before) / 2 &&
             clock_.steady_now() >= renew_again_at_) {
    // At half life. A failure is not yet a problem: the certificate holds as long again.
    if (auto renewed = co_await renew(); !renewed) {
      log_warning("uplink", "renewing the certificate: " + renewed.error().message);
      renew_again_at_ = clock_.steady_now() + kRenewAgain;
    }
  }
  if (clock_.steady_now() >= token_refresh_at_) PGA_CO_TRY_STATUS(co_await fetch_token());
  co_return Status{};
}

std::shared_ptr<net::HttpClient> Link::client_for(const std::string& url, net::TlsClientOptions tls, Status& failed) const {
  auto context = net::TlsClientContext::create(tls);
  if (!context) {
    failed = context.error();
    return nullptr;
  }
  net::ClientOptions options;
  options.base_url = url;
  options.source_address = options_.source_address;
  options.tls = std::move(*context);
  options.response_bytes_max = kAnswerBytesMax;
  return std::make_shared<net::HttpClient>(loop_, std::move(options));
}

Status Link::connect_with(const Credentials& credentials) {
  net::TlsClientOptions tls;
  tls.ca_pem = credentials.ca_pem;
  tls.certificate_pem = credentials.certificate_pem;
  tls.key_pem = credentials.key_pem;
  Status failed;
  for (Address& address : addresses_) {
    add(before_, address.client.get());
    address.client = client_for(address.url, tls, failed);
    if (!failed) return failed;
  }
  token_refresh_at_ = {};
  return {};
}

// Those that did not fail lately in the order of the configuration, then the others, the one that failed first in front.
std::vector<std::size_t> Link::by_preference() const {
  const SteadyTime now = clock_.steady_now();
  std::vector<std::size_t> order(addresses_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(std::max(addresses_[i].good_from, now), i); });
  return order;
}

net::Task<Result<net::Response>> Link::send_to(net::HttpClient& client, std::string path, std::string content_type, std::string body,
                                               With with) {
  net::Headers headers;
  headers.add("Content-Type", content_type);
  if (with == With::kToken) headers.add("Authorization", "Bearer " + token_.read());
  co_return co_await client.request("POST", std::move(path), std::move(headers), std::move(body),
                                    clock_.steady_now() + options_.request_timeout);
}

net::Task<Result<net::Response>> Link::send(std::string path, std::string content_type, std::string body, With with) {
  Result<net::Response> answer = unavailable("there is no address");
  const std::vector<std::size_t> order = by_preference();
  for (const std::size_t i : order) {
    const auto client = addresses_[i].client;
    if (client == nullptr) co_return unavailable("there are no credentials yet");
    answer = co_await send_to(*client, path, content_type, body, with);
    Address& address = addresses_[i];
    // 502 to 504 come from something before the server, or from a server that cannot now: another instance may.
    if (answer && (answer->status < 502 || answer->status > 504)) {
      if (last_used_ != i) log_info("uplink", "requests go to " + address.url + " from now on");
      last_used_ = i;
      address.backoff.succeeded();
      address.good_from = {};
      co_return answer;
    }
    address.good_from = clock_.steady_now() + address.backoff.next();
    if (loop_.stopping()) break;
  }
  co_return answer;
}

net::Task<Result<net::Response>> Link::post(std::string path, std::string content_type, std::string body) {
  PGA_CO_TRY_STATUS(co_await ready());
  const std::string used = token_.read();
  auto answer = co_await send(path, content_type, body, With::kToken);
  if (!answer || answer->status != 401) co_return answer;
  // Once: the token may have expired on the way, or the server's keys were changed. Another request may have replaced it meanwhile.
  if (token_.read() == used) token_refresh_at_ = {};
  if (const Status refreshed = co_await ready(); !refreshed) co_return answer;
  co_return co_await send(std::move(path), std::move(content_type), std::move(body), With::kToken);
}

net::Task<Status> Link::enrol() {
  if (options_.token_file.empty())
    co_return invalid("server.token_file is not set: make a token with \"pganalytics-server token create\" and name its file");
  PGA_CO_TRY(std::string text, read_file(options_.token_file, 4 * kKiB));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  auto token = identity::parse_enrolment_token(text);
  if (!token) co_return token.error().with_context(options_.token_file.string());
  PGA_CO_TRY(const identity::KeyAndRequest made, identity::make_request(options_.name));
  const json::object body = {{"token", text}, {"csr", made.request_pem}, {"name", options_.name}, {"version", options_.version}};

  // The token names the authority, so nothing has to be trusted on first use.
  net::TlsClientOptions tls;
  tls.ca_sha256 = token->ca_sha256;
  Result<net::Response> response = unavailable("there is no address");
  for (const Address& address : addresses_) {
    Status failed;
    const auto client = client_for(address.url, tls, failed);
    PGA_CO_TRY_STATUS(failed);
    response = co_await send_to(*client, "/v1/enrol", "application/json", json::serialize(body), With::kCertificate);
    if (response) break;
  }
  if (!response) co_return response.error();
  if (response->status != 200) co_return Error{ErrorCode::kForbidden, "the server refused to enrol this collector, " + problem(*response)};
  PGA_CO_TRY(const json::value answer, parse_answer(response->body));
  PGA_CO_TRY(const std::string certificate, text_member(answer, "certificate"));
  PGA_CO_TRY(const std::string ca, text_member(answer, "ca"));
  PGA_CO_TRY(credentials_, save_credentials(options_.state_dir, made.key_pem, certificate, ca));
  log_info("uplink", "enrolled at " + peer());
  co_return connect_with(*credentials_);
}

net::Task<Status> Link::renew() {
  PGA_CO_TRY(const identity::KeyAndRequest made, identity::make_request(options_.name));
  const json::object body = {{"csr", made.request_pem}};
  PGA_CO_TRY(const net::Response response, co_await send("/v1/renew", "application/json", json::serialize(body), With::kCertificate));
  if (response.status != 200) co_return unavailable(problem(response));
  PGA_CO_TRY(const json::value answer, parse_answer(response.body));
  PGA_CO_TRY(const std::string certificate, text_member(answer, "certificate"));
  const std::string ca = text_member(answer, "ca").value_or(credentials_->ca_pem);
  PGA_CO_TRY(credentials_, save_credentials(options_.state_dir, made.key_pem, certificate, ca));
  log_info("uplink", "the certificate was renewed");
  co_return connect_with(*credentials_);
}

net::Task<Status> Link::fetch_token() {
  PGA_CO_TRY(const net::Response response, co_await send("/v1/token", "application/json", "{}", With::kCertificate));
  if (response.status != 200) {
    const bool refused = response.status == 401 || response.status == 403;
    co_return Error{refused ? ErrorCode::kForbidden : ErrorCode::kUnavailable, "the server gave no token, " + problem(response)};
  }
  PGA_CO_TRY(const json::value answer, parse_answer(response.body));
  PGA_CO_TRY(std::string token, text_member(answer, "token"));
  PGA_CO_TRY(const std::uint64_t seconds, number_member(answer, "expires_in"));
  token_ = Secret<std::string>(std::move(token));
  token_refresh_at_ = clock_.steady_now() + std::chrono::seconds{seconds} * 4 / 5;
  co_return Status{};
}

}  // namespace pga::uplink
