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

// For people, in logs and errors. What could forge or hide text is written as an escape: control characters, broken UTF-8, and the
// characters that turn the direction of what follows.
std::string escaped(std::string_view text);
// The same in double quotes, with those inside escaped too: for text from outside in the middle of a sentence of ours.
std::string in_quotes(std::string_view text);

// Hides what stands between ':' and '@' of anything that looks like user information of a URI, and what is behind password= in what looks
// like a connection string. For messages that repeat a value which an operator may have put in the wrong place; rather hides too much than
// too little.
std::string without_passwords(std::string_view text);

// "256MiB", "64k", "1GiB", "4096" -> bytes; "10s", "5m", "1h", "7d", "250ms" -> microseconds.
Result<std::uint64_t> parse_bytes(std::string_view text);
Result<std::int64_t> parse_duration_us(std::string_view text);

// The candidate nearest to `word` by edit distance, or nothing if none is near (for "did you mean").
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

// Constant-time equality, for tokens and digests.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace pga
