#include "sql/token_internal.h"

#include <algorithm>
#include <array>
#include <string>

namespace pga::sql {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80; }
bool is_name(char c) { return is_name_start(c) || is_digit(c); }  // and '$', which needs a look at what follows

// What people write right behind a number.
constexpr std::array<std::string_view, 16> kKeywordsBehindNumbers = {"and", "as",     "asc",   "desc", "else",  "end",  "for",  "from",
                                                                     "in",  "offset", "limit", "or",   "order", "then", "when", "where"};

}  // namespace

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Scanner::next(Token& token, std::string_view& piece) {
  if (at_ >= text_.size()) return false;
  const std::size_t start = at_;
  token = scan();
  piece = text_.substr(start, at_ - start);
  return true;
}

Token Scanner::scan() {
  const char c = peek();
  if (is_space(c)) {
    while (at_ < text_.size() && is_space(peek())) ++at_;
    return Token::kSpace;
  }
  if (is_name_start(c)) return scan_word();
  if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
    number();
    return Token::kLiteral;
  }
  if (c == '-' && peek(1) == '-') {
    while (at_ < text_.size() && peek() != '\n' && peek() != '\r') ++at_;
    return Token::kComment;
  }
  if (c == '/' && peek(1) == '*') {
    block_comment();
    return Token::kComment;
  }
  if (c == '\'') return literal('\'', false);
  // A name that does not end may be anything, so it counts as a constant.
  if (c == '"') return quoted('"', false) ? Token::kQuotedName : Token::kLiteral;
  if (c == '$') return scan_dollar();
  if (c == '\\') {  // no SQL: what a client understands, like psql's \connect with a password
    at_ = text_.size();
    unterminated_ = true;
    return Token::kLiteral;
  }
  ++at_;
  return Token::kOther;
}

Token Scanner::scan_dollar() {
  if (peek(1) == '?') {
    at_ += kPlaceholder.size();
    return Token::kLiteral;
  }
  if (is_digit(peek(1))) {
    ++at_;
    while (is_digit(peek())) ++at_;
    return glued_value() ? Token::kLiteral : Token::kParameter;
  }
  if (!dollar_quoted()) ++at_;  // a lone dollar is nothing that SQL knows
  return Token::kLiteral;
}

// Before version 15 the server took 0x1f for a zero and a name, so that $1x1f is what it makes of it. Takes such a name too.
bool Scanner::glued_value() {
  std::size_t end = at_;
  std::string word;
  while (end < text_.size() && is_name(text_[end])) word += lower(text_[end++]);
  if (word.empty() || std::find(kKeywordsBehindNumbers.begin(), kKeywordsBehindNumbers.end(), word) != kKeywordsBehindNumbers.end())
    return false;
  at_ = end;
  return true;
}

Token Scanner::scan_word() {
  const char c = lower(peek());
  // E'…', B'…', X'…', N'…', U&'…' and U&"…"
  if (peek(1) == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n')) {
    ++at_;
    return literal('\'', c == 'e');
  }
  if (c == 'u' && peek(1) == '&' && (peek(2) == '\'' || peek(2) == '"')) {
    at_ += 2;
    if (peek() == '\'') return literal('\'', false);
    return quoted('"', false) ? Token::kQuotedName : Token::kLiteral;
  }
  while (is_name(peek()) || (peek() == '$' && peek(1) != '?')) ++at_;
  return Token::kWord;
}

Token Scanner::literal(char quote, bool escapes) {
  quoted(quote, escapes);
  return Token::kLiteral;
}

// Behind the closing quote; a doubled quote, and with escapes one behind a backslash, does not close. Without escapes a quote behind a
// backslash closes or not, depending on standard_conforming_strings, which the text does not tell: the rest is unknown.
bool Scanner::quoted(char quote, bool escapes) {
  std::size_t backslashes = 0;  // directly before at_
  for (++at_; at_ < text_.size();) {
    const char c = text_[at_++];
    if (c == '\\') {
      ++backslashes;
      continue;
    }
    const bool odd = backslashes % 2 == 1;
    backslashes = 0;
    if (c != quote || (escapes && odd)) continue;
    if (quote == '\'' && odd) break;
    if (peek() != quote) return true;
    ++at_;
  }
  at_ = text_.size();
  unterminated_ = true;
  return false;
}

bool Scanner::dollar_quoted() {
  std::size_t end = at_ + 1;
  while (end < text_.size() && is_name(text_[end])) ++end;
  if (end >= text_.size() || text_[end] != '$') return false;
  const std::string_view tag = text_.substr(at_, end + 1 - at_);
  const std::size_t close = text_.find(tag, end + 1);
  if (close == std::string_view::npos) unterminated_ = true;
  at_ = close == std::string_view::npos ? text_.size() : close + tag.size();
  return true;
}

void Scanner::block_comment() {
  std::size_t depth = 0;
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
  unterminated_ = true;
}

// Digits with whatever is glued to them: 0xff, 1_000, 4.2e-3, and junk like 12abc. Not a dollar, which may begin a quote.
void Scanner::number() {
  while (is_name(peek()) || peek() == '.' || ((peek() == '+' || peek() == '-') && lower(text_[at_ - 1]) == 'e' && is_digit(peek(1)))) ++at_;
}

}  // namespace pga::sql
