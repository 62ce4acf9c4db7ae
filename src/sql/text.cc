#include "sql/text.h"

#include <xxhash.h>

#include <cctype>

#include "base/text.h"

namespace pga::sql {
namespace {

constexpr std::string_view kPlaceholder = "$?";

bool is_identifier_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_identifier(char c) { return is_identifier_start(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '$'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

enum class Token { kSpace, kComment, kWord, kQuotedName, kLiteral, kParameter, kOther };

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool next(Token& token, std::string_view& piece) {
    if (at_ >= text_.size()) return false;
    const std::size_t start = at_;
    token = scan();
    piece = text_.substr(start, at_ - start);
    return true;
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  // Behind the closing quote; a doubled quote, and with escapes a backslash, do not close. To the end if nothing closes.
  void quoted(char quote, bool escapes) {
    std::size_t backslashes = 0;  // directly before at_
    for (++at_; at_ < text_.size();) {
      const char c = text_[at_++];
      if (c == '\\') {
        ++backslashes;
        if (escapes) ++at_;
        continue;
      }
      const bool odd = !escapes && backslashes % 2 == 1;
      backslashes = 0;
      if (c != quote) continue;
      if (quote == '\'' && odd) break;  // with standard_conforming_strings off this does not close: unknown, so redacted to the end
      if (peek() != quote) return;
      ++at_;
    }
    at_ = text_.size();
  }

  bool dollar_quoted() {
    std::size_t end = at_ + 1;
    while (end < text_.size() && is_identifier(text_[end]) && text_[end] != '$') ++end;
    if (end >= text_.size() || text_[end] != '$' || (end > at_ + 1 && is_digit(text_[at_ + 1]))) return false;
    const std::string_view tag = text_.substr(at_, end + 1 - at_);
    const std::size_t close = text_.find(tag, end + 1);
    at_ = close == std::string_view::npos ? text_.size() : close + tag.size();
    return true;
  }

  void block_comment() {
    int depth = 0;
    while (at_ < text_.size()) {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        at_ += 2;
        if (--depth == 0) return;
      } else {
        ++at_;
      }
    }
  }

  Token scan() {
    const char c = peek();
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(peek())) != 0) ++at_;
      return Token::kSpace;
    }
    if (c == '-' && peek(1) == '-') {
      while (at_ < text_.size() && peek() != '\n') ++at_;
      return Token::kComment;
    }
    if (c == '/' && peek(1) == '*') {
      block_comment();
      return Token::kComment;
    }
    if (c == '\'') {
      quoted('\'', false);
      return Token::kLiteral;
    }
    if (c == '"') {
      quoted('"', false);
      return Token::kQuotedName;
    }
    if (c == '$') {
      if (is_digit(peek(1))) {
        ++at_;
        while (is_digit(peek())) ++at_;
        return Token::kParameter;
      }
      if (dollar_quoted()) return Token::kLiteral;
      ++at_;
      return Token::kOther;
    }
    if (is_identifier_start(c)) {
      // E'…', B'…', X'…', N'…', U&'…' and U&"…"
      if (peek(1) == '\'' && (c == 'e' || c == 'E')) {
        ++at_;
        quoted('\'', true);
        return Token::kLiteral;
      }
      if (peek(1) == '\'' && std::string_view("bBxXnN").find(c) != std::string_view::npos) {
        ++at_;
        quoted('\'', false);
        return Token::kLiteral;
      }
      if ((c == 'u' || c == 'U') && peek(1) == '&' && (peek(2) == '\'' || peek(2) == '"')) {
        at_ += 2;
        const bool name = peek() == '"';
        quoted(peek(), false);
        return name ? Token::kQuotedName : Token::kLiteral;
      }
      while (at_ < text_.size() && is_identifier(peek())) ++at_;
      return Token::kWord;
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      while (is_identifier(peek()) || peek() == '.' ||
             ((peek() == '+' || peek() == '-') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E')))
        ++at_;
      return Token::kLiteral;
    }
    ++at_;
    return Token::kOther;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string without_quoted_strings(std::string_view comment) {
  std::string out;
  for (std::size_t at = 0; at < comment.size(); ++at) {
    if (comment[at] != '\'') {
      out += comment[at];
      continue;
    }
    const std::size_t close = comment.find('\'', at + 1);
    out += kPlaceholder;
    if (close == std::string_view::npos || comment[close - 1] == '\\') return out;
    at = close;
  }
  return out;
}

// Tokens in canonical form, separated by blanks; "?, ?, ?" is one "?".
class Canonical {
 public:
  void add(Token token, std::string_view piece) {
    if (token == Token::kSpace || token == Token::kComment) return;
    if (token == Token::kLiteral || token == Token::kParameter) {
      if (ends_with("? , ")) text_.resize(text_.size() - 4);
      text_ += "? ";
      return;
    }
    if (token == Token::kWord) {
      for (const char c : piece) text_ += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      text_ += piece;
    }
    text_ += ' ';
  }
  [[nodiscard]] std::uint64_t hash() const { return XXH3_64bits(text_.data(), text_.size()); }

 private:
  [[nodiscard]] bool ends_with(std::string_view tail) const { return std::string_view(text_).ends_with(tail); }
  std::string text_;
};

}  // namespace

SqlText scan_sql(std::string_view text, std::size_t bytes_max) {
  SqlText out;
  Canonical canonical;
  Scanner scanner(text);
  Token token{};
  std::string_view piece;
  while (scanner.next(token, piece)) {
    canonical.add(token, piece);
    if (token == Token::kLiteral)
      out.redacted += kPlaceholder;
    else if (token == Token::kComment)
      out.redacted += without_quoted_strings(piece);
    else
      out.redacted += piece;
  }
  out.fingerprint = canonical.hash();
  out.redacted = to_valid_utf8(out.redacted);
  if (out.redacted.size() > bytes_max) {
    std::size_t cut = bytes_max;
    while (cut > 0 && (static_cast<unsigned char>(out.redacted[cut]) & 0xC0) == 0x80) --cut;
    out.redacted.resize(cut);
    out.redacted += "…";
  }
  return out;
}

}  // namespace pga::sql
