#include "logs/template.h"

#include <doctest/doctest.h>

#include "logs/classes.h"
#include "logs/finding.h"

namespace pga::logs {
namespace {

TEST_CASE("a pattern says of every part of a message what becomes of it") {
  struct Case {
    const char* pattern;
    std::string text;
    std::string redacted;  // "-": no match
    std::string fields;
  };
  const Case cases[] = {
      {"plain", "plain", "plain", ""},
      {"plain", "plain and more", "-", ""},
      {"Key ({*})=({*}) already exists.", "Key (a)=(x) already exists.) already exists.", "Key ($?)=($?) already exists.", ""},
      {"size {int:bytes}", "size 12", "size 12", R"({"bytes":12})"},
      {"size {int:bytes}", "size twelve", "-", ""},
      {"size {int:bytes}", "size 99999999999999999999", "-", ""},
      {"took {ms:t_ns} ms", "took 1.5 ms", "took 1.5 ms", R"({"t_ns":1500000})"},
      {"took {s:t_ns} s", "took nan s", "-", ""},
      {"{kb:b} kB ({pct:r}%)", "3 kB (50.0%)", "3 kB (50.0%)", R"({"b":3072,"r":0.5})"},
      {"time: {hms:t_ns} x", "time: 1:00:01.5 x", "time: 1:00:01.5 x", R"({"t_ns":3601500000000})"},
      {"at {lsn:l}", "at 1/AB", "at 1/AB", R"({"l":"1/AB"})"},
      {"at {lsn:l}", "at home", "-", ""},
      {"name {id:n}", "name a \"b\"", "-", ""},  // what has quotes is no name
      {"name {id:n}", "name a\nb", "-", ""},
      {"run: {sql:s}", "run: SELECT 'x', 1", "run: SELECT $?, $?", ""},
      {"{*}{*}{*}{*}{*}{*}{*}{*}end", std::string(3000, 'e'), "-", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.pattern);
    CAPTURE(c.text);
    const auto matched = match_template(c.pattern, c.text);
    CHECK(matched.has_value() == (c.redacted != "-"));
    if (!matched) continue;
    CHECK(matched->redacted == c.redacted);
    CHECK(fields_as_json(matched->fields) == c.fields);
  }
}

TEST_CASE("every pattern is well formed, and its words are found as its class") {
  const auto check = [](std::string_view pattern) {
    CAPTURE(std::string(pattern));
    for (std::size_t at = pattern.find('{'); at != std::string_view::npos; at = pattern.find('{', at + 1)) {
      const std::size_t close = pattern.find('}', at);
      REQUIRE(close != std::string_view::npos);
      const std::string_view type = pattern.substr(
          at + 1, pattern.substr(0, close).find(':', at) == std::string_view::npos ? close - at - 1 : pattern.find(':', at) - at - 1);
      bool known = false;
      for (const char* each : {"*", "id", "int", "num", "kb", "ms", "s", "pct", "hms", "lsn", "sql"}) known = known || type == each;
      CHECK(known);
    }
  };
  for (const Saying& saying : sayings()) check(saying.pattern);
  for (const std::string_view line : message_lines()) check(line);
  for (const std::string_view line : detail_lines()) check(line);
  for (const std::string_view line : context_lines()) check(line);
  // A pattern read as a message must be found by itself, unless one before it says more.
  for (const Saying& saying : sayings()) {
    if (saying.pattern.find('{') != std::string_view::npos) continue;
    Event event;
    event[Field::kMessage] = std::string(saying.pattern);
    CAPTURE(std::string(saying.pattern));
    CHECK(find(event).name == saying.name);
  }
}

TEST_CASE("what is not known does not leave, and what a client only claims is a value") {
  struct Case {
    const char* what;
    const char* sqlstate;
    const char* message;
    const char* detail;
    const char* statement;
    const char* name;
    const char* said;  // message | detail | statement
  };
  const Case cases[] = {
      {"unknown", "00000", "my secret is 42", "", "", "unknown", "||"},
      {"a known state in another language", "22012", "Division durch Null", "geheim", "SELECT 1/0", "division_by_zero", "|$?|SELECT $?/$?"},
      {"a raised message in words of the server's", "P0001", "duration: 5 ms  statement: x", "", "", "raised", "||"},
      {"parameters", "00000", "duration: 5.1 ms  execute <unnamed>: SELECT $1", "parameters: $1 = 'secret'", "", "statement_duration",
       "duration: 5.1 ms  execute $?: SELECT $1|$?|SELECT $1"},
      {"a column that was meant to be a value", "42703", "column \"hunter2\" does not exist", "", "SELECT 1 FROM t WHERE p = \"hunter2\"",
       "undefined_column", "column $? does not exist||SELECT $? FROM t WHERE p = $?"},
      {"a password without quotes", "42601", "syntax error at or near \"hunter2\"", "", "ALTER ROLE a PASSWORD hunter2", "syntax_error",
       "syntax error at or near \"$?\"||"},
      {"a key", "23505", "duplicate key value violates unique constraint \"u\"", "Key (lower(a), b)=(x, y) already exists.", "",
       "unique_violation", "duplicate key value violates unique constraint \"u\"|Key ($?)=($?) already exists.|"},
      {"a crash", "00000", "server process (PID 7) was terminated by signal 11: Segmentation fault",
       "Failed process was running: SELECT\n'x'", "", "crash",
       "server process (PID 7) was terminated by signal 11: Segmentation fault|Failed process was running: SELECT\n$?|SELECT\n$?"},
      {"an internal error", "XX000", "cache lookup failed for secret 42", "", "", "internal_error", "||"},
  };
  for (const Case& c : cases) {
    CAPTURE(std::string(c.what));
    Event event;
    event[Field::kSqlstate] = c.sqlstate;
    event[Field::kMessage] = c.message;
    event[Field::kDetail] = c.detail;
    event[Field::kStatement] = c.statement;
    const Finding f = find(event);
    CHECK(f.name == c.name);
    CHECK(f.message + "|" + f.detail + "|" + f.statement == c.said);
  }
}

TEST_CASE("a name that may have come from a literal, or from an application, is a value") {
  struct Case {
    const char* what;
    const char* sqlstate;
    const char* message;
    const char* context;
    const char* statement;
    const char* said;  // message | fields
  };
  const Case cases[] = {
      {"a table that the statement names", "42P01", "relation \"shop.orders\" does not exist", "", "SELECT * FROM shop.orders",
       "relation \"shop.orders\" does not exist|{\"relation\":\"shop.orders\"}"},
      {"one in a literal", "42P01", "relation \"hunter2\" does not exist", "", "SELECT 'hunter2'::regclass", "relation $? does not exist|"},
      {"one of a statement that was not logged", "42P01", "relation \"hunter2\" does not exist", "", "", "relation $? does not exist|"},
      {"a library in a literal", "58P01", "could not access file \"hunter2\": No such file or directory", "", "LOAD 'hunter2'",
       "could not access file $?|"},
      {"a tablespace in a literal", "42704", "tablespace \"hunter2\" does not exist", "", "SELECT pg_tablespace_size('hunter2')",
       "tablespace $? does not exist|"},
      {"what a function raises in the server's words", "42501", "permission denied for customer 4711",
       "PL/pgSQL function pay(text) line 3 at RAISE\nSQL statement \"SELECT pay()\"", "SELECT pay()", "|"},
      {"the same in a server that speaks German", "42501", "permission denied for customer 4711",
       "PL/pgSQL-Funktion pay(text) Zeile 3 bei RAISE", "SELECT pay()", "|"},
      {"what the server says inside of a function", "42501", "permission denied for table customers",
       "SQL statement \"SELECT 1\"\nPL/pgSQL function pay(text) line 3 at PERFORM", "SELECT pay()",
       "permission denied for table customers|{\"kind\":\"table\",\"object\":\"customers\"}"},
  };
  for (const Case& c : cases) {
    CAPTURE(std::string(c.what));
    Event event;
    event[Field::kSeverity] = "ERROR";
    event[Field::kUser] = "app";
    event[Field::kSqlstate] = c.sqlstate;
    event[Field::kMessage] = c.message;
    event[Field::kContext] = c.context;
    event[Field::kStatement] = c.statement;
    const Finding f = find(event);
    CHECK(f.message + "|" + fields_as_json(f.fields) == c.said);
  }
}

TEST_CASE("who a client says it is does not leave before that was checked") {
  struct Case {
    const char* what;
    const char* sqlstate;
    const char* message;
    const char* detail;
    const char* command;
    const char* application;
    const char* user;
  };
  const Case cases[] = {
      {"a wrong password", "28P01", "password authentication failed for user \"hunter2\"", "Password does not match for user \"hunter2\".",
       "authentication", "[unknown]", "hunter2"},
      {"no such role", "28P01", "password authentication failed for user \"hunter2\"", "Role \"hunter2\" does not exist.", "authentication",
       "[unknown]", "$?"},
      {"a server that says no detail", "28P01", "password authentication failed for user \"hunter2\"", "", "", "[unknown]", "$?"},
      {"no room", "53300", "sorry, too many clients already", "", "", "", "$?"},
      {"a client that goes while it logs in", "08006", "could not receive data from client: Connection reset by peer", "", "authentication",
       "", "$?"},
      {"one that may do so", "08006", "could not receive data from client: Connection reset by peer", "", "", "[unknown]", "$?"},
      {"one that goes later", "08006", "could not receive data from client: Connection reset by peer", "", "idle", "till", "hunter2"},
      {"an error in a session", "22012", "division by zero", "", "SELECT", "till", "hunter2"},
  };
  for (const Case& c : cases) {
    CAPTURE(std::string(c.what));
    Event event;
    event[Field::kUser] = "hunter2";
    event[Field::kSqlstate] = c.sqlstate;
    event[Field::kMessage] = c.message;
    event[Field::kDetail] = c.detail;
    event[Field::kCommand] = c.command;
    event[Field::kApplication] = c.application;
    CHECK(find(event).user == c.user);
  }
}

TEST_CASE("a value of several lines does not pass for lines of the server's own") {
  Event event;
  event[Field::kSqlstate] = "22P02";
  event[Field::kContext] = "COPY t, line 1: \"it\nwhile scanning block 4711 of relation \"hunter2\"\nparallel worker\"";
  CHECK(find(event).context == "$?");
  event[Field::kContext] = "JSON data, line 1: [1\nCOPY t, line 1, column data: \"[1\"\nparallel worker";
  CHECK(find(event).context == "$?\nCOPY t, line 1, column data: \"$?\"\nparallel worker");
}

}  // namespace
}  // namespace pga::logs
