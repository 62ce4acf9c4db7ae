// Reading HTTP/1.1 messages from bytes: Beast's parser, and the rules it does not have.
//
// A header is given to the parser only when all of it is in one block, so that its limit counts the whole of it, and after a scan that
// refuses what other parsers read differently: lines that end without CR, folded lines, an empty line in front.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"
#include "net/limits.h"

namespace pga::net {

struct MessageLimits {
  std::size_t header_bytes_max = kHeaderBytesMax;
  std::size_t body_bytes_max = kMiB;
};

// Why a request is not served, in HTTP's terms.
struct Refusal {
  int status = 400;
  std::string reason;
};

// Follows a header as it arrives.
class HeaderScan {
 public:
  // `bytes` is all of the message so far. The length of the header once it is complete, 0 until then; kInvalid says which rule is broken.
  Result<std::size_t> scan(std::string_view bytes);

 private:
  std::size_t at_ = 0;
  std::size_t line_ = 0;
};

// What both directions share: fields and body go straight to where they belong.
template <bool kIsRequest>
class MessageParser : public boost::beast::http::basic_parser<kIsRequest> {
 public:
  using Error = boost::beast::error_code;
  using View = boost::beast::string_view;

  MessageParser(Headers& headers, std::string& body, const MessageLimits& limits) : headers_(headers), body_(body) {
    this->eager(true);
    this->header_limit(static_cast<std::uint32_t>(limits.header_bytes_max));
    this->body_limit(limits.body_bytes_max);
  }
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }
  [[nodiscard]] bool is_chunked() const { return chunked_; }

 protected:
  void refuse(Error& error, int status, std::string reason) {
    refusal_ = {status, std::move(reason)};
    error = boost::beast::http::error::bad_value;
  }

  void on_request_impl(boost::beast::http::verb, View, View, int, Error&) override {}
  void on_response_impl(int, View, int, Error&) override {}
  void on_field_impl(boost::beast::http::field field, View name, View value, Error& error) override;
  void on_header_impl(Error& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, Error&) override {
    if (length) body_.reserve(std::min<std::uint64_t>(*length, kBodyReserveBytesMax));
  }
  std::size_t on_body_impl(View bytes, Error&) override {
    body_.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View bytes, Error& error) override { return on_body_impl(bytes, error); }
  void on_finish_impl(Error&) override {}

  Headers& headers_;
  std::string& body_;
  Refusal refusal_;
  int version_ = 11;
  int hosts_ = 0;
  int lengths_ = 0;
  bool header_done_ = false;
  bool chunked_ = false;
  bool expects_continue_ = false;
};

class RequestReader {
 public:
  RequestReader(Request& request, const MessageLimits& limits) : limits_(limits), parser_(request, limits) {}
  // Takes bytes from the front of what is unread and says how many; fewer than all only when the request is complete or more are needed.
  tl::expected<std::size_t, Refusal> feed(std::string_view bytes);
  [[nodiscard]] bool done() const { return parser_.is_done(); }
  [[nodiscard]] bool header_done() const { return parser_.is_header_done(); }
  [[nodiscard]] bool expects_continue() const { return parser_.expects_continue(); }
  [[nodiscard]] bool keep_alive() const { return parser_.keep_alive(); }

 private:
  class Parser final : public MessageParser<true> {
   public:
    Parser(Request& request, const MessageLimits& limits) : MessageParser(request.headers, request.body, limits), request_(request) {}

   private:
    void on_request_impl(boost::beast::http::verb, View method, View target, int version, Error& error) override;
    Request& request_;
  };

  const MessageLimits limits_;
  HeaderScan scan_;
  Parser parser_;
};

class ResponseReader {
 public:
  // `no_body`: the answer to HEAD.
  ResponseReader(Response& response, const MessageLimits& limits, bool no_body) : limits_(limits), parser_(response, limits) {
    parser_.skip(no_body);
  }
  // kCorrupt, kTooLarge.
  Result<std::size_t> feed(std::string_view bytes);
  // The peer closed: the end of an answer without a length, an error (kUnavailable) for any other.
  Status end();
  [[nodiscard]] bool done() const { return parser_.is_done(); }
  [[nodiscard]] bool keep_alive() const { return parser_.keep_alive(); }

 private:
  class Parser final : public MessageParser<false> {
   public:
    Parser(Response& response, const MessageLimits& limits) : MessageParser(response.headers, response.body, limits), response_(response) {}

   private:
    void on_response_impl(int status, View, int version, Error&) override {
      response_.status = status;
      version_ = version;
    }
    Response& response_;
  };

  const MessageLimits limits_;
  HeaderScan scan_;
  Parser parser_;
};

std::string_view reason_phrase(int status);
// A name is a token, a value has no control characters: what is checked before a header is written.
bool is_header(std::string_view name, std::string_view value);

}  // namespace pga::net
