// Reading what the server answers.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace pga::uplink {

Result<boost::json::value> parse_answer(const std::string& body);
// A member of an answer, or an error that names it.
Result<std::string> text_member(const boost::json::value& answer, std::string_view name);
Result<std::uint64_t> number_member(const boost::json::value& answer, std::string_view name);
// The sentence of a problem document, or the status.
std::string problem(const net::Response& response);
std::optional<std::chrono::seconds> retry_after(const net::Response& response);

}  // namespace pga::uplink
