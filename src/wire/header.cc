#define XXH_STATIC_LINKING_ONLY  // the state on the stack
#include <xxhash.h>

#include "base/check.h"
#include "base/text.h"
#include "wire/codec_internal.h"
#include "wire/limits.h"

namespace pga::wire {

std::string_view sendable_text(std::string_view text, std::string& replaced) {
  if (!is_utf8(text)) text = replaced = to_valid_utf8(text);
  if (text.size() <= kStringBytesMax) return text;
  std::size_t bytes = kStringBytesMax;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::uint64_t frame_check(ByteView frame) {
  PGA_CHECK(frame.size() >= kHeaderBytes);
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, frame.data(), kCheckAt);
  XXH3_64bits_update(&state, frame.data() + kHeaderBytes, frame.size() - kHeaderBytes);
  return XXH3_64bits_digest(&state);
}

std::uint64_t write_header(Bytes& frame, const FrameHeader& header) {
  const std::size_t before_payload = header.bytes();
  PGA_CHECK(frame.size() >= before_payload);
  ByteWriter out;
  out.fixed(kMagic);
  out.fixed(kVersion);
  out.fixed(header.builds_on != 0 ? kBuildsOnFlag : std::uint8_t{0});
  out.fixed(header.ignorable_flags);
  out.fixed(static_cast<std::uint8_t>(header.codec));
  out.fixed(static_cast<std::uint32_t>(frame.size() - before_payload));
  out.fixed(header.decoded_bytes);
  out.fixed(header.epoch);
  out.fixed(header.sequence);
  PGA_CHECK(out.size() == kCheckAt);
  std::memcpy(frame.data(), out.view().data(), kCheckAt);
  if (header.builds_on != 0) std::memcpy(frame.data() + kHeaderBytes, &header.builds_on, kStateBytes);
  const std::uint64_t check = frame_check(frame);
  std::memcpy(frame.data() + kCheckAt, &check, sizeof check);
  return check;
}

std::size_t FrameHeader::bytes() const { return kHeaderBytes + (builds_on != 0 ? kStateBytes : 0); }

Result<FrameHeader> peek_header(ByteView bytes) {
  if (bytes.size() > kFrameBytesMax) {
    return too_large("frame of " + std::to_string(bytes.size()) + " bytes exceeds the limit of " + std::to_string(kFrameBytesMax));
  }
  if (bytes.size() < kHeaderBytes)
    return corrupt("frame of " + std::to_string(bytes.size()) + " bytes is shorter than its header of " + std::to_string(kHeaderBytes));
  ByteReader in(bytes);
  FrameHeader header;
  PGA_TRY(const auto magic, in.fixed<std::uint32_t>());
  if (magic != kMagic)
    return corrupt("offset 0: no frame, it begins with " + to_hex(bytes.first(4)) + " instead of " + to_hex(as_bytes("PGAF")));
  PGA_TRY(header.version, in.fixed<std::uint8_t>());
  if (header.version != kVersion)
    return invalid("offset 4: frame of version " + std::to_string(header.version) + ", this program reads version 1");
  PGA_TRY(const auto must_understand, in.fixed<std::uint8_t>());
  if ((must_understand & ~kBuildsOnFlag) != 0)
    return invalid("offset 5: must-understand flags " + std::to_string(must_understand) + ", this program knows " +
                   std::to_string(kBuildsOnFlag));
  PGA_TRY(const auto ignorable, in.fixed<std::uint8_t>());
  header.ignorable_flags = ignorable;
  PGA_TRY(const auto codec, in.fixed<std::uint8_t>());
  if (codec > static_cast<std::uint8_t>(Codec::kZstd))
    return invalid("offset 7: codec " + std::to_string(codec) + ", this program knows 0 and 1");
  header.codec = static_cast<Codec>(codec);
  PGA_TRY(header.payload_bytes, in.fixed<std::uint32_t>());
  PGA_TRY(header.decoded_bytes, in.fixed<std::uint32_t>());
  PGA_TRY(header.epoch, in.fixed<std::uint64_t>());
  PGA_TRY(header.sequence, in.fixed<std::uint64_t>());
  PGA_TRY(header.check, in.fixed<std::uint64_t>());
  if (must_understand != 0) {
    PGA_TRY(header.builds_on, in.fixed<std::uint64_t>());
    if (header.builds_on == 0) return corrupt("offset 40: the frame builds on a dictionary without content");
  }
  if (header.payload_bytes > kFrameBytesMax - kHeaderBytes) {
    return too_large("offset 8: payload of " + std::to_string(header.payload_bytes) + " bytes exceeds the limit of " +
                     std::to_string(kFrameBytesMax - kHeaderBytes));
  }
  if (header.decoded_bytes > kDecodedBytesMax) {
    return too_large("offset 12: decoded payload of " + std::to_string(header.decoded_bytes) + " bytes exceeds the limit of " +
                     std::to_string(kDecodedBytesMax));
  }
  if (header.codec == Codec::kZstd && header.decoded_bytes > decoded_bytes_max(header.payload_bytes)) {
    return too_large("offset 12: decoded payload of " + std::to_string(header.decoded_bytes) + " bytes from " +
                     std::to_string(header.payload_bytes) + " sent exceeds the limit of " +
                     std::to_string(decoded_bytes_max(header.payload_bytes)));
  }
  if (header.codec == Codec::kNone && header.decoded_bytes != header.payload_bytes) {
    return corrupt("offset 12: payload of " + std::to_string(header.payload_bytes) + " bytes without codec would decode to " +
                   std::to_string(header.decoded_bytes));
  }
  return header;
}

}  // namespace pga::wire
