#include "base/bytes.h"

namespace pga {

void ByteWriter::varint(std::uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<std::byte>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<std::byte>(value));
}

void ByteWriter::string(std::string_view text) {
  varint(text.size());
  raw(as_bytes(text));
}

Error ByteReader::cut_short(std::string_view what, std::size_t need) const {
  return corrupt("offset " + std::to_string(at_) + ": " + std::string(what) + " of " + std::to_string(need) + " bytes is cut short, " +
                 std::to_string(left()) + " left");
}

Result<std::uint64_t> ByteReader::varint() {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    if (i >= left()) return corrupt("offset " + std::to_string(at_) + ": varint is cut short");
    const auto byte = static_cast<std::uint8_t>(bytes_[at_ + i]);
    if (i == 9 && byte > 1) return corrupt("offset " + std::to_string(at_) + ": varint exceeds 64 bits");
    value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if ((byte & 0x80) == 0) {
      if (byte == 0 && i > 0) return corrupt("offset " + std::to_string(at_) + ": varint is not minimal");
      at_ += i + 1;
      return value;
    }
  }
  return corrupt("offset " + std::to_string(at_) + ": varint exceeds 10 bytes");
}

Result<std::int64_t> ByteReader::signed_varint() {
  PGA_TRY(const std::uint64_t value, varint());
  return unzigzag(value);
}

Result<ByteView> ByteReader::raw(std::size_t n) {
  if (left() < n) return cut_short("block", n);
  const ByteView block = bytes_.subspan(at_, n);
  at_ += n;
  return block;
}

Result<std::string_view> ByteReader::string(std::size_t bytes_max) {
  const std::size_t start = at_;
  PGA_TRY(const std::uint64_t length, varint());
  if (length > bytes_max) {
    at_ = start;
    return too_large("offset " + std::to_string(start) + ": string of " + std::to_string(length) + " bytes exceeds the limit of " +
                     std::to_string(bytes_max));
  }
  auto block = raw(static_cast<std::size_t>(length));
  if (!block) {
    at_ = start;
    return std::move(block).error();
  }
  return as_text(*block);
}

Result<std::size_t> ByteReader::count(std::size_t bytes_each, std::size_t count_max, std::string_view what) {
  const std::size_t start = at_;
  PGA_TRY(const std::uint64_t n, varint());
  if (n > count_max) {
    at_ = start;
    return too_large("offset " + std::to_string(start) + ": " + std::to_string(n) + " " + std::string(what) + " exceed the limit of " +
                     std::to_string(count_max));
  }
  if (bytes_each != 0 && n > left() / bytes_each) {
    const std::size_t left_now = left();
    at_ = start;
    return corrupt("offset " + std::to_string(start) + ": " + std::to_string(n) + " " + std::string(what) + " cannot be in the " +
                   std::to_string(left_now) + " bytes left");
  }
  return static_cast<std::size_t>(n);
}

}  // namespace pga
