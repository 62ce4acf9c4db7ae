#include "base/text.h"

#include <doctest/doctest.h>

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
