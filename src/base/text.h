// Small conversions of text that several libraries need.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace pga {

std::string to_hex(ByteView bytes);
std::string to_hex(std::uint64_t value);                       // 16 digits
std::optional<std::uint64_t> parse_hex_u64(std::string_view);  // 1 to 16 digits, nothing else

std::string to_base64url(ByteView bytes);              // RFC 4648 section 5, without padding
Result<Bytes> parse_base64url(std::string_view text);  // refuses padding, other characters, and non-canonical endings

bool is_utf8(std::string_view text);
std::string to_valid_utf8(std::string_view text);  // each broken byte becomes U+FFFD; NUL too

// "256MiB", "64k", "1GiB", "4096" -> bytes; "10s", "5m", "1h", "7d", "250ms" -> microseconds.
Result<std::uint64_t> parse_bytes(std::string_view text);
Result<std::int64_t> parse_duration_us(std::string_view text);

// The candidate nearest to `word` by edit distance, or nothing if none is near (for "did you mean").
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// Constant-time equality, for tokens and digests.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace pga
