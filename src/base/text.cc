#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace pga {
namespace {

constexpr std::string_view kBase64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Length of the well-formed UTF-8 sequence at the front of `text`, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && at(i) >= low && at(i) <= high;
  };
  const unsigned b = at(0);
  if (b < 0x80) return 1;
  if (b >= 0xC2 && b <= 0xDF) return continues(1) ? 2 : 0;
  if (b >= 0xE0 && b <= 0xEF) return continues(1, b == 0xE0 ? 0xA0 : 0x80, b == 0xED ? 0x9F : 0xBF) && continues(2) ? 3 : 0;
  if (b >= 0xF0 && b <= 0xF4) return continues(1, b == 0xF0 ? 0x90 : 0x80, b == 0xF4 ? 0x8F : 0xBF) && continues(2) && continues(3) ? 4 : 0;
  return 0;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

constexpr std::string_view kMask = "***";

void append_hex(std::string& out, std::string_view bytes) {
  for (const char c : bytes) out += "\\x" + to_hex(as_bytes(std::string_view(&c, 1)));
}

// U+0080 to U+009F, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069.
bool is_unfit(std::string_view character) {
  if (character.size() == 1) return static_cast<unsigned char>(character[0]) < 0x20 || character[0] == 0x7f;
  const auto last = static_cast<unsigned char>(character.back());
  if (character.size() == 2) return character[0] == '\xC2' && last < 0xA0;
  if (character.starts_with("\xE2\x80")) return last == 0x8E || last == 0x8F || (last >= 0xA8 && last <= 0xAE);
  return character.starts_with("\xE2\x81") && last >= 0xA6 && last <= 0xA9;
}

std::string escape(std::string_view text, std::string_view also) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(n, 1));
    text.remove_prefix(character.size());
    if (character == "\n") {
      out += "\\n";
    } else if (n == 0 || is_unfit(character)) {
      append_hex(out, character);
    } else {
      if (also.find(character) != std::string_view::npos) out += '\\';
      out += character;
    }
  }
  return out;
}

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_quote(char c) { return c == '"' || c == '\''; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool has_at(std::string_view text, std::size_t at, std::string_view word) {
  return text.size() - at >= word.size() &&
         std::equal(word.begin(), word.end(), text.begin() + static_cast<std::ptrdiff_t>(at), [](char w, char c) { return w == lower(c); });
}

// Where a value ends that began at `at`: at white space, or at a quote that closes it.
std::size_t end_of_word(std::string_view text, std::size_t at) {
  for (; at < text.size() && !is_space(text[at]); ++at) {
    const bool closes =
        at + 1 == text.size() || is_space(text[at + 1]) || std::string_view(",;:.)").find(text[at + 1]) != std::string_view::npos;
    if (is_quote(text[at]) && closes) break;
  }
  return at;
}

// password=..., also with spaces around '=' and the value in single quotes, as libpq reads it.
std::string without_password_settings(std::string_view text) {
  constexpr std::string_view kWord = "password";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    out += text[at++];
    if (at < kWord.size() || !has_at(text, at - kWord.size(), kWord)) continue;
    std::size_t value = at;
    while (value < text.size() && is_space(text[value])) ++value;
    if (value == text.size() || text[value] != '=') continue;
    ++value;
    while (value < text.size() && is_space(text[value])) ++value;
    out += text.substr(at, value - at);
    at = value;
    if (at < text.size() && text[at] == '\'') {
      for (++at; at < text.size() && text[at] != '\''; ++at) at += text[at] == '\\' ? 1 : 0;
      at = std::min(at + 1, text.size());
    } else {
      at = end_of_word(text, at);
    }
    if (at != value) out += kMask;
  }
  return out;
}

// user:…@ of words, with or without a scheme. Behind postgres:// a password may have anything in it, and its '@' may have been left out.
std::string without_user_information(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (is_space(text[at]) || is_quote(text[at])) {
      out += text[at++];
      continue;
    }
    std::size_t end = end_of_word(text, at);
    std::size_t user = at;  // where the user's name would begin
    bool ours = false;      // a URI of libpq's
    if (const std::size_t scheme = text.substr(at, end - at).find("://"); scheme != std::string_view::npos) {
      user = at + scheme + 3;
      ours = text.substr(at, scheme).ends_with("postgres") || text.substr(at, scheme).ends_with("postgresql");
    }
    std::size_t sign = text.substr(0, ours ? text.size() : end).rfind('@');
    const bool found = sign != std::string_view::npos && sign >= user;
    if (!found) sign = end;
    const std::size_t colon = text.substr(0, sign).find(':', user);
    if ((found || ours) && colon != std::string_view::npos) {
      out += text.substr(at, colon + 1 - at);
      out += kMask;
      at = sign;
      end = end_of_word(text, sign);
    }
    out += text.substr(at, end - at);
    at = end;
  }
  return out;
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

Result<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units, std::string_view what, std::string_view example) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error == std::errc{}) {
    for (const Unit& unit : units) {
      if (suffix != unit.name) continue;
      if (unit.factor != 0 && number > UINT64_MAX / 2 / unit.factor) break;
      return number * unit.factor;
    }
  }
  return invalid("\"" + std::string(text) + "\" is not a " + std::string(what) + " such as " + std::string(example));
}

}  // namespace

std::string to_hex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    out += kDigits[static_cast<unsigned>(b) >> 4];
    out += kDigits[static_cast<unsigned>(b) & 15];
  }
  return out;
}

std::string to_hex(std::uint64_t value) {
  std::array<std::byte, 8> big_endian;
  for (int i = 0; i < 8; ++i) big_endian[static_cast<std::size_t>(i)] = static_cast<std::byte>(value >> (56 - 8 * i));
  return to_hex(ByteView(big_endian));
}

std::optional<std::uint64_t> parse_hex_u64(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || text.size() > 16) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string to_base64url(ByteView bytes) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::byte b : bytes) {
    bits = (bits << 8) | static_cast<std::uint32_t>(b);
    count += 8;
    while (count >= 6) {
      count -= 6;
      out += kBase64Alphabet[(bits >> count) & 63];
    }
  }
  if (count > 0) out += kBase64Alphabet[(bits << (6 - count)) & 63];
  return out;
}

Result<Bytes> parse_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return invalid("base64url text of " + std::to_string(text.size()) + " characters has an impossible length");
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = kBase64Alphabet.find(c);
    if (digit == std::string_view::npos) return invalid("base64url text has a character outside its alphabet");
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<std::byte>(bits >> count));
    }
  }
  if ((bits & ((1U << count) - 1)) != 0) return invalid("base64url text is not canonical: its last bits are not zero");
  return out;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t n = utf8_length(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t n = text[0] == '\0' ? 0 : utf8_length(text);
    if (n == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out += text.substr(0, n);
      text.remove_prefix(n);
    }
  }
  return out;
}

std::string escaped(std::string_view text) { return escape(text, ""); }
std::string in_quotes(std::string_view text) { return '"' + escape(text, "\"\\") + '"'; }

std::string without_passwords(std::string_view text) { return without_user_information(without_password_settings(text)); }

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr Unit kUnits[] = {
      {"", 1},           {"B", 1},           {"k", 1ULL << 10}, {"KiB", 1ULL << 10}, {"M", 1ULL << 20}, {"MiB", 1ULL << 20},
      {"G", 1ULL << 30}, {"GiB", 1ULL << 30}};
  return parse_with_unit(text, kUnits, "size", "256MiB");
}

Result<std::int64_t> parse_duration_us(std::string_view text) {
  constexpr Unit kUnits[] = {{"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}};
  PGA_TRY(const std::uint64_t us, parse_with_unit(text, kUnits, "duration", "10s, 5m or 7d"));
  return static_cast<std::int64_t>(us);
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2);
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance <= best_distance && (!best || distance < best_distance)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

}  // namespace pga
