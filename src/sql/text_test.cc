#include "sql/text.h"

#include <doctest/doctest.h>

#include <algorithm>

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
      {"a dollar quote behind a number", "SELECT 1$a$secret b$a$", "SELECT $?$?"},
      {"what old servers make of 0x1f", "SELECT $1x1f, $2abc WHERE a = $3AND b", "SELECT $?, $? WHERE a = $3AND b"},
      {"digits in names stay", "SELECT t1.c2 FROM t1", "SELECT t1.c2 FROM t1"},
      {"quoted names stay", "SELECT \"a'b\" FROM \"weird \"\" name\"", "SELECT \"a'b\" FROM \"weird \"\" name\""},
      {"unterminated string", "SELECT 'secret and more", "SELECT $?"},
      {"unterminated dollar quote", "SELECT $a$secret", "SELECT $?"},
      {"unterminated name", "SELECT \"secret", "SELECT $?"},
      {"what a client understands", "\\connect password=secret", "$?"},
      {"backslash before a quote", "ALTER ROLE a PASSWORD 'x\\'my secret'", "ALTER ROLE a PASSWORD $?"},
      {"two backslashes before a quote", "SELECT 'x\\\\', b", "SELECT $?, b"},
      {"nothing", "", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(scan_sql(c.in).redacted == c.out);
  }
}

TEST_CASE("words that are values of utility statements are redacted, and the names around them stay") {
  struct Case {
    const char* in;
    const char* out;
  };
  const Case cases[] = {
      {"SET app.tenant TO acme", "SET app.tenant TO $?"},
      {"set local search_path = acme, \"Two\", public", "set local search_path = $?, $?, $?"},
      {"SET jit = off; SET x = DEFAULT", "SET jit = off; SET x = DEFAULT"},
      {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"},
      {"SET ROLE admin", "SET ROLE admin"},
      {"SET TIME ZONE europe", "SET TIME ZONE $?"},
      {"UPDATE t SET a = b, c = d", "UPDATE t SET a = b, c = d"},
      {"ALTER SYSTEM SET archive_command = secret", "ALTER SYSTEM SET archive_command = $?"},
      {"ALTER ROLE bob IN DATABASE d SET app.a TO secret", "ALTER ROLE bob IN DATABASE d SET app.a TO $?"},
      {"ALTER ROLE bob PASSWORD secret", "ALTER ROLE bob PASSWORD $?"},
      {"CREATE ROLE bob PASSWORD NULL CONNECTION LIMIT 5", "CREATE ROLE bob PASSWORD NULL CONNECTION LIMIT $?"},
      {"SELECT password FROM users", "SELECT password FROM users"},
      {"ALTER TABLE t ALTER a SET DEFAULT now()", "ALTER TABLE t ALTER a SET DEFAULT now()"},
      {"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = a, b STABLE AS $$x$$",
       "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = $?, $? STABLE AS $?"},
      {"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host h, ADD port 'p') ",
       "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host $?, ADD port $?) "},
      {"SAVEPOINT sp_42; ROLLBACK TO SAVEPOINT sp_42", "SAVEPOINT $?; ROLLBACK TO SAVEPOINT $?"},
      {"FETCH FORWARD 100 FROM c", "FETCH FORWARD $? FROM $?"},
      {"PREPARE p1 (int) AS SET x = secret", "PREPARE $? (int) AS SET x = $?"},
      {"PREPARE TRANSACTION 'gid'", "PREPARE TRANSACTION $?"},
      {"DECLARE c_1 CURSOR FOR SELECT a FROM t", "DECLARE $? CURSOR FOR SELECT a FROM t"},
      {"NOTIFY ch, 'payload'", "NOTIFY $?, $?"},
      {"EXPLAIN (ANALYZE, BUFFERS) DECLARE c CURSOR FOR SELECT 1", "EXPLAIN (ANALYZE, BUFFERS) DECLARE $? CURSOR FOR SELECT $?"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    CHECK(scan_sql(c.in).redacted == c.out);
  }
}

TEST_CASE("of comments the tags of applications stay, and nothing else") {
  struct Case {
    const char* what;
    const char* in;
    const char* out;
    std::vector<Tag> tags;
  };
  const Case cases[] = {
      {"sqlcommenter",
       "SELECT 1 /*application='shop',route='%2Fpay%2F:id',traceparent='00-abc-01'*/",
       "SELECT $? /*application='shop',route='/pay/:id'*/",
       {{"application", "shop"}, {"route", "/pay/:id"}}},
      {"marginalia",
       "SELECT 1 /* application:Shop, controller:pay,action:show,user:bob */",
       "SELECT $? /*application='Shop',controller='pay',action='show'*/",
       {{"application", "Shop"}, {"controller", "pay"}, {"action", "show"}}},
      {"a version may have numbers",
       "SELECT 1 /*framework='django%3A4.1.12'*/",
       "SELECT $? /*framework='django:4.1.12'*/",
       {{"framework", "django:4.1.12"}}},
      {"a number in a route", "SELECT 1 /*route='/users/42'*/", "SELECT $? /*$?*/", {}},
      {"a query string in a route", "SELECT 1 /*route='/pay%3Fcard=x'*/", "SELECT $? /*$?*/", {}},
      {"an identifier in a route", "SELECT 1 /*route='/u/deadbeef-12ab'*/", "SELECT $? /*$?*/", {}},
      {"an address", "SELECT 1 /*action='bob@example.com'*/", "SELECT $? /*$?*/", {}},
      {"a comment line", "SELECT 1 -- app:shop\n, 2", "SELECT $? /*app='shop'*/\n, $?", {{"app", "shop"}}},
      {"an open quote", "SELECT 1 /*app='shop\\',action='x'*/", "SELECT $? /*$?*/", {}},
      {"a comment that does not end", "SELECT a /* app:shop", "SELECT a /*app='shop'*/", {{"app", "shop"}}},
      {"what PostgreSQL 18 leaves in lists",
       "SELECT a FROM t WHERE b IN ($1 /*, ... */)",
       "SELECT a FROM t WHERE b IN ($1 /*, ... */)",
       {}},
      {"the first of two", "SELECT a /*app='x'*/ /*app='y'*/", "SELECT a /*app='x'*/ /*app='y'*/", {{"app", "x"}}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const SqlText got = scan_sql(c.in);
    CHECK(got.redacted == c.out);
    CHECK(got.tags == c.tags);
  }
}

TEST_CASE("texts that mean the same have the same fingerprint") {
  struct Case {
    const char* what;
    const char* a;
    const char* b;
  };
  const Case cases[] = {
      {"case, white space, comments", "SELECT a FROM t WHERE id = $1", "select A\n from T where /* c */ id=$1 -- d"},
      {"parameter, constant, placeholder", "SELECT a FROM t WHERE b = $1 AND c = $2", "SELECT a FROM t WHERE b = 'x' AND c = $?"},
      {"lists of IN", "SELECT a FROM t WHERE id IN ($1)", "SELECT a FROM t WHERE id IN (1, 2, 3)"},
      {"lists with casts", "SELECT a FROM t WHERE id IN ($1::int)", "SELECT a FROM t WHERE id IN ('1'::int, '2'::int)"},
      {"lists of rows", "SELECT a FROM t WHERE (b, c) IN (($1, $2))", "SELECT a FROM t WHERE (b, c) IN ((1, 2), (3, 4))"},
      {"folded by PostgreSQL 18", "SELECT a FROM t WHERE id IN ($1 /*, ... */)", "SELECT a FROM t WHERE id IN (1, 2, 3)"},
      {"arrays", "SELECT a FROM t WHERE id = ANY (ARRAY[$1])", "SELECT a FROM t WHERE id = ANY (ARRAY[1, -2, 3])"},
      {"rows of VALUES", "INSERT INTO t (a, b) VALUES ($1, now())", "INSERT INTO t (a, b) VALUES (1, now()), (2, now()), (3, now());"},
      {"signs", "SELECT a FROM t WHERE b = $1 LIMIT $2", "SELECT a FROM t WHERE b = -1 LIMIT +2"},
      {"names that need no quotes", "SELECT \"a\" FROM \"s\".\"t_1\"", "SELECT a FROM s.t_1"},
      {"semicolons at the end", "SELECT a", "SELECT a ; ;"},
      {"true and null as constants", "INSERT INTO t VALUES ($1, $2)", "INSERT INTO t VALUES (true, NULL)"},
      {"a constant in two lines", "SELECT $1", "SELECT 'a'\n'b'"},
      {"types before constants", "SELECT INTERVAL $1", "SELECT interval '1 day'"},
      {"numbers of every form", "SELECT $1, $2, $3", "SELECT 0xFF, 1_000, 1e-5"},
      {"names of savepoints", "SAVEPOINT a", "savepoint B"},
      {"values of settings", "SET x = $1", "SET x = acme"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(scan_sql(c.a).fingerprint == scan_sql(c.b).fingerprint);
  }
}

TEST_CASE("texts that mean something else have another fingerprint") {
  struct Case {
    const char* what;
    const char* a;
    const char* b;
  };
  const Case cases[] = {
      {"another column", "SELECT a FROM t", "SELECT b FROM t"},
      {"another schema", "SELECT a FROM s.t", "SELECT a FROM r.t"},
      {"no schema", "SELECT a FROM s.t", "SELECT a FROM t"},
      {"names in capitals", "SELECT a FROM t", "SELECT a FROM \"T\""},
      {"subtraction", "SELECT a - 1 FROM t", "SELECT a + 1 FROM t"},
      {"IS NULL is no comparison", "SELECT a FROM t WHERE b IS NULL", "SELECT a FROM t WHERE b IS NOT NULL"},
      {"two arguments", "SELECT f($1)", "SELECT f($1, $2)"},
      {"columns of rows", "INSERT INTO t VALUES ($1)", "INSERT INTO t VALUES ($1, $2)"},
      {"elements that differ", "SELECT a FROM t WHERE b IN (c, d)", "SELECT a FROM t WHERE b IN (c)"},
      {"an operator", "SELECT a ? $1 FROM t", "SELECT a $1 FROM t"},
      {"a column list", "SELECT a, a FROM t", "SELECT a FROM t"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    CHECK(scan_sql(c.a).fingerprint != scan_sql(c.b).fingerprint);
  }
}

TEST_CASE("a text that was cut is told from one that ends") {
  for (const char* cut : {"SELECT 'a", "SELECT (a", "SELECT $a$b", "SELECT a /* b", "SELECT \"a", "SELECT a…"}) {
    CAPTURE(cut);
    CHECK(scan_sql(cut).truncated);
  }
  for (const char* whole : {"", "SELECT 'a'", "SELECT (a) -- b", "SELECT $1", "SELECT )"}) {
    CAPTURE(whole);
    CHECK(!scan_sql(whole).truncated);
  }
}

TEST_CASE("broken and cut texts are scanned too, and the result is valid UTF-8") {
  CHECK(is_utf8(scan_sql("SELECT \xff\xfe FROM \xe8\xa1").redacted));
  CHECK(scan_sql(std::string_view("SELECT 'a\0b', c", 15)).redacted == "SELECT $?, c");
  CHECK(scan_sql("SELECT aaaa, bbbb, cccc", 21).redacted == "SELECT aaaa, bbbb,…");
  CHECK(scan_sql("SELECT aaaa, bbbb, cccc", 21).truncated);
  CHECK(scan_sql("SELECT aaaa, bbbb", 17).redacted == "SELECT aaaa, bbbb");
  const SqlText endless = scan_sql(std::string(3 * kScanBytesMax, '('));
  CHECK(endless.redacted.size() <= kTextBytesMax);
  CHECK(endless.truncated);
}

}  // namespace
}  // namespace pga::sql
