#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>

#include "net/message_internal.h"

namespace pga::net {
namespace {

namespace http = boost::beast::http;

// The shortest rest of a chunked body, "0 CR LF CR LF". Beast 1.81 asserts that it sees no less once it knows that the last chunk has
// begun, which a peer that sends an empty body byte by byte would otherwise make false.
constexpr std::size_t kChunkEndBytes = 5;

bool is_token(std::string_view text) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return !text.empty() && text.find_first_not_of(kToken) == std::string_view::npos;
}

bool equals_lower(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

}  // namespace

Result<std::size_t> HeaderScan::scan(std::string_view bytes) {
  for (;;) {
    const std::size_t end = bytes.find('\n', at_);
    if (end == std::string_view::npos) {
      at_ = bytes.size();
      return 0;
    }
    if (end == line_ || bytes[end - 1] != '\r') return invalid("a header line ends without a carriage return");
    const std::string_view line = bytes.substr(line_, end - 1 - line_);
    if (line.empty()) {
      if (line_ == 0) return invalid("an empty line is in front of the message");
      return end + 1;
    }
    if (line[0] == ' ' || line[0] == '\t') return invalid("a header line begins with a blank");
    at_ = line_ = end + 1;
  }
}

template <bool kIsRequest>
void MessageParser<kIsRequest>::on_field_impl(http::field field, View name, View value, Error& error) {
  if (header_done_) return refuse(error, 400, "the chunked body has trailers");
  if (headers_.items.size() >= kHeaderFieldsMax)
    return refuse(error, 431, "more than " + std::to_string(kHeaderFieldsMax) + " header fields");
  switch (field) {
    case http::field::host:
      ++hosts_;
      break;
    case http::field::content_length:
      if (++lengths_ > 1 || value.find(',') != View::npos) return refuse(error, 400, "Content-Length is there twice");
      break;
    case http::field::transfer_encoding:
      if (chunked_ || !equals_lower(value, "chunked")) return refuse(error, 501, "only the transfer encoding chunked is understood");
      chunked_ = true;
      break;
    case http::field::authorization:
      if (headers_.find("Authorization")) return refuse(error, 400, "Authorization is there twice");
      break;
    case http::field::expect:
      if (!equals_lower(value, "100-continue")) return refuse(error, 417, "only 100-continue can be expected");
      expects_continue_ = version_ == 11;
      break;
    default:
      break;
  }
  headers_.items.emplace_back(std::string(name), std::string(value));
}

template <bool kIsRequest>
void MessageParser<kIsRequest>::on_header_impl(Error& error) {
  header_done_ = true;
  if (chunked_ && version_ < 11) return refuse(error, 400, "HTTP/1.0 has no transfer encodings");
  if constexpr (kIsRequest) {
    if (hosts_ > 1 || (hosts_ == 0 && version_ == 11)) refuse(error, 400, "there must be one Host field, not " + std::to_string(hosts_));
  }
}

template class MessageParser<true>;
template class MessageParser<false>;

void RequestReader::Parser::on_request_impl(http::verb, View method, View target, int version, Error& error) {
  version_ = version;
  if (method.size() > 32) return refuse(error, 400, "a method of " + std::to_string(method.size()) + " characters");
  if (target.empty() || (target[0] != '/' && target != "*")) return refuse(error, 400, "the request target is not a path");
  request_.method.assign(method.data(), method.size());
  request_.target.assign(target.data(), target.size());
}

tl::expected<std::size_t, Refusal> RequestReader::feed(std::string_view bytes) {
  if (!parser_.is_header_done()) {
    const auto header = scan_.scan(bytes);
    if (!header) return tl::unexpected(Refusal{400, header.error().message});
    const std::size_t size = *header == 0 ? bytes.size() : *header;
    if (size > limits_.header_bytes_max) {
      return tl::unexpected(Refusal{431, "the header exceeds the limit of " + std::to_string(limits_.header_bytes_max) + " bytes"});
    }
    if (*header == 0) return 0;
  } else if (parser_.is_chunked() && bytes.size() < kChunkEndBytes) {
    return 0;
  }
  boost::beast::error_code error;
  const std::size_t taken = parser_.put({bytes.data(), bytes.size()}, error);
  if (!error || error == http::error::need_more) return taken;
  if (!parser_.refusal().reason.empty()) return tl::unexpected(parser_.refusal());
  if (error == http::error::body_limit) {
    return tl::unexpected(Refusal{413, "the body exceeds the limit of " + std::to_string(limits_.body_bytes_max) + " bytes"});
  }
  return tl::unexpected(Refusal{400, "not an HTTP request: " + error.message()});
}

Result<std::size_t> ResponseReader::feed(std::string_view bytes) {
  if (!parser_.is_header_done()) {
    PGA_TRY(const std::size_t header, scan_.scan(bytes));
    if (std::max(header, header == 0 ? bytes.size() : 0) > limits_.header_bytes_max) {
      return corrupt("the answer's header exceeds the limit of " + std::to_string(limits_.header_bytes_max) + " bytes");
    }
    if (header == 0) return 0;
  } else if (parser_.is_chunked() && bytes.size() < kChunkEndBytes) {
    return 0;
  }
  boost::beast::error_code error;
  const std::size_t taken = parser_.put({bytes.data(), bytes.size()}, error);
  if (!error || error == http::error::need_more) return taken;
  if (!parser_.refusal().reason.empty()) return corrupt("not an answer of HTTP: " + parser_.refusal().reason);
  if (error == http::error::body_limit)
    return too_large("the answer's body exceeds the limit of " + std::to_string(limits_.body_bytes_max) + " bytes");
  return corrupt("not an answer of HTTP: " + error.message());
}

Status ResponseReader::end() {
  if (!parser_.got_some()) return unavailable("the peer closed the connection without an answer");
  boost::beast::error_code error;
  parser_.put_eof(error);
  if (error) return unavailable("the peer closed the connection in the middle of its answer");
  return {};
}

std::string_view reason_phrase(int status) {
  const auto phrase = http::obsolete_reason(static_cast<http::status>(status));
  return {phrase.data(), phrase.size()};
}

bool is_header(std::string_view name, std::string_view value) {
  const auto printable = [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); };
  return is_token(name) && std::all_of(value.begin(), value.end(), printable);
}

}  // namespace pga::net
