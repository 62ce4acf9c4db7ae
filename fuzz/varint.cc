// Bounded reads of varints and strings: whatever is accepted is minimal, so writing it again gives the same bytes.
#include "base/bytes.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pga;
  const ByteView bytes = std::as_bytes(std::span(data, size));
  ByteReader in(bytes);
  while (in.left() > 0) {
    const std::size_t at = in.at();
    ByteReader same = in;
    ByteWriter out;
    if (const auto text = same.string(100)) {
      out.string(*text);
      PGA_CHECK(as_text(out.view()) == as_text(bytes.subspan(at, same.at() - at)));
    } else {
      PGA_CHECK(same.at() == at);
    }
    const auto value = in.signed_varint();
    if (!value) {
      PGA_CHECK(in.at() == at);
      break;
    }
    out.clear();
    out.signed_varint(*value);
    PGA_CHECK(as_text(out.view()) == as_text(bytes.subspan(at, in.at() - at)));
  }
  return 0;
}
