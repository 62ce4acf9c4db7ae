#include "logs/template.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "logs/limits.h"
#include "sql/text.h"

namespace pga::logs {
namespace {

constexpr std::size_t kStepsMax = 5'000;
constexpr std::size_t kCapturesMax = 32;
constexpr double kNanosPerMilli = 1e6;
constexpr double kNanosPerSecond = 1e9;

struct Capture {
  std::string_view type, name, text;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || std::fabs(value) > 9e15) return std::nullopt;
  return value;
}

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0:00:01.234", also with days of hours
std::optional<std::int64_t> clock_ns(std::string_view text) {
  const std::size_t first = text.find(':'), second = text.find(':', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto hours = whole(text.substr(0, first)), minutes = whole(text.substr(first + 1, second - first - 1));
  const auto seconds = number(text.substr(second + 1));
  if (!hours || !minutes || !seconds || *hours < 0 || *hours > 1'000'000 || *minutes < 0 || *minutes > 59) return std::nullopt;
  return (*hours * 3600 + *minutes * 60) * 1'000'000'000 + std::llround(*seconds * kNanosPerSecond);
}

bool fits(std::string_view type, std::string_view text) {
  if (type == "*" || type == "sql") return true;
  // A name with quotes would be a way out for a value that follows it.
  if (type == "id") return text.size() <= kNameBytesMax && text.find_first_of("\n\"'") == std::string_view::npos;
  if (type == "int" || type == "kb") return whole(text).has_value();
  if (type == "lsn")
    return text.find('/') != std::string_view::npos &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'A' && c <= 'F') || c == '/'; });
  if (type == "hms") return clock_ns(text).has_value();
  return number(text).has_value();  // num, ms, s, pct
}

struct Search {
  std::string_view text;
  Capture captures[kCapturesMax];
  std::size_t count = 0;
  std::size_t steps = 0;

  bool from(std::string_view pattern, std::size_t at) {
    if (++steps > kStepsMax) return false;
    const std::size_t open = pattern.find('{');
    const std::string_view literal = pattern.substr(0, open);
    if (!text.substr(at).starts_with(literal)) return false;
    at += literal.size();
    if (open == std::string_view::npos) return at == text.size();
    const std::size_t close = pattern.find('}', open);
    const std::string_view inside = pattern.substr(open + 1, close - open - 1);
    const std::size_t colon = inside.find(':');
    Capture capture{inside.substr(0, colon), colon == std::string_view::npos ? "" : inside.substr(colon + 1), {}};
    const std::string_view rest = pattern.substr(close + 1);
    if (count == kCapturesMax) return false;
    const std::size_t mine = count++;
    const auto take = [&](std::size_t to) {
      capture.text = text.substr(at, to - at);
      if (!fits(capture.type, capture.text)) return false;
      count = mine + 1;
      captures[mine] = capture;
      return from(rest, to);
    };
    if (rest.empty()) return take(text.size());
    const std::string_view next = rest.substr(0, rest.find('{'));
    for (std::size_t to = text.find(next, at); to != std::string_view::npos; to = text.find(next, to + 1)) {
      if (take(to)) return true;
      if (++steps > kStepsMax) return false;
    }
    return false;
  }
};

void add_field(const Capture& capture, Matched& out) {
  if (capture.name.empty()) return;
  Extracted field;
  field.name = capture.name;
  if (capture.type == "id" || capture.type == "lsn") {
    field.text = std::string(capture.text);
    while (!field.text.empty() && field.text.front() == ' ') field.text.erase(0, 1);
  } else if (capture.type == "int" || capture.type == "kb") {
    field.kind = Extracted::Kind::kInt;
    field.number = *whole(capture.text);
    if (capture.type == "kb") field.number = std::clamp<std::int64_t>(field.number, -(1LL << 52), 1LL << 52) * 1024;
  } else if (capture.type == "ms" || capture.type == "s") {
    field.kind = Extracted::Kind::kInt;
    const double factor = capture.type == "ms" ? kNanosPerMilli : kNanosPerSecond;
    field.number = std::llround(std::clamp(*number(capture.text) * factor, -9e18, 9e18));
  } else if (capture.type == "hms") {
    field.kind = Extracted::Kind::kInt;
    field.number = *clock_ns(capture.text);
  } else {
    field.kind = Extracted::Kind::kReal;
    field.real = *number(capture.text) / (capture.type == "pct" ? 100 : 1);
  }
  out.fields.push_back(std::move(field));
}

}  // namespace

std::optional<Matched> match_template(std::string_view pattern, std::string_view text) {
  if (!text.starts_with(pattern.substr(0, pattern.find('{')))) return std::nullopt;  // most of them, without the room for captures
  Search search;
  search.text = text;
  if (!search.from(pattern, 0)) return std::nullopt;
  Matched out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < pattern.size();) {
    const std::size_t open = std::min(pattern.find('{', at), pattern.size());
    out.redacted += pattern.substr(at, open - at);
    if (open == pattern.size()) break;
    at = pattern.find('}', open) + 1;
    const Capture& capture = search.captures[next++];
    if (capture.type == "*") {
      out.redacted += "$?";
    } else if (capture.type == "sql") {
      out.statement = std::string(capture.text);
      out.redacted += sql::scan_sql(capture.text, kStatementBytesMax).redacted;
    } else {
      out.redacted += capture.text;
      add_field(capture, out);
    }
  }
  return out;
}

}  // namespace pga::logs
