#include "front.h"

#include <memory>

#include "base/log.h"

namespace pga::engine {
namespace {

net::Response failure(int status, int code, std::string_view text) {
  net::Response response = net::Response::text(status, std::string(text) + "\n");
  if (code != 0) response.headers.add("X-ClickHouse-Exception-Code", std::to_string(code));
  return response;
}

net::Response busy() {
  net::Response response = failure(503, 0, "the engine is busy: too many statements wait");
  response.headers.add("Retry-After", "1");
  return response;
}

}  // namespace

net::Task<net::Response> Front::run(std::shared_ptr<Job> job) {
  // Shared with the worker, which may end after this coroutine when the loop stops.
  const auto done = std::make_shared<net::Event>(loop_);
  job->done = [&loop = loop_, done] { loop.post([done] { done->set(); }); };
  if (!pool_.submit(job)) co_return busy();
  if (const Status waited = co_await done->wait(Deadline::max()); !waited) co_return failure(503, 0, "the engine is stopping");
  if (!job->answer.error.empty()) {
    const int code = exception_code(job->answer.error);
    co_return failure(http_status(code), code, job->answer.error);
  }
  net::Response response = net::Response::text(200, std::move(job->answer.body));
  response.headers.add("X-ClickHouse-Format", job->statement.format);
  co_return response;
}

net::Task<net::Response> Front::answer(net::Request& request) {
  if (request.path() == "/ping") co_return net::Response::text(200, "Ok.\n");
  if (request.path() != "/") co_return failure(404, 0, "there is only / and /ping");

  std::string query, format = "TabSeparated";
  auto job = std::make_shared<Job>();
  for (auto& [name, value] : parse_query_string(request.target)) {
    if (name == "query")
      query = std::move(value);
    else if (name == "default_format")
      format = std::move(value);
    else if (name.starts_with("param_"))
      job->parameters.emplace_back(name.substr(6), std::move(value));
    // The rest (query_id, database) is ClickHouse's and has no meaning here.
  }
  const bool query_is_body = query.empty();
  auto statement = parse_statement(query_is_body ? std::string_view(request.body) : query, format, !query_is_body && !request.body.empty());
  if (!statement) co_return failure(400, 62, "Code: 62. " + statement.error().message);
  if (request.method != "POST" && statement->lane != Lane::kQuery) co_return failure(405, 0, "GET only reads");
  job->statement = std::move(*statement);
  if (job->statement.with_data) job->data = std::move(request.body);
  co_return co_await run(std::move(job));
}

net::Task<> Front::keep_tidy() {
  std::uint64_t seen = 0, tidied = 0;
  while (true) {
    const Status slept = co_await loop_.sleep(std::chrono::seconds{10});
    if (!slept) co_return;
    const std::uint64_t now = pool_.finished();
    const bool idle = now == seen && !pool_.busy();
    seen = now;
    if (!idle || now == tidied) continue;
    auto job = std::make_shared<Job>();
    job->statement = {Lane::kControl, "SYSTEM JEMALLOC PURGE", "Null", false};
    const net::Response response = co_await run(std::move(job));
    if (response.status != 200) log_warning("engine", "giving memory back: " + response.body);
    seen = tidied = pool_.finished();
  }
}

}  // namespace pga::engine
