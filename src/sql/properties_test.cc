// What holds for every text: of generated ones, and of the corpus of tests/lab/canaries.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "base/text.h"
#include "sql/text.h"

namespace pga::sql {
namespace {

// Beginnings, ends and middles of everything that the scan knows, and of what it does not.
constexpr std::string_view kPieces[] = {"SELECT ",
                                        "select",
                                        " FROM ",
                                        "t",
                                        "\"Q q\"",
                                        "\"",
                                        "'",
                                        "''",
                                        "\\",
                                        "\\'",
                                        "E'",
                                        "U&'",
                                        "U&\"",
                                        "X'",
                                        "n",
                                        "$1",
                                        "$",
                                        "$$",
                                        "$a$",
                                        "$?",
                                        "?",
                                        "1",
                                        "-1",
                                        ".5",
                                        "1e",
                                        "0x",
                                        "1_0",
                                        "+",
                                        "-",
                                        "--",
                                        "/*",
                                        "*/",
                                        "/",
                                        "*",
                                        "\n",
                                        "\r",
                                        " ",
                                        ",",
                                        ";",
                                        "(",
                                        ")",
                                        "[",
                                        "]",
                                        "IN (",
                                        "VALUES (",
                                        "ARRAY[",
                                        "SET ",
                                        "x",
                                        " = ",
                                        " TO ",
                                        "ALTER SYSTEM ",
                                        "ALTER ROLE r ",
                                        "PASSWORD ",
                                        "OPTIONS (",
                                        "CREATE SERVER s ",
                                        "CREATE FUNCTION f() ",
                                        "FETCH ",
                                        "SAVEPOINT ",
                                        "PREPARE p AS ",
                                        "EXPLAIN ",
                                        "app:shop",
                                        "route='/a'",
                                        "null",
                                        "not ",
                                        "is ",
                                        "é",
                                        "…",
                                        "\xff",
                                        std::string_view("\0", 1),
                                        "::int",
                                        "e",
                                        "a$"};

std::string random_text(Random& random) {
  std::string text;
  for (auto n = random.next_u64() % 24; n > 0; --n) text += kPieces[random.next_u64() % std::size(kPieces)];
  return text;
}

TEST_CASE("redacting what is redacted changes neither text nor fingerprint") {
  SeededRandom random(20261128);
  for (int round = 0; round < 40'000; ++round) {
    const std::string text = random_text(random);
    CAPTURE(escaped(text));
    const SqlText once = scan_sql(text);
    const SqlText twice = scan_sql(once.redacted);
    REQUIRE(escaped(twice.redacted) == escaped(once.redacted));
    REQUIRE(twice.fingerprint == once.fingerprint);
    REQUIRE(is_utf8(once.redacted));
    const SqlText cut = scan_sql(text, 16);
    REQUIRE(cut.redacted.size() <= 16);
    REQUIRE(escaped(scan_sql(cut.redacted, 16).redacted) == escaped(cut.redacted));
  }
}

TEST_CASE("no constant of a generated statement survives") {
  constexpr std::string_view kConstants[] = {"'canary'",    "E'a\\'canary'", "$x$canary$x$",       "$$canary$$",
                                             "U&'canary'",  "'a''canary'",   "'canary\\\\'",       "123canary",
                                             "-- canary\n", "/* canary */",  "/*app='canary@x'*/", "'canary\\'"};
  constexpr std::string_view kAround[] = {"SELECT ", "a",  ", ", "(",        ")",     " = ", "IN (", "::text ",
                                          "\n",      "$1", ";",  "SET x = ", "\"Q\"", "-",   "x",    "b.c "};
  SeededRandom random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      text += kAround[random.next_u64() % std::size(kAround)];
      if (random.next_u64() % 3 == 0) text += " " + std::string(kConstants[random.next_u64() % std::size(kConstants)]) + " ";
    }
    CAPTURE(escaped(text));
    REQUIRE(scan_sql(text).redacted.find("canary") == std::string::npos);
  }
}

TEST_CASE("no canary of the corpus survives") {
  std::ifstream file(std::filesystem::path(PGA_SOURCE_DIR) / "src/sql/testdata/canaries.jsonl");
  std::size_t statements = 0;
  for (std::string line; std::getline(file, line);) {
    const boost::json::value entry = boost::json::parse(line);
    if (entry.at("kind").as_string() == "log") continue;  // for the readers of logs
    ++statements;
    const std::string_view text = entry.at("text").as_string();
    CAPTURE(text);
    std::string redacted = scan_sql(text).redacted;
    CAPTURE(redacted);
    std::erase(redacted, '_');
    std::transform(redacted.begin(), redacted.end(), redacted.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    for (const char* canary : {"cana", "70717273", "63616e617279"}) CHECK(redacted.find(canary) == std::string::npos);
  }
  CHECK(statements >= 500);
}

}  // namespace
}  // namespace pga::sql
