// JSON that is a frame says the same after writing it again and by way of the binary form.
#include "wire/json_twin.h"
#include "base/check.h"
#include "wire/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pga;
  using namespace pga::wire;
  static Decoder decoder;
  static Encoder encoder;
  const auto frame = from_json(as_text(std::as_bytes(std::span(data, size))));
  if (!frame) return 0;
  const auto again = from_json(*to_json(*frame));
  PGA_CHECK(again.has_value() && same_content(*frame, *again));
  const auto bytes = encoder.encode(*frame);
  PGA_CHECK(bytes.has_value());
  const auto back = decoder.decode(*bytes);
  PGA_CHECK(back.has_value() && same_content(*frame, *back));
  return 0;
}
