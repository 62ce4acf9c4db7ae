#include "base/bytes.h"

#include <doctest/doctest.h>

#include <limits>

namespace pga {
namespace {

Bytes bytes(std::initializer_list<int> values) {
  Bytes out;
  for (const int v : values) out.push_back(static_cast<std::byte>(v));
  return out;
}

TEST_CASE("varint refuses every malformed shape and leaves the reader where it was") {
  struct Case {
    const char* what;
    Bytes input;
    const char* error;
  };
  const Case cases[] = {
      {"nothing", bytes({}), "offset 0: varint is cut short"},
      {"cut after a continuation byte", bytes({0x80}), "offset 0: varint is cut short"},
      {"zero padded to two bytes", bytes({0x80, 0x00}), "offset 0: varint is not minimal"},
      {"65 bits", bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}), "offset 0: varint exceeds 64 bits"},
      {"eleven bytes", bytes({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0x00}), "offset 0: varint exceeds 64 bits"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    ByteReader in(c.input);
    const auto got = in.varint();
    REQUIRE(!got);
    CHECK(got.error().message == c.error);
    CHECK(in.at() == 0);
  }
}

TEST_CASE("varints survive a round trip around every power of two") {
  for (int shift = 0; shift < 64; ++shift) {
    for (const std::int64_t d : {-1, 0, 1}) {
      const std::uint64_t value = (std::uint64_t{1} << shift) + static_cast<std::uint64_t>(d);
      ByteWriter out;
      out.varint(value);
      out.signed_varint(static_cast<std::int64_t>(value));
      ByteReader in(out.view());
      CHECK(*in.varint() == value);
      CHECK(*in.signed_varint() == static_cast<std::int64_t>(value));
      CHECK(in.left() == 0);
    }
  }
}

TEST_CASE("a count that cannot be in the bytes left is refused before anything is allocated") {
  ByteWriter out;
  out.varint(1'000'000);
  ByteReader in(out.view());
  const auto got = in.count(1, 2'000'000, "rows");
  REQUIRE(!got);
  CHECK(got.error().message == "offset 0: 1000000 rows cannot be in the 0 bytes left");
  const auto limited = in.count(0, 10, "rows");
  REQUIRE(!limited);
  CHECK(limited.error().code == ErrorCode::kTooLarge);
}

TEST_CASE("a string longer than its limit or than what is left is refused in place") {
  ByteWriter out;
  out.string("hello");
  ByteReader in(out.view());
  CHECK(in.string(4).error().message == "offset 0: string of 5 bytes exceeds the limit of 4");
  CHECK(in.at() == 0);
  CHECK(*in.string(5) == "hello");
  ByteReader cut(out.view().first(3));
  CHECK(!cut.string(100));
  CHECK(cut.at() == 0);
}

}  // namespace
}  // namespace pga
