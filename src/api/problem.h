// Answers: JSON and errors as application/problem+json (RFC 9457).
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace pga::api {

net::Response problem(int status, std::string_view detail, std::optional<std::chrono::seconds> retry_after = std::nullopt);

// The status that fits the error's code: 400 for kInvalid and kCorrupt, 401, 403, 404, 413, 503 with Retry-After for kUnavailable and
// kTimeout. What went wrong inside (kInternal) is logged and not told.
net::Response problem(const Error& error);

net::Response json_answer(const boost::json::value& value, int status = 200);

std::string_view reason_phrase(int status);

}  // namespace pga::api
