// The data of columns. First byte even: bytes of an encoding as they are, and what is read says the same after it was written again. Odd:
// the bytes are the cells, and every choice brings them back.
#include "base/check.h"
#include "wire/column_internal.h"

namespace {

using namespace pga;
using namespace pga::wire;

void round_trip(std::span<const std::int64_t> values, bool try_delta) {
  const Choice choice = choose_encoding(values, try_delta);
  ByteWriter out;
  encode_values(values, choice, out);
  PGA_CHECK(out.size() == choice.bytes);
  ByteReader in(out.view());
  std::vector<std::int64_t> got(values.size());
  PGA_CHECK(decode_values(in, choice.encoding, got).has_value());
  PGA_CHECK(in.left() == 0 && std::equal(got.begin(), got.end(), values.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(3);
  if (data[0] % 2 != 0) {
    // Each cell is a byte for its width and so many bytes: small, large and repeated ones are all near.
    std::vector<std::int64_t> values;
    for (std::size_t at = 0; at < input.size();) {
      const std::size_t width = std::min<std::size_t>(static_cast<std::size_t>(input[at]) % 9, input.size() - at - 1);
      std::int64_t value = 0;
      std::memcpy(&value, input.data() + at + 1, width);
      values.push_back((static_cast<unsigned>(input[at]) & 0x80) != 0 ? wrapping_difference(0, value) : value);
      at += 1 + width;
    }
    round_trip(values, data[1] % 2 != 0);
    return 0;
  }
  const auto encoding = static_cast<Encoding>(data[0] / 2 % kEncodingCount);
  std::vector<std::int64_t> values(1 + data[1] + data[2] % 4 * 256U);
  ByteReader in(input);
  if (encoded_bytes_min(encoding, values.size()) > in.left()) return 0;
  if (!decode_values(in, encoding, values)) return 0;
  round_trip(values, true);
  std::vector<std::uint8_t> flags(values.size());
  ByteReader bitmap(input);
  if (const auto ones = decode_bitmap(bitmap, flags)) {
    PGA_CHECK(*ones == static_cast<std::size_t>(std::count(flags.begin(), flags.end(), 1)));
    ByteWriter out;
    write_bitmap(flags, out);
    PGA_CHECK(std::equal(out.view().begin(), out.view().end(), input.begin()));
  }
  return 0;
}
