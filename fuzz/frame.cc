// A frame that decodes says the same after encoding again and by way of JSON. The first byte chooses: 0 the whole frame, else a
// payload behind a valid header, since no mutation gets past the check value.
#include "base/check.h"
#include "wire/codec_internal.h"
#include "wire/json_twin.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pga;
  using namespace pga::wire;
  static Decoder decoder;
  static Encoder encoder({Codec::kNone, 0});
  if (size == 0) return 0;
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  Bytes bytes(data[0] == 0 ? 0 : kHeaderBytes);
  bytes.insert(bytes.end(), input.begin(), input.end());
  if (data[0] != 0) write_alone_header(bytes);

  const auto frame = decoder.decode(bytes);
  if (!frame) return 0;
  const auto again = encoder.encode(*frame);
  PGA_CHECK(again.has_value());
  const auto back = decoder.decode(*again);
  PGA_CHECK(back.has_value() && same_content(*frame, *back));
  PGA_CHECK(*encoder.encode(*back) == *again);
  if (frame->row_count() > 10'000) return 0;
  const auto text = to_json(*frame);
  PGA_CHECK(text.has_value());
  const auto twin = from_json(*text);
  PGA_CHECK(twin.has_value() && same_content(*frame, *twin));
  return 0;
}
