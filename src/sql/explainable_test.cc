#include "sql/explainable.h"

#include <doctest/doctest.h>

namespace pga::sql {
namespace {

TEST_CASE("only one whole statement that can be planned is explained") {
  for (const char* text : {"", "SET x = 1", "DO $$ $$", "SELECT 1; DROP TABLE t", "SELECT 1; SELECT 2", "SELECT 'a", "SELECT (a /* b",
                           "EXPLAIN SELECT 1", "CALL p()", "<insufficient privilege>", "CREATE TABLE t AS SELECT 1", "SELECT $?",
                           "COPY t TO STDOUT", "\\connect x", "SELECT 1 \\; DROP TABLE t", "SELECT $0", "SELECT $99999", "VACUUM"}) {
    CAPTURE(text);
    CHECK(!explainable(text));
  }
}

TEST_CASE("a statement is explained as it is, without comments and with constants that can be parsed") {
  struct Case {
    const char* in;
    const char* out;
    std::size_t parameters;
  };
  const Case cases[] = {
      {"SELECT a FROM t WHERE b = $1 AND c = $12;", "SELECT a FROM t WHERE b = $1 AND c = $12", 12},
      {"(select 1) union (select 2)", "(select 1) union (select 2)", 0},
      {"WITH q AS (SELECT 1) DELETE FROM t /* x */ WHERE a = ';'", "WITH q AS (SELECT 1) DELETE FROM t   WHERE a = ';'", 0},
      {"SELECT now() - interval $1, DATE  $2", "SELECT now() - $1::interval, $2::DATE", 2},
      {"SELECT t.date FROM t WHERE date = $1 LIMIT $2", "SELECT t.date FROM t WHERE date = $1 LIMIT $2", 2},
      {"SELECT a FROM t WHERE b IN ($1 /*, ... */)", "SELECT a FROM t WHERE b IN ($1  )", 1},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    const auto got = explainable(c.in);
    REQUIRE(got.has_value());
    CHECK(got->text == c.out);
    CHECK(got->parameters == c.parameters);
  }
}

}  // namespace
}  // namespace pga::sql
