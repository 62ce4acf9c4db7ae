#include "base/text.h"

#include <doctest/doctest.h>

#include "base/log.h"

namespace pga {
namespace {

TEST_CASE("base64url round-trips and refuses what is not canonical") {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    const auto back = parse_base64url(to_base64url(as_bytes(text)));
    REQUIRE(back);
    CHECK(as_text(*back) == text);
  }
  CHECK(to_base64url(as_bytes("foob")) == "Zm9vYg");
  CHECK(!parse_base64url("Zm9vYg=="));
  CHECK(!parse_base64url("Zm9vYh"));
  CHECK(!parse_base64url("Z"));
  CHECK(!parse_base64url("Zm9/"));
}

TEST_CASE("broken UTF-8 becomes replacement characters and good text stays as it is") {
  CHECK(to_valid_utf8("naïve 表") == "naïve 表");
  CHECK(to_valid_utf8("a\xff") == "a\xEF\xBF\xBD");
  CHECK(to_valid_utf8(std::string_view("a\0b", 3)) ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(!is_utf8("\xed\xa0\x80"));
  CHECK(!is_utf8("\xc0\xaf"));
  CHECK(is_utf8("\xf0\x9f\x90\x98"));
}

TEST_CASE("text from outside can neither forge a line, nor end a quotation, nor turn the direction") {
  CHECK(in_quotes("eve") == "\"eve\"");
  CHECK(in_quotes("naïve 表") == "\"naïve 表\"");
  CHECK(in_quotes("eve\" from 10.0.0.1: ok") == "\"eve\\\" from 10.0.0.1: ok\"");
  CHECK(in_quotes("eve\\") == "\"eve\\\\\"");
  CHECK(in_quotes("a\nb\r\x1b[31m\x7f") == "\"a\\nb\\x0d\\x1b[31m\\x7f\"");
  CHECK(in_quotes(std::string_view("\0", 1)) == "\"\\x00\"");
  CHECK(in_quotes("\xff\xc2\x9b\xe2\x80\xae\xe2\x80\xa8\xe2\x81\xa6") ==
        "\"\\xff\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x80\\xa8\\xe2\\x81\\xa6\"");
  CHECK(escaped("a \"b\" \\ c\td") == "a \"b\" \\ c\\x09d");
}

TEST_CASE("a password in the wrong place is not repeated, and what only looks a little like one is") {
  struct Case {
    const char* text;
    const char* shown;
  };
  const Case cases[] = {
      {"could not translate host name \"postgres://u:SECRET@db/x\" to address: Name or service not known",
       "could not translate host name \"postgres://u:***@db/x\" to address: Name or service not known"},
      {"host name \"postgresql://u:SEC@RET@db/x\" is", "host name \"postgresql://u:***@db/x\" is"},
      {"host name \"postgres://u:SEC/\"RE' T@db/x\" is", "host name \"postgres://u:***@db/x\" is"},
      {"host name \"postgres://u:SECRET\" is", "host name \"postgres://u:***\" is"},  // libpq cut it at a comma
      {"host name \"postgres://u@db/x\" is", "host name \"postgres://u@db/x\" is"},
      {"host name \"postgres://u@db:5432/x\" is", "host name \"postgres://u@db:5432/x\" is"},
      {"host name \"u:SECRET@db\" is", "host name \"u:***@db\" is"},
      {"u:SECRET@db", "u:***@db"},
      {"https://u:SECRET@db:8443/x: refused", "https://u:***@db:8443/x: refused"},
      {"https://db:8443/x: refused", "https://db:8443/x: refused"},
      {"requests go to https://127.0.0.1:8443 from now on", "requests go to https://127.0.0.1:8443 from now on"},
      {"database \"host=db password=SECRET user=u\" does not exist", "database \"host=db password=*** user=u\" does not exist"},
      {"database \"password=SECRET\" does not exist", "database \"password=***\" does not exist"},
      {"\"PassWord = 'SEC \\' RET' user=u\"", "\"PassWord = *** user=u\""},
      {"password='SECRET", "password=***"},
      {"sslpassword=SEC\"RET&x", "sslpassword=***"},
      {"postgres://db/x?user=u&password=SECRET", "postgres://db/x?user=u&password=***"},
      {"password authentication failed for user \"u\"", "password authentication failed for user \"u\""},
      {"check user and password_file of the target", "check user and password_file of the target"},
      {"FATAL: role \"u@x\" at 12:30: no", "FATAL: role \"u@x\" at 12:30: no"},
      {"", ""},
      {"@", "@"},
      {":@", ":***@"},
      {"password=", "password="},
      {"postgres://", "postgres://"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(without_passwords(c.text) == c.shown);
    CHECK(without_passwords(c.shown) == c.shown);
  }
}

TEST_CASE("a line of the log is one line, without passwords") {
  CHECK(log_line("api", "login of " + in_quotes("x\" from 10.0.0.1: ok\n[api] y") + ": refused") ==
        "[api] login of \"x\\\" from 10.0.0.1: ok\\n[api] y\": refused");
  CHECK(log_line("a\nb", "c\nd\x1b") == "[a\\nb] c\\nd\\x1b");
  CHECK(log_line("t", "host \"u:SECRET@db\"") == "[t] host \"u:***@db\"");
}

TEST_CASE("sizes and durations are read with their units and nothing else") {
  CHECK(*parse_bytes("256MiB") == 256ULL << 20);
  CHECK(*parse_bytes("64k") == 65536);
  CHECK(*parse_duration_us("10s") == 10'000'000);
  CHECK(*parse_duration_us("7d") == 7LL * 86'400'000'000);
  CHECK(!parse_duration_us("10"));
  CHECK(parse_duration_us("10 s").error().message == "\"10 s\" is not a duration such as 10s, 5m or 7d");
  CHECK(!parse_bytes("-1"));
  CHECK(!parse_bytes("99999999999999999999GiB"));
}

TEST_CASE("the nearest word is suggested only when it is near") {
  const std::vector<std::string> keys = {"targets", "server", "spool"};
  CHECK(nearest("tagets", keys) == "targets");
  CHECK(nearest("sever", keys) == "server");
  CHECK(!nearest("zzzzzz", keys));
}

TEST_CASE("hexadecimal of 64 bits round-trips") {
  CHECK(to_hex(std::uint64_t{0xdeadbeef}) == "00000000deadbeef");
  CHECK(parse_hex_u64("00000000deadbeef") == 0xdeadbeef);
  CHECK(!parse_hex_u64("xyz"));
  CHECK(!parse_hex_u64("12345678901234567"));
}

}  // namespace
}  // namespace pga
