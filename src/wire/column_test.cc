#include "wire/column_internal.h"

#include <doctest/doctest.h>

#include <limits>
#include <random>

namespace pga::wire {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

Bytes encode(std::span<const std::int64_t> values, Choice choice) {
  ByteWriter out;
  encode_values(values, choice, out);
  CHECK(out.size() == choice.bytes);
  return out.take();
}

TEST_CASE("the encoding with the fewest bytes is chosen, the lower number among equals") {
  struct Case {
    const char* what;
    std::vector<std::int64_t> values;
    Encoding encoding;
    std::size_t bytes;
  };
  const Case cases[] = {
      {"no cells", {}, Encoding::kAllNull, 0},
      {"one cell", {300}, Encoding::kConstant, 2},
      {"all zero", {0, 0, 0, 0}, Encoding::kZero, 0},
      {"all the same", {kMin, kMin}, Encoding::kConstant, 10},
      {"small numbers of both signs", {1, -2, 3, -64}, Encoding::kPlain, 4},
      {"slowly rising", {1'000'000, 1'000'001, 1'000'003}, Encoding::kDelta, 5},
      {"mostly zero", {0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, Encoding::kSparse, 3},
      {"jumps over the whole range", {kMin, kMax, kMin, kMax}, Encoding::kDelta, 13},
      {"all 64 bits used", {kMin, kMax / 3, kMin / 7, kMax}, Encoding::kBytes, 32},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const Choice choice = choose_encoding(c.values, true);
    CHECK(choice.encoding == c.encoding);
    CHECK(choice.bytes == c.bytes);
  }
}

TEST_CASE("every encoding survives a round trip, whatever the values") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::int64_t> values(1 + random() % 70);
    const unsigned shift = static_cast<unsigned>(random() % 64);
    for (std::int64_t& v : values) v = random() % 3 == 0 ? 0 : static_cast<std::int64_t>(random() >> shift) * (random() % 2 == 0 ? 1 : -1);
    const Choice choice = choose_encoding(values, round % 2 == 0);
    const Bytes bytes = encode(values, choice);
    ByteReader in(bytes);
    std::vector<std::int64_t> got(values.size());
    REQUIRE(decode_values(in, choice.encoding, got));
    CHECK(got == values);
    CHECK(in.left() == 0);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      ByteReader part(ByteView(bytes).first(cut));
      CHECK(!decode_values(part, choice.encoding, got));
    }
  }
}

TEST_CASE("malformed data of a column is refused with its offset") {
  struct Case {
    const char* what;
    Encoding encoding;
    std::size_t cells;
    std::vector<int> bytes;
    const char* error;
  };
  const Case cases[] = {
      {"a constant that is missing", Encoding::kConstant, 3, {}, "offset 0: varint is cut short"},
      {"plain, one cell too few", Encoding::kPlain, 3, {2, 4}, "offset 2: varint is cut short"},
      {"plain, not minimal", Encoding::kPlain, 2, {2, 0x80, 0x00}, "offset 1: varint is not minimal"},
      {"delta, 65 bits",
       Encoding::kDelta,
       1,
       {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
       "offset 0: varint exceeds 64 bits"},
      {"sparse without its bitmap", Encoding::kSparse, 9, {1}, "offset 0: block of 2 bytes is cut short, 1 left"},
      {"sparse with an unused bit", Encoding::kSparse, 3, {0x09, 2, 2}, "offset 0: an unused bit of the bitmap is set"},
      {"sparse with a zero", Encoding::kSparse, 3, {0x03, 2, 0}, "offset 2: a cell marked as not zero is zero"},
      {"sparse, cut", Encoding::kSparse, 3, {0x03, 2}, "offset 2: varint is cut short"},
      {"bytes, one too few", Encoding::kBytes, 1, {1, 2, 3, 4, 5, 6, 7}, "offset 0: block of 8 bytes is cut short, 7 left"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Bytes bytes;
    for (const int b : c.bytes) bytes.push_back(static_cast<std::byte>(b));
    ByteReader in(bytes);
    std::vector<std::int64_t> values(c.cells);
    const auto got = decode_values(in, c.encoding, values);
    REQUIRE(!got);
    CHECK(got.error().message == c.error);
  }
}

TEST_CASE("a bitmap has its lowest bit first and refuses unused bits") {
  const std::vector<std::uint8_t> flags{1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
  ByteWriter out;
  write_bitmap(flags, out);
  Bytes bytes = out.take();
  CHECK(bytes == Bytes{std::byte{0x09}, std::byte{0x02}});
  std::vector<std::uint8_t> got(10);
  ByteReader in(bytes);
  CHECK(*decode_bitmap(in, got) == 3);
  CHECK(got == flags);
  bytes[1] = std::byte{0x06};
  ByteReader bad(bytes);
  CHECK(decode_bitmap(bad, got).error().message == "offset 1: an unused bit of the bitmap is set");
}

}  // namespace
}  // namespace pga::wire
