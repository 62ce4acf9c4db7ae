#include "statement.h"

#include <doctest/doctest.h>

#include "config.h"

namespace pga::engine {

TEST_CASE("a statement goes to its lane, with its format and data split off") {
  struct Case {
    const char* what;
    const char* sql;
    bool has_body;
    Lane lane;
    const char* left;
    const char* format;
    bool with_data;
  };
  const Case cases[] = {
      {"a read", "SELECT 1", false, Lane::kQuery, "SELECT 1", "TSV", false},
      {"its FORMAT stays", "SELECT 1 FORMAT JSON", false, Lane::kQuery, "SELECT 1 FORMAT JSON", "TSV", false},
      {"a common table expression", "WITH a AS (SELECT 1) SELECT * FROM a;", false, Lane::kQuery, "WITH a AS (SELECT 1) SELECT * FROM a",
       "TSV", false},
      {"a comment in front", "/* x */ -- y\n SELECT 1", false, Lane::kQuery, "/* x */ -- y\n SELECT 1", "TSV", false},
      {"a parenthesis in front", "(SELECT 1)", false, Lane::kQuery, "(SELECT 1)", "TSV", false},
      {"an insert with data", "INSERT INTO t SETTINGS a='FORMAT x' format Native ;", true, Lane::kInsert,
       "INSERT INTO t SETTINGS a='FORMAT x'", "Native", true},
      {"an insert from a select", "insert into t select * from u", false, Lane::kInsert, "insert into t select * from u", "TSV", false},
      {"a change of a table", "ALTER TABLE t DROP PARTITION '2026-01-01'", false, Lane::kInsert,
       "ALTER TABLE t DROP PARTITION '2026-01-01'", "TSV", false},
      {"a control statement", "KILL QUERY WHERE 1", false, Lane::kControl, "KILL QUERY WHERE 1", "TSV", false},
      {"a semicolon in a string", "SELECT ';SET a=1'", false, Lane::kQuery, "SELECT ';SET a=1'", "TSV", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto got = parse_statement(c.sql, "TSV", c.has_body);
    REQUIRE(got);
    CHECK(got->lane == c.lane);
    CHECK(got->sql == c.left);
    CHECK(got->format == c.format);
    CHECK(got->with_data == c.with_data);
  }
}

TEST_CASE("what would outlive its request is refused") {
  struct Case {
    const char* what;
    const char* sql;
    bool has_body;
    const char* error;
  };
  const Case cases[] = {
      {"nothing", " ", false, "the request has no statement"},
      {"only a comment", "-- SELECT 1", false, "the request has no statement"},
      {"a setting", "set max_threads = 7", false, "SET would outlive its request; put settings into the SETTINGS clause"},
      {"a setting behind a comment", "/**/SET a=1", false, "SET would outlive its request; put settings into the SETTINGS clause"},
      {"a database", "USE x", false, "USE would outlive its request; put settings into the SETTINGS clause"},
      {"a temporary table", "CREATE OR REPLACE TEMPORARY TABLE t (a Int8)", false, "temporary objects would outlive their request"},
      {"two statements", "SELECT 1; SET a = 1", false, "more than one statement in a request"},
      {"data without a format", "INSERT INTO t", true, "INSERT with data needs a FORMAT clause at its end"},
      {"data for a read", "SELECT 1", true, "data follows a statement that is not an INSERT"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto got = parse_statement(c.sql, "TSV", c.has_body);
    REQUIRE(!got);
    CHECK(got.error().message == c.error);
  }
}

TEST_CASE("a query string is taken apart and decoded") {
  const auto got = parse_query_string("/?query=SELECT+%7Bx%3AString%7D&param_x=a%0Ab%26&&flag&bad=%4");
  REQUIRE(got.size() == 4);
  CHECK(got[0] == std::pair<std::string, std::string>{"query", "SELECT {x:String}"});
  CHECK(got[1] == std::pair<std::string, std::string>{"param_x", "a\nb&"});
  CHECK(got[2] == std::pair<std::string, std::string>{"flag", ""});
  CHECK(got[3] == std::pair<std::string, std::string>{"bad", "%4"});
  CHECK(parse_query_string("/ping").empty());
}

TEST_CASE("an exception's code decides the status") {
  CHECK(exception_code("Code: 60. DB::Exception: x") == 60);
  CHECK(exception_code("no code") == 0);
  CHECK(http_status(62) == 400);
  CHECK(http_status(60) == 404);
  CHECK(http_status(159) == 408);
  CHECK(http_status(202) == 429);
  CHECK(http_status(241) == 500);
}

TEST_CASE("chDB may count less memory than the budget, because resident memory is more than it counts") {
  CHECK(server_memory_bytes(1ULL << 30) == ((1024ULL - 230) << 20) / 100 * 85);
  CHECK(server_memory_bytes(0) == server_memory_bytes(kMemoryBytesMin));
  CHECK(config_xml(1ULL << 30, 2).find("<background_pool_size>1</background_pool_size>") != std::string::npos);
}

}  // namespace pga::engine
