#include <charconv>

#include "identity/claims_internal.h"

namespace pga::identity {
namespace {

bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Claims> parse() {
    Claims out;
    PGA_TRY_STATUS(object("", out));
    if (at_ != text_.size()) return wrong("something behind the end");
    return out;
  }

 private:
  [[nodiscard]] Error wrong(const char* what) const { return corrupt("offset " + std::to_string(at_) + ": " + what); }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<std::string> text() {
    if (!take('"')) return wrong("a text is expected");
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
    std::string out(text_.substr(begin, at_ - begin));
    if (!take('"')) return wrong("a text has no end or an unusual character");
    return out;
  }

  Result<std::int64_t> number() {
    const std::size_t begin = at_;
    std::int64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    const std::string_view digits = text_.substr(begin, at_ - begin);
    // 15 digits are more than any time has, and less than what a sum with the leeway could overflow.
    if (digits.empty() || digits.size() > 15 || (digits.size() > 1 && digits[0] == '0')) return wrong("an integer is expected");
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  }

  Status object(const std::string& prefix, Claims& out) {
    if (!take('{')) return wrong("an object is expected");
    do {
      PGA_TRY(std::string name, text());
      if (name.empty() || name.find('.') != std::string::npos) return wrong("an unusual name");
      name.insert(0, prefix);
      if (!take(':')) return wrong("a colon is expected");
      if (out.contains(name)) return wrong("a name is there twice");
      if (at_ < text_.size() && text_[at_] == '{') {
        if (!prefix.empty()) return wrong("objects are nested too deeply");
        out.emplace(name, std::string());
        PGA_TRY_STATUS(object(name + ".", out));
      } else if (at_ < text_.size() && text_[at_] == '"') {
        PGA_TRY(std::string value, text());
        out.emplace(std::move(name), std::move(value));
      } else {
        PGA_TRY(const std::int64_t value, number());
        out.emplace(std::move(name), value);
      }
    } while (take(','));
    if (!take('}')) return wrong("the end of an object is expected");
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

template <class T>
std::optional<T> claim(const Claims& claims, std::string_view name) {
  const auto found = claims.find(name);
  if (found == claims.end()) return std::nullopt;
  const T* value = std::get_if<T>(&found->second);
  return value == nullptr ? std::nullopt : std::optional<T>(*value);
}

}  // namespace

Result<Claims> parse_claims(std::string_view json) { return Parser(json).parse(); }
std::optional<std::string> text_claim(const Claims& claims, std::string_view name) { return claim<std::string>(claims, name); }
std::optional<std::int64_t> number_claim(const Claims& claims, std::string_view name) { return claim<std::int64_t>(claims, name); }

bool is_claim_text(std::string_view text) {
  for (const char c : text) {
    if (!is_plain(c)) return false;
  }
  return !text.empty();
}

}  // namespace pga::identity
