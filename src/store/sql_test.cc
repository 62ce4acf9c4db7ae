#include "store/sql.h"

#include <doctest/doctest.h>

#include "store/client.h"

namespace pga::store {

TEST_CASE("names and texts stay one token whatever they hold") {
  CHECK(quote_name("plain") == "`plain`");
  CHECK(quote_name("a`b\\c\"d") == "`a\\`b\\\\c\"d`");
  CHECK(quote_text("it's \\") == "'it\\'s \\\\'");
}

TEST_CASE("parameters are escaped twice: as TSV and for the URL") {
  Parameters parameters;
  parameters.set("name", "a\tb\nc\\d&=%é");
  parameters.set("nul", std::string_view("x\0y", 3));
  CHECK(parameters.bind(-5) == "{p2:Int64}");
  CHECK(parameters.bind("t") == "{p3:String}");
  CHECK(parameters.url() == "&param_name=a%5Ctb%5Cnc%5C%5Cd%26%3D%25%C3%A9&param_nul=x%5C0y&param_p2=-5&param_p3=t");
}

TEST_CASE("an answer's status and code say whether repeating may help") {
  struct Case {
    const char* what;
    int status;
    const char* code;
    ErrorCode expected;
  };
  const Case cases[] = {
      {"unknown table", 404, "60", ErrorCode::kNotFound},
      {"syntax", 400, "62", ErrorCode::kInvalid},
      {"took too long", 408, "159", ErrorCode::kTimeout},
      {"memory", 500, "241", ErrorCode::kTooLarge},
      {"too many parts", 500, "252", ErrorCode::kUnavailable},
      {"the disk is full", 500, "243", ErrorCode::kUnavailable},
      {"the disk is full, in other words", 500, "1001", ErrorCode::kUnavailable},
      {"no memory for a thread", 500, "439", ErrorCode::kUnavailable},
      {"busy", 503, "", ErrorCode::kUnavailable},
      {"a proxy's error", 502, "", ErrorCode::kUnavailable},
      {"wrong password", 403, "516", ErrorCode::kUnauthorized},
      {"our data", 500, "33", ErrorCode::kInvalid},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    net::Response response = net::Response::text(c.status, "Code: 1. DB::Exception: words. (NAME) (version 26.7.2.1)\nmore");
    if (*c.code != '\0') response.headers.add("X-ClickHouse-Exception-Code", c.code);
    const auto error = error_of(response);
    REQUIRE(error);
    CHECK(error->code == c.expected);
    CHECK(error->message == "engine answered " + std::to_string(c.status) + ": Code: 1. DB::Exception: words. (NAME)");
  }
  CHECK(!error_of(net::Response::text(200, "")));
}

}  // namespace pga::store
