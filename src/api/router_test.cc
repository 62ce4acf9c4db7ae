#include "api/router.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "api/delivery.h"
#include "api/problem.h"

namespace pga::api {
namespace {

constexpr const char* kApi = R"(
paths:
  /things/{id}:
    get:
      operationId: getThing
      x-port: people
      x-policy: session
      parameters:
        - { name: id, in: path, required: true, schema: { type: integer, minimum: 1 } }
        - { name: limit, in: query, schema: { type: integer, maximum: 9, default: 5 } }
        - { name: search, in: query, schema: { type: string, maxLength: 20 } }
    delete:
      operationId: dropThing
      x-port: people
      x-policy: session
      parameters:
        - { name: id, in: path, required: true, schema: { type: integer, minimum: 1 } }
  /things:
    post:
      operationId: makeThing
      x-port: people
      x-policy: public
      requestBody: { content: { application/json: {} } }
  /v1/enrol:
    post: { operationId: enrol, x-port: collectors, x-policy: enrolment-token }
)";

net::Task<Result<net::Response>> echo(Call& call) {
  std::string text = call.operation.id;
  for (const auto& [name, value] : call.parameters) text += " " + name + "=" + value;
  co_return net::Response::text(200, text);
}
net::Task<std::optional<net::Response>> admit() { co_return std::nullopt; }
net::Task<std::optional<net::Response>> refuse() { co_return problem(401, "nobody is signed in"); }

Handlers handlers(std::vector<std::string> names) {
  Handlers all;
  for (const auto& name : names) all[name] = echo;
  return all;
}
Guards guards() {
  return {{Policy::kPublic, [](Call&) { return admit(); }},
          {Policy::kSession, [](Call& call) { return call.request.headers.find("Cookie") ? admit() : refuse(); }}};
}

net::Response ask(const Router& router, net::Request request) {
  net::Loop loop;
  net::Response response;
  loop.spawn([&]() -> net::Task<> { response = co_await router.handle(request); });
  loop.run();
  return response;
}

TEST_CASE("operations, handlers and policies match one to one, or there is no router") {
  struct Case {
    const char* what;
    std::vector<std::string> handlers;
    bool with_session_guard;
    const char* error;  // empty: good
  };
  const Case cases[] = {
      {"all there", {"getThing", "dropThing", "makeThing"}, true, ""},
      {"operation without a handler", {"getThing", "dropThing"}, true, "operation makeThing has no handler"},
      {"handler without an operation",
       {"getThing", "dropThing", "makeThing", "secretDoor"},
       true,
       "handler secretDoor belongs to no operation of openapi.yaml"},
      {"handler of the other port",
       {"getThing", "dropThing", "makeThing", "enrol"},
       true,
       "handler enrol belongs to no operation of openapi.yaml"},
      {"policy that nobody guards",
       {"getThing", "dropThing", "makeThing"},
       false,
       "nobody guards the policy of getThing on this port; nobody guards the policy of dropThing on this port"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Guards g = guards();
    if (!c.with_session_guard) g.erase(Policy::kSession);
    const auto router = Router::build(parse_openapi(kApi).value(), Port::kPeople, handlers(c.handlers), g);
    CHECK((router ? "" : router.error().message) == c.error);
  }
}

TEST_CASE("a request gets to its handler only through the guard, with checked parameters") {
  const auto router = Router::build(parse_openapi(kApi).value(), Port::kPeople, handlers({"getThing", "dropThing", "makeThing"}), guards(),
                                    [](net::Request&) { return net::Response::text(200, "the UI"); });
  REQUIRE(router);
  struct Case {
    const char* method;
    const char* target;
    bool signed_in;
    int status;
    const char* body;  // part of it
  };
  const Case cases[] = {
      {"GET", "/things/7", true, 200, "getThing id=7 limit=5"},
      {"GET", "/things/7?limit=9&search=a%20b+c", true, 200, "getThing id=7 limit=9 search=a b c"},
      {"GET", "/things/7?", true, 200, "getThing id=7"},
      {"DELETE", "/things/7", true, 200, "dropThing id=7"},
      {"GET", "/things/7", false, 401, "nobody is signed in"},
      {"GET", "/things/0?limit=x", false, 401, "nobody is signed in"},  // the guard before anything else
      {"GET", "/things/0", true, 400, "id (0) is less than 1"},
      {"GET", "/things/x", true, 400, "id (x) is not an integer"},
      {"GET", "/things/7?limit=10", true, 400, "limit (10) is greater than 9"},
      {"GET", "/things/7?limt=1", true, 400, "there is no parameter \\\"limt\\\"; did you mean \\\"limit\\\"?"},
      {"GET", "/things/7?limit=1&limit=2", true, 400, "parameter limit stands twice"},
      {"GET", "/things/7?search=%zz", true, 400, "broken percent encoding"},
      {"GET", "/things/7?search=%ff", true, 400, "broken percent encoding"},
      {"PUT", "/things/7", true, 405, "GET, DELETE is"},
      {"POST", "/things", false, 415, "this takes application/json"},
      {"GET", "/things/7/more", true, 200, "the UI"},
      {"POST", "/nothing", true, 404, "there is nothing under /nothing"},
      {"GET", "/api/v1/nothing", true, 404, "there is nothing under /api/v1/nothing"},
      {"GET", "/-/nothing", true, 404, "there is nothing"},
      {"POST", "/v1/enrol", true, 404, "there is nothing"},  // of the other port
  };
  for (const Case& c : cases) {
    CAPTURE(c.method);
    CAPTURE(c.target);
    net::Request request;
    request.method = c.method;
    request.target = c.target;
    if (c.signed_in) request.headers.add("Cookie", "pga=x");
    const net::Response response = ask(*router, request);
    CHECK(response.status == c.status);
    CHECK_MESSAGE(response.body.find(c.body) != std::string::npos, response.body);
    if (c.status >= 400) CHECK(response.headers.find("Content-Type") == "application/problem+json");
  }
}

}  // namespace
}  // namespace pga::api
