#include "api/problem.h"

#include <boost/json/serialize.hpp>

#include "base/log.h"
#include "base/text.h"

namespace pga::api {
namespace {

constexpr std::chrono::seconds kRetryAfter{5};

}  // namespace

net::Response problem(int status, std::string_view detail, std::optional<std::chrono::seconds> retry_after) {
  net::Response response;
  response.status = status;
  const boost::json::value body = {
      {"type", "about:blank"}, {"title", std::string(reason_phrase(status))}, {"status", status}, {"detail", to_valid_utf8(detail)}};
  response.body = boost::json::serialize(body);
  response.headers.add("Content-Type", "application/problem+json");
  if (retry_after) response.headers.add("Retry-After", std::to_string(retry_after->count()));
  return response;
}

net::Response problem(const Error& error) {
  switch (error.code) {
    case ErrorCode::kCorrupt:
    case ErrorCode::kInvalid:
      return problem(400, error.message);
    case ErrorCode::kTooLarge:
      return problem(413, error.message);
    case ErrorCode::kUnauthorized:
      return problem(401, error.message);
    case ErrorCode::kForbidden:
      return problem(403, error.message);
    case ErrorCode::kNotFound:
      return problem(404, error.message);
    case ErrorCode::kTimeout:
    case ErrorCode::kCancelled:
    case ErrorCode::kUnavailable:
      return problem(503, error.message, kRetryAfter);
    case ErrorCode::kInternal:
      break;
  }
  log_error("api", error.message);
  return problem(500, "something went wrong in the server; its log has the details");
}

net::Response json_answer(const boost::json::value& value, int status) {
  net::Response response;
  response.status = status;
  response.body = boost::json::serialize(value);
  response.headers.add("Content-Type", "application/json");
  return response;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 503:
      return "Service Unavailable";
    default:
      return status >= 500 ? "Internal Server Error" : "Error";
  }
}

}  // namespace pga::api
