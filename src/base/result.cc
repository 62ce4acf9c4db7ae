#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace pga {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kTooLarge:
      return "too large";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kUnauthorized:
      return "unauthorized";
    case ErrorCode::kForbidden:
      return "forbidden";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

Error Error::with_context(std::string_view context) const { return {code, std::string(context) + ": " + message}; }

Error errno_error(std::string_view what) {
  const int saved = errno;
  return {ErrorCode::kUnavailable, std::string(what) + ": " + std::generic_category().message(saved)};
}

}  // namespace pga
