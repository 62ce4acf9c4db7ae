// Bounded reading and writing of little-endian integers, varints and byte strings. Every read checks what is left first.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"

namespace pga {

static_assert(std::endian::native == std::endian::little, "integers are copied to and from little-endian formats");

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view as_text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

inline constexpr std::uint64_t zigzag(std::int64_t v) { return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63); }
inline constexpr std::int64_t unzigzag(std::uint64_t v) { return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1); }

class ByteWriter {
 public:
  template <class T>
    requires std::is_integral_v<T>
  void fixed(T value) {
    const auto at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void varint(std::uint64_t value);  // LEB128, minimal, at most 10 bytes
  void signed_varint(std::int64_t value) { varint(zigzag(value)); }
  void raw(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  // Room for `n` more bytes, which the caller fills; valid until the next write.
  std::byte* extend(std::size_t n) {
    bytes_.resize(bytes_.size() + n);
    return bytes_.data() + bytes_.size() - n;
  }
  void string(std::string_view text);  // varint length, then the bytes
  template <class T>
    requires std::is_integral_v<T>
  void patch(std::size_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] ByteView view() const { return bytes_; }
  Bytes take() { return std::move(bytes_); }
  void clear() { bytes_.clear(); }

 private:
  Bytes bytes_;
};

// Reads from the front. A failed read leaves the position where it was; errors name the offset.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  template <class T>
    requires std::is_integral_v<T>
  Result<T> fixed() {
    if (left() < sizeof(T)) return cut_short("integer", sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  Result<std::uint64_t> varint();
  Result<std::int64_t> signed_varint();
  Result<ByteView> raw(std::size_t n);
  Result<std::string_view> string(std::size_t bytes_max);
  // A count of things of at least `bytes_each` bytes: refused before allocation if they cannot be in what is left.
  Result<std::size_t> count(std::size_t bytes_each, std::size_t count_max, std::string_view what);

  [[nodiscard]] ByteView rest() const { return bytes_.subspan(at_); }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

 private:
  [[nodiscard]] Error cut_short(std::string_view what, std::size_t need) const;

  ByteView bytes_;
  std::size_t at_ = 0;
};

}  // namespace pga
