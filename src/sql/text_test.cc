#include "sql/text.h"

#include <doctest/doctest.h>

#include "base/text.h"

namespace pga::sql {
namespace {

TEST_CASE("no literal that the server left in a text leaves the host") {
  struct Case {
    const char* what;
    const char* in;
    const char* out;
  };
  const Case cases[] = {
      {"normalised already", "SELECT * FROM t WHERE a = $1 AND b < $2", "SELECT * FROM t WHERE a = $1 AND b < $2"},
      {"password of a role", "ALTER ROLE bob PASSWORD 'hunter2'", "ALTER ROLE bob PASSWORD $?"},
      {"escape string", "SELECT E'it\\'s', 'it''s'", "SELECT $?, $?"},
      {"prefixes", "SELECT b'01', X'ff', N'n', U&'d'", "SELECT $?, $?, $?, $?"},
      {"connection string", "CREATE SUBSCRIPTION s CONNECTION 'host=h password=p' PUBLICATION p",
       "CREATE SUBSCRIPTION s CONNECTION $? PUBLICATION p"},
      {"dollar quotes", "DO $x$ BEGIN PERFORM secret(); END $x$", "DO $?"},
      {"bare dollar quotes", "SELECT $$secret$$", "SELECT $?"},
      {"numbers", "SELECT 42, 4.2e-3, .5, 0xff, 1_000", "SELECT $?, $?, $?, $?, $?"},
      {"digits in names stay", "SELECT t1.c2 FROM t1", "SELECT t1.c2 FROM t1"},
      {"quoted names stay", "SELECT \"a'b\" FROM \"weird \"\" name\"", "SELECT \"a'b\" FROM \"weird \"\" name\""},
      {"unterminated string", "SELECT 'secret and more", "SELECT $?"},
      {"unterminated dollar quote", "SELECT $a$secret", "SELECT $?"},
      {"tags in a comment", "SELECT $1 /* app:shop, route='/pay?card=4111' */", "SELECT $1 /* app:shop, route=$? */"},
      {"line comment", "SELECT $1 -- it's 'secret'", "SELECT $1 -- it$?secret$?"},
      {"backslash before a quote", "ALTER ROLE a PASSWORD 'x\\'my secret'", "ALTER ROLE a PASSWORD $?"},
      {"two backslashes before a quote", "SELECT 'x\\\\', b", "SELECT $?, b"},
      {"nothing", "", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(scan_sql(c.in).redacted == c.out);
  }
}

TEST_CASE("a fingerprint sees through literals, lists, comments, case and white space") {
  const auto fingerprint = [](const char* text) { return scan_sql(text).fingerprint; };
  const auto base = fingerprint("SELECT a FROM t WHERE id IN ($1, $2, $3) AND x = $4");
  CHECK(base == fingerprint("select a\n from T where id in (7) and X = 'v' -- c"));
  CHECK(base == fingerprint("SELECT a /* tag */ FROM t WHERE id IN (1,2) AND x=$9"));
  CHECK(base != fingerprint("SELECT b FROM t WHERE id IN ($1) AND x = $2"));
  CHECK(base != fingerprint("SELECT a FROM \"T\" WHERE id IN ($1) AND x = $2"));
}

TEST_CASE("broken and cut texts are scanned too, and the result is valid UTF-8") {
  CHECK(is_utf8(scan_sql("SELECT \xff\xfe FROM \xe8\xa1").redacted));
  const auto cut = scan_sql(std::string(20, 'a') + "é", 21).redacted;
  CHECK(cut == std::string(20, 'a') + "…");
}

}  // namespace
}  // namespace pga::sql
