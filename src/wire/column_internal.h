// The data of one column: docs/wire.md, section "Column".
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace pga::wire {

// Written to the wire; the values never change.
enum class Encoding : std::uint8_t { kAllNull = 0, kConstant = 1, kPlain = 2, kDelta = 3, kSparse = 4, kZero = 5, kBytes = 6 };
inline constexpr std::size_t kEncodingCount = 7;

// The head byte of a column: its encoding in the low five bits, and
inline constexpr std::uint8_t kEncodingMask = 0x1f;
inline constexpr std::uint8_t kNumbersBit = 0x20;    // cells are ids of the dictionary's numbers
inline constexpr std::uint8_t kReferenceBit = 0x40;  // cells are differences to an earlier column
inline constexpr std::uint8_t kPresenceBit = 0x80;   // a bitmap says which rows have a cell

// How a batch says which slots of the table of keys its rows have.
enum class SlotForm : std::uint8_t { kAll = 0, kBitmap = 1, kColumn = 2 };

inline std::size_t bitmap_bytes(std::size_t bits) { return (bits + 7) / 8; }

inline std::int64_t wrapping_sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
inline std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

// Bytes of a zigzag varint.
inline std::size_t svarint_bytes(std::int64_t value) { return (static_cast<std::size_t>(std::bit_width(zigzag(value) | 1)) * 9 + 64) / 64; }

// Appends lowest-bit-first bits of `flags` (each 0 or 1).
void write_bitmap(std::span<const std::uint8_t> flags, ByteWriter& out);

// The encoding of fewest bytes for values that are all present, and that number; kDelta only where asked for. O(n). An empty span is
// kAllNull.
struct Choice {
  Encoding encoding = Encoding::kAllNull;
  std::size_t bytes = 0;
};
Choice choose_encoding(std::span<const std::int64_t> values, bool try_delta);

// Appends the data of `values`, which are `choice.bytes` bytes.
void encode_values(std::span<const std::int64_t> values, Choice choice, ByteWriter& out);

// Fewest bytes that `count` cells can have.
std::size_t encoded_bytes_min(Encoding encoding, std::size_t count);

// Reads values.size() cells. The reader is at the data; fails with its offset.
Status decode_values(ByteReader& in, Encoding encoding, std::span<std::int64_t> values);

// Reads a bitmap into flags of 0 or 1 and counts the ones. Fails if an unused bit is set.
Result<std::size_t> decode_bitmap(ByteReader& in, std::span<std::uint8_t> flags);

}  // namespace pga::wire
