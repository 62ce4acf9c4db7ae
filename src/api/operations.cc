// healthy, ready and getOpenapi.
#include "api/context.h"
#include "api/openapi.h"
#include "api/problem.h"

namespace pga::api {
namespace {

net::Task<Result<net::Response>> ready(Context& context) {
  PGA_CO_TRY_STATUS(co_await context.ready());
  const std::string notice = context.notice();
  co_return net::Response::text(200, notice.empty() ? "ready\n" : "ready\n" + notice + "\n");
}

net::Task<Result<net::Response>> healthy() { co_return net::Response::text(200, "healthy\n"); }

net::Task<Result<net::Response>> openapi() {
  net::Response response;
  response.headers.add("Content-Type", "application/yaml");
  response.body = embedded_openapi();
  co_return response;
}

}  // namespace

void add_operations_handlers(Handlers& handlers, Context& context) {
  handlers["healthy"] = [](Call&) { return healthy(); };
  handlers["ready"] = [&context](Call&) { return ready(context); };
  handlers["getOpenapi"] = [](Call&) { return openapi(); };
}

}  // namespace pga::api
