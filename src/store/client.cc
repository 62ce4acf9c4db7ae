#include "store/client.h"

#include <charconv>

#include "base/text.h"
#include "store/limits.h"

namespace pga::store {
namespace {

ErrorCode classify(int status, int code) {
  switch (code) {
    case 159:
      return ErrorCode::kTimeout;  // TIMEOUT_EXCEEDED
    case 241:
    case 307:
    case 396:
      return ErrorCode::kTooLarge;  // memory, rows, bytes
    case 192:
    case 193:
    case 194:
    case 497:
    case 516:
      return ErrorCode::kUnauthorized;
    case 60:
    case 81:
      return ErrorCode::kNotFound;  // table, database
    case 74:                        // CANNOT_READ_FROM_FILE_DESCRIPTOR
    case 75:
    case 76:
    case 173:  // CANNOT_ALLOCATE_MEMORY
    case 202:
    case 209:
    case 210:
    case 236:
    case 242:
    case 243:  // NOT_ENOUGH_SPACE
    case 252:
    case 394:
    case 425:
    case 439:  // CANNOT_SCHEDULE_TASK
    case 999:
    case 1001:  // STD_EXCEPTION: the disk is full, among others
      return ErrorCode::kUnavailable;
    default:
      break;
  }
  if (status == 401 || status == 403) return ErrorCode::kUnauthorized;
  if (status == 408) return ErrorCode::kTimeout;
  if (status == 429 || status == 503 || (status >= 500 && code == 0)) return ErrorCode::kUnavailable;
  return ErrorCode::kInvalid;
}

// "Code: 60. DB::Exception: Unknown table … . (UNKNOWN_TABLE) (version …)" -> without version and what follows the first line, bounded.
std::string trim(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  text = text.substr(0, text.find(" (version "));
  if (text.size() > kErrorTextMax) text = text.substr(0, kErrorTextMax);
  return to_valid_utf8(text);
}

}  // namespace

std::optional<Error> error_of(const net::Response& response) {
  if (response.status == 200) return std::nullopt;
  int code = 0;
  if (const auto header = response.headers.find("X-ClickHouse-Exception-Code"))
    std::from_chars(header->data(), header->data() + header->size(), code);
  return Error{classify(response.status, code), "engine answered " + std::to_string(response.status) + ": " + trim(response.body)};
}

Client::Client(net::Loop& loop, const net::ClientOptions& options, std::string user, Secret<std::string> password)
    : http_(loop, options), user_(std::move(user)), password_(std::move(password)) {}

net::Task<Result<std::string>> Client::post(std::string target, std::string body, Deadline deadline) {
  net::Headers headers;
  if (!user_.empty()) {
    headers.add("X-ClickHouse-User", user_);
    headers.add("X-ClickHouse-Key", password_.read());
  }
  auto response = co_await http_.request("POST", std::move(target), std::move(headers), std::move(body), deadline);
  if (!response) co_return std::move(response).error().with_context("engine");
  if (auto error = error_of(*response)) co_return std::move(*error);
  co_return std::move(response->body);
}

net::Task<Result<Rows>> Client::select(std::string sql, Parameters parameters, Deadline deadline) {
  PGA_CO_TRY(const std::string body,
             co_await post("/?default_format=RowBinaryWithNamesAndTypes" + parameters.url(), std::move(sql), deadline));
  co_return Rows::parse(as_bytes(body));
}

net::Task<Status> Client::execute(std::string sql, Parameters parameters, Deadline deadline) {
  auto done = co_await post("/?default_format=Null" + parameters.url(), std::move(sql), deadline);
  if (!done) co_return std::move(done).error();
  co_return Status{};
}

net::Task<Status> Client::insert(std::string sql, std::string data, Deadline deadline) {
  auto done = co_await post("/?query=" + percent_encode(sql), std::move(data), deadline);
  if (!done) co_return std::move(done).error();
  co_return Status{};
}

net::Task<Status> Client::ping(Deadline deadline) {
  auto response = co_await http_.request("GET", "/ping", {}, {}, deadline);
  if (!response) co_return std::move(response).error();
  if (auto error = error_of(*response)) co_return std::move(*error);
  co_return Status{};
}

}  // namespace pga::store
