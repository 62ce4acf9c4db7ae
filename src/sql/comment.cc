#include "sql/comment_internal.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "sql/limits.h"
#include "sql/token_internal.h"

namespace pga::sql {
namespace {

constexpr std::string_view kFolded = "/*, ... */";  // PostgreSQL 18 writes it where it left out the rest of a list

// Which application and which part of it; few different values, chosen by programmers. Not traceparent, request or user ids, whose values
// are as many as there are requests.
constexpr std::array<std::string_view, 11> kKept = {"action",    "app", "application", "component", "controller", "db_driver",
                                                    "framework", "job", "job_class",   "route",     "service"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || (text.front() >= '\t' && text.front() <= '\r'))) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || (text.back() >= '\t' && text.back() <= '\r'))) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '%' && at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0;
    out += escape ? static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2])) : text[at];
    if (escape) at += 2;
  }
  return out;
}

bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_letter(c) || is_digit(c) || std::string_view("-_.~:/").find(c) != std::string_view::npos)
      out += c;
    else
      out += "%" + to_hex(std::as_bytes(std::span(&c, 1)));
  }
  return out;
}

// A name that somebody gave, not a value that came with a request: no characters of query strings and addresses, no long numbers, no path
// segment or word that is only a number or looks like a random identifier. Versions of drivers may have numbers.
bool is_name_like(std::string_view key, std::string_view value) {
  if (value.empty() || value.size() > kTagValueBytesMax) return false;
  const bool version = key == "framework" || key == "db_driver";
  std::size_t run = 0;      // digits in a row
  std::size_t letters = 0;  // in this segment
  std::size_t digits = 0;
  std::size_t hexadecimal = 0;
  const auto segment_ends = [&] {
    return version || ((letters > 0 || digits == 0) && !(digits > 0 && hexadecimal == letters + digits && letters + digits >= 8));
  };
  for (const char c : value) {
    if (!is_letter(c) && !is_digit(c) && std::string_view("-_.:/ <>{}()*+^$#\\[]|").find(c) == std::string_view::npos) return false;
    run = is_digit(c) ? run + 1 : 0;
    if (run > 2 && !version) return false;
    if (is_letter(c) || is_digit(c)) {
      letters += is_letter(c) ? 1 : 0;
      digits += is_digit(c) ? 1 : 0;
      hexadecimal += hex_digit(c) >= 0 ? 1 : 0;
    } else if (c != '-' && c != '_') {
      if (!segment_ends()) return false;
      letters = digits = hexadecimal = 0;
    }
  }
  return segment_ends();
}

struct Pair {
  std::string key;
  std::string value;
};

// The next of key='value' (percent-encoded) or key:value, behind which `text` stands then; an empty key for what is neither.
Pair take_pair(std::string_view& text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::size_t sign = text.find_first_of("=:");
  Pair pair;
  if (sign < comma) {
    for (const char c : trimmed(text.substr(0, sign))) pair.key += lower(c);
    const std::string_view behind = trimmed(text.substr(sign + 1));
    if (text[sign] == '=' && behind.starts_with('\'')) {
      const std::size_t close = behind.find('\'', 1);
      const bool whole = close != std::string_view::npos && behind[close - 1] != '\\';
      if (whole) {
        pair.value = percent_decoded(behind.substr(1, close - 1));
        text = trimmed(behind.substr(close + 1));
        if (!text.empty() && text.front() != ',') pair.key.clear();
        text.remove_prefix(std::min(text.size(), std::min(text.find(','), text.size() - 1) + 1));
        return pair;
      }
      text = {};  // an open quote: where the next pair begins is not known
      return {};
    }
    pair.value = std::string(trimmed(text.substr(sign + 1, comma - sign - 1)));
  }
  text.remove_prefix(std::min(text.size(), comma + 1));
  return pair;
}

}  // namespace

std::string redact_comment(std::string_view comment, std::vector<Tag>& tags) {
  if (comment == kFolded) return std::string(comment);
  std::string_view inside = comment.substr(2);
  if (comment.starts_with("/*") && inside.ends_with("*/")) inside.remove_suffix(2);
  std::string out;
  std::size_t kept = 0;
  if (inside.size() <= kCommentBytesMax) {
    for (inside = trimmed(inside); !inside.empty() && kept < kTagsMax;) {
      Pair pair = take_pair(inside);
      if (std::find(kKept.begin(), kKept.end(), pair.key) == kKept.end() || !is_name_like(pair.key, pair.value)) continue;
      out += (out.empty() ? "" : ",") + pair.key + "='" + percent_encoded(pair.value) + "'";
      ++kept;
      const bool known = std::any_of(tags.begin(), tags.end(), [&](const Tag& tag) { return tag.key == pair.key; });
      if (!known && tags.size() < kTagsMax) tags.push_back({std::move(pair.key), std::move(pair.value)});
    }
  }
  return "/*" + (out.empty() ? std::string(kPlaceholder) : out) + "*/";
}

}  // namespace pga::sql
