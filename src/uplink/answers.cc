#include <charconv>

#include "uplink/answers_internal.h"

namespace pga::uplink {

namespace json = boost::json;

Result<std::string> text_member(const json::value& answer, std::string_view name) {
  const json::object* object = answer.if_object();
  const json::value* member = object == nullptr ? nullptr : object->if_contains(name);
  if (member == nullptr || !member->is_string()) return corrupt("the server's answer has no text \"" + std::string(name) + "\"");
  return std::string(member->get_string());
}

Result<std::uint64_t> number_member(const json::value& answer, std::string_view name) {
  const json::object* object = answer.if_object();
  const json::value* member = object == nullptr ? nullptr : object->if_contains(name);
  if (member == nullptr || !member->is_int64() || member->get_int64() < 0)
    return corrupt("the server's answer has no number \"" + std::string(name) + "\"");
  return static_cast<std::uint64_t>(member->get_int64());
}

Result<json::value> parse_answer(const std::string& body) {
  boost::system::error_code error;
  json::value answer = json::parse(body, error);
  if (error) return corrupt("the server's answer is not JSON: " + error.message());
  return answer;
}

std::string problem(const net::Response& response) {
  const std::string status = "status " + std::to_string(response.status);
  const auto answer = parse_answer(response.body);
  if (!answer) return status;
  for (const char* member : {"detail", "title"}) {
    if (const auto text = text_member(*answer, member)) return status + ": " + *text;
  }
  return status;
}

std::optional<std::chrono::seconds> retry_after(const net::Response& response) {
  const auto header = response.headers.find("Retry-After");
  if (!header) return std::nullopt;
  int seconds = 0;
  const auto [end, error] = std::from_chars(header->data(), header->data() + header->size(), seconds);
  if (error != std::errc{} || seconds < 0) return std::nullopt;
  return std::chrono::seconds{seconds};
}

}  // namespace pga::uplink
