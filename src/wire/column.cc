#include <algorithm>
#include <bit>

#include "wire/column_internal.h"

namespace pga::wire {
namespace {

std::byte* put_svarint(std::byte* at, std::int64_t value) {
  std::uint64_t v = zigzag(value);
  for (; v >= 0x80; v >>= 7) *at++ = static_cast<std::byte>(v | 0x80);
  *at++ = static_cast<std::byte>(v);
  return at;
}

// Reads the rest of an svarint of more than one byte; nullptr where it is malformed. ByteReader::varint names the fault then.
const std::byte* get_long_svarint(const std::byte* at, const std::byte* end, std::int64_t& value) {
  std::uint64_t v = 0;
  for (int shift = 0; shift < 70 && at != end; shift += 7) {
    const auto byte = static_cast<std::uint64_t>(*at++);
    if (shift == 63 && byte > 1) return nullptr;
    v |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (byte == 0) return nullptr;  // not minimal: one byte alone is not read here
      value = unzigzag(v);
      return at;
    }
  }
  return nullptr;
}

inline const std::byte* get_svarint(const std::byte* at, const std::byte* end, std::int64_t& value) {
  if (end - at >= 3) {  // nine of ten are of one to three bytes
    const auto b0 = static_cast<std::uint64_t>(at[0]);
    if (b0 < 0x80) {
      value = unzigzag(b0);
      return at + 1;
    }
    const auto b1 = static_cast<std::uint64_t>(at[1]);
    if (b1 < 0x80 && b1 != 0) {
      value = unzigzag((b0 & 0x7f) | b1 << 7);
      return at + 2;
    }
    const auto b2 = static_cast<std::uint64_t>(at[2]);
    if (b1 >= 0x80 && b2 < 0x80 && b2 != 0) {
      value = unzigzag((b0 & 0x7f) | (b1 & 0x7f) << 7 | b2 << 14);
      return at + 3;
    }
  } else if (at != end && (*at & std::byte{0x80}) == std::byte{0}) {
    value = unzigzag(static_cast<std::uint64_t>(*at));
    return at + 1;
  }
  return get_long_svarint(at, end, value);
}

Status unused_bit(std::size_t offset) { return corrupt("offset " + std::to_string(offset) + ": an unused bit of the bitmap is set"); }

bool has_unused_bit(ByteView bitmap, std::size_t bits) {
  const std::size_t used = bits % 8;
  return used != 0 && static_cast<unsigned>(bitmap.back()) >> used != 0;
}

}  // namespace

void write_bitmap(std::span<const std::uint8_t> flags, ByteWriter& out) {
  std::byte* const at = out.extend(bitmap_bytes(flags.size()));
  for (std::size_t i = 0; i < flags.size(); i += 8) {
    unsigned byte = 0;
    for (std::size_t bit = 0; bit < 8 && i + bit < flags.size(); ++bit) byte |= static_cast<unsigned>(flags[i + bit]) << bit;
    at[i / 8] = static_cast<std::byte>(byte);
  }
}

Choice choose_encoding(std::span<const std::int64_t> values, bool try_delta) {
  if (values.empty()) return {Encoding::kAllNull, 0};
  std::size_t zeros = 0;
  std::uint64_t differs = 0;
  std::uint64_t widest = 0;
  const std::int64_t first = values.front();
  for (const std::int64_t value : values) {
    zeros += value == 0 ? 1 : 0;
    differs |= static_cast<std::uint64_t>(value ^ first);
    widest |= zigzag(value);
  }
  if (zeros == values.size()) return {Encoding::kZero, 0};
  if (differs == 0) return {Encoding::kConstant, svarint_bytes(first)};
  std::size_t plain = values.size();
  if (widest >= 0x80) {
    plain = 0;
    for (const std::int64_t value : values) plain += svarint_bytes(value);
  }
  Choice best{Encoding::kPlain, plain};
  if (try_delta && widest >= 0x80) {
    std::size_t delta = 0;
    std::int64_t before = 0;
    for (const std::int64_t value : values) {
      delta += svarint_bytes(wrapping_difference(value, before));
      before = value;
    }
    if (delta < best.bytes) best = {Encoding::kDelta, delta};
  }
  const std::size_t sparse = bitmap_bytes(values.size()) + plain - zeros;
  if (sparse < best.bytes) best = {Encoding::kSparse, sparse};
  if (8 * values.size() < best.bytes) best = {Encoding::kBytes, 8 * values.size()};
  return best;
}

void encode_values(std::span<const std::int64_t> values, Choice choice, ByteWriter& out) {
  std::byte* at = out.extend(choice.bytes);
  switch (choice.encoding) {
    case Encoding::kAllNull:
    case Encoding::kZero:
      break;
    case Encoding::kConstant:
      put_svarint(at, values.front());
      break;
    case Encoding::kPlain:
      for (const std::int64_t value : values) at = put_svarint(at, value);
      break;
    case Encoding::kDelta: {
      std::int64_t before = 0;
      for (const std::int64_t value : values) {
        at = put_svarint(at, wrapping_difference(value, before));
        before = value;
      }
      break;
    }
    case Encoding::kSparse: {
      std::byte* const bitmap = at;
      at += bitmap_bytes(values.size());
      std::fill(bitmap, at, std::byte{0});
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (values[i] == 0) continue;
        bitmap[i / 8] |= static_cast<std::byte>(1 << (i % 8));
        at = put_svarint(at, values[i]);
      }
      break;
    }
    case Encoding::kBytes:
      for (unsigned shift = 0; shift < 64; shift += 8) {
        for (const std::int64_t value : values) *at++ = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> shift);
      }
      break;
  }
}

std::size_t encoded_bytes_min(Encoding encoding, std::size_t count) {
  switch (encoding) {
    case Encoding::kAllNull:
    case Encoding::kZero:
      return 0;
    case Encoding::kConstant:
      return 1;
    case Encoding::kPlain:
    case Encoding::kDelta:
      return count;
    case Encoding::kSparse:
      return bitmap_bytes(count);
    case Encoding::kBytes:
      return 8 * count;
  }
  return 0;
}

Status decode_values(ByteReader& in, Encoding encoding, std::span<std::int64_t> values) {
  if (encoding == Encoding::kAllNull) return {};
  if (encoding == Encoding::kZero || encoding == Encoding::kConstant) {
    std::int64_t value = 0;
    if (encoding == Encoding::kConstant) {
      PGA_TRY(value, in.signed_varint());
    }
    std::ranges::fill(values, value);
    return {};
  }
  if (encoding == Encoding::kBytes) {
    PGA_TRY(const ByteView bytes, in.raw(8 * values.size()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint64_t value = 0;
      for (std::size_t byte = 0; byte < 8; ++byte) value |= static_cast<std::uint64_t>(bytes[byte * values.size() + i]) << (8 * byte);
      values[i] = static_cast<std::int64_t>(value);
    }
    return {};
  }
  ByteView bitmap;
  if (encoding == Encoding::kSparse) {
    const std::size_t at = in.at();
    PGA_TRY(bitmap, in.raw(bitmap_bytes(values.size())));
    if (!bitmap.empty() && has_unused_bit(bitmap, values.size())) return unused_bit(at + bitmap.size() - 1);
  }

  const ByteView rest = in.rest();
  const std::byte* at = rest.data();
  const std::byte* const end = at + rest.size();
  const std::byte* fault = nullptr;
  bool zero = false;
  if (encoding == Encoding::kSparse) {
    std::ranges::fill(values, 0);
    for (std::size_t i = 0; i < bitmap.size() && fault == nullptr; ++i) {
      for (auto bits = static_cast<unsigned>(bitmap[i]); bits != 0; bits &= bits - 1) {
        std::int64_t& value = values[8 * i + static_cast<std::size_t>(std::countr_zero(bits))];
        const std::byte* const next = get_svarint(at, end, value);
        zero = next != nullptr && value == 0;
        if (next == nullptr || zero) {
          fault = at;
          break;
        }
        at = next;
      }
    }
  } else {
    std::uint64_t before = 0;
    const bool delta = encoding == Encoding::kDelta;
    for (std::int64_t& value : values) {
      const std::byte* const next = get_svarint(at, end, value);
      if (next == nullptr) {
        fault = at;
        break;
      }
      if (delta) value = static_cast<std::int64_t>(before += static_cast<std::uint64_t>(value));
      at = next;
    }
  }
  if (fault != nullptr) {
    (void)in.raw(static_cast<std::size_t>(fault - rest.data()));
    if (zero) return corrupt("offset " + std::to_string(in.at()) + ": a cell marked as not zero is zero");
    return in.varint().error();
  }
  (void)in.raw(static_cast<std::size_t>(at - rest.data()));
  return {};
}

Result<std::size_t> decode_bitmap(ByteReader& in, std::span<std::uint8_t> flags) {
  const std::size_t at = in.at();
  PGA_TRY(const ByteView bitmap, in.raw(bitmap_bytes(flags.size())));
  std::size_t ones = 0;
  for (std::size_t i = 0; i < flags.size(); ++i) {
    flags[i] = static_cast<std::uint8_t>((static_cast<unsigned>(bitmap[i / 8]) >> (i % 8)) & 1);
    ones += flags[i];
  }
  if (!bitmap.empty() && has_unused_bit(bitmap, flags.size())) return unused_bit(at + bitmap.size() - 1).error();
  return ones;
}

}  // namespace pga::wire
