#include "api/openapi.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace pga::api {
namespace {

std::string operation(const std::string& lines) { return "paths:\n  /x/{id}:\n    get:\n      operationId: getX\n" + lines; }

TEST_CASE("the embedded description is read whole, every operation with its policy") {
  const auto operations = parse_openapi(embedded_openapi());
  REQUIRE_MESSAGE(operations.has_value(), (operations ? "" : operations.error().message));
  const auto find = [&](const char* id) {
    return *std::find_if(operations->begin(), operations->end(), [&](const auto& o) { return o.id == id; });
  };
  CHECK(operations->size() >= 20);
  CHECK(find("login").policy == Policy::kPublic);
  CHECK(find("login").body_types == std::vector<std::string>{"application/json"});
  CHECK(find("listServers").policy == Policy::kSession);
  CHECK(find("pushFrames").policy == Policy::kCertificateAndToken);
  CHECK(find("pushFrames").port == Port::kCollectors);
  const Operation load = find("getLoad");
  const auto parameter = [&](const char* name) {
    return *std::find_if(load.parameters.begin(), load.parameters.end(), [&](const auto& p) { return p.name == name; });
  };
  CHECK(parameter("id").in_path);
  CHECK(parameter("points").fallback == "300");
  CHECK(parameter("points").maximum == 2000);
  CHECK(parameter("from").minimum == 0);
  CHECK(parameter("by").choices.size() == 7);
}

TEST_CASE("only health, login and the description itself may be called by anybody") {
  const auto operations = parse_openapi(embedded_openapi()).value();
  for (const Operation& o : operations) {
    if (o.policy != Policy::kPublic) continue;
    CAPTURE(o.id);
    CHECK((o.id == "login" || o.id == "healthy" || o.id == "ready" || o.id == "getOpenapi"));
  }
}

TEST_CASE("a description without what routing needs is refused") {
  struct Case {
    const char* what;
    std::string yaml;
    const char* error;
  };
  const std::string port = "      x-port: people\n";
  const Case cases[] = {
      {"no policy", operation(port), "getX has no x-policy"},
      {"unknown policy", operation(port + "      x-policy: everybody\n"), "getX has the unknown x-policy \"everybody\""},
      {"no port", operation("      x-policy: public\n"), "getX has no x-port"},
      {"no operationId", "paths:\n  /x:\n    get: { x-port: people, x-policy: public }\n", "GET /x has no operationId"},
      {"two of a name", "paths:\n  /x:\n    get: &a { operationId: a, x-port: people, x-policy: public }\n    post: *a\n",
       "operationId a stands twice"},
      {"reference into nowhere",
       operation(port + "      x-policy: public\n      parameters:\n        - $ref: '#/components/parameters/No'\n"), "leads nowhere"},
      {"parameter in a cookie",
       operation(port + "      x-policy: public\n      parameters:\n        - { name: a, in: cookie, schema: { type: string } }\n"),
       "parameters are in the path or in the query"},
      {"no paths", "openapi: 3.1.0\n", "has no paths"},
      {"not YAML", "paths: [", "openapi.yaml"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto got = parse_openapi(c.yaml);
    REQUIRE(!got);
    CAPTURE(got.error().message);
    CHECK(got.error().message.find(c.error) != std::string::npos);
  }
}

TEST_CASE("a value that does not fit its parameter is refused with the limit") {
  Parameter points;
  points.name = "points";
  points.integer = true;
  points.minimum = 1;
  points.maximum = 2000;
  Parameter by;
  by.name = "by";
  by.choices = {"query", "user"};
  Parameter id;
  id.name = "id";
  id.length_min = 1;
  id.length_max = 8;
  id.pattern = "^[a-z]+$";
  struct Case {
    const Parameter& parameter;
    const char* value;
    const char* error;  // empty: good
  };
  const Case cases[] = {
      {points, "1", ""},
      {points, "2000", ""},
      {points, "0", "points (0) is less than 1"},
      {points, "2001", "points (2001) is greater than 2000"},
      {points, "ten", "points (ten) is not an integer"},
      {points, "", "points () is not an integer"},
      {points, "1x", "points (1x) is not an integer"},
      {points, "99999999999999999999", "points (99999999999999999999) is not an integer"},
      {by, "query", ""},
      {by, "Query", "by (Query) is none of query, user"},
      {id, "abc", ""},
      {id, "", "id () is shorter than 1 bytes"},
      {id, "abcdefghi", "id of 9 bytes exceeds the limit of 8"},
      {id, "a1", "id (a1) does not look like ^[a-z]+$"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.value);
    const Status got = check_parameter(c.parameter, c.value);
    CHECK((got ? "" : got.error().message) == c.error);
  }
}

}  // namespace
}  // namespace pga::api
