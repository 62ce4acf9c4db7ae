#include "sql/canonical_internal.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "sql/limits.h"

namespace pga::sql {
namespace {

constexpr std::string_view kConstant = "\x01 ";  // "?" is an operator

// Behind these a value begins, so that a sign belongs to it.
constexpr std::array<std::string_view, 34> kBeforeValue = {
    "all",     "and",   "any",    "as",        "between", "by",  "case",  "check",  "default", "distinct", "else", "escape",
    "execute", "fetch", "for",    "from",      "having",  "if",  "ilike", "in",     "like",    "limit",    "not",  "offset",
    "on",      "or",    "return", "returning", "select",  "set", "then",  "values", "when",    "where"};
static_assert(std::is_sorted(kBeforeValue.begin(), kBeforeValue.end()));

// A name that means the same without its quotes.
bool needs_no_quotes(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

}  // namespace

bool Canonical::sign_is_unary() const {
  if (text_.empty()) return true;
  const std::string_view last = std::string_view(text_).substr(last_start_, text_.size() - 1 - last_start_);
  const char c = last.back();
  if (c == kConstant[0] || c == ')' || c == ']' || last_is_name_) return false;
  if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || static_cast<unsigned char>(c) >= 0x80 || c == '"' || c == '$')
    return std::binary_search(kBeforeValue.begin(), kBeforeValue.end(), last);
  return true;  // behind an operator, a comma, an opening bracket
}

void Canonical::add_constant() {
  if (sign_ != SIZE_MAX) {  // belongs to the constant
    text_.resize(sign_);
    sign_ = SIZE_MAX;
    last_start_ = before_last_;
  }
  // 'a'<newline>'b' is one constant; nothing else has two in a row.
  const bool repeats = text_.size() >= 2 && text_.compare(last_start_, std::string::npos, kConstant) == 0;
  if (repeats) return;
  before_last_ = last_start_;
  last_start_ = text_.size();
  last_is_name_ = false;
  text_ += kConstant;
}

// Drops the element under way if it is like the one before.
void Canonical::end_element(Bracket& list, bool more) {
  const std::string_view text = text_;
  if (list.element > list.before) {
    const std::string_view before = text.substr(list.before, list.element - 2 - list.before);  // without its comma
    if (before == text.substr(list.element)) {
      text_.resize(list.element - 2);
      last_start_ = before_last_ = list.before;  // a comma or bracket comes now, so it does not matter which token this is
      list.element = list.before;
    }
  }
  if (!more) return;
  list.before = list.element;
  list.element = text_.size() + 2;  // behind the comma, which comes now
}

void Canonical::end_bracket() {
  if (brackets_.empty()) return;
  Bracket bracket = brackets_.back();
  brackets_.pop_back();
  if (bracket.list) end_element(bracket, false);
  text_ += text_[bracket.start] == '(' ? ") " : "] ";
  last_start_ = before_last_ = text_.size() - 2;
  last_is_name_ = false;
  if (!bracket.row) return;
  const std::string_view text = text_;
  if (row_end_ > 0 && row_end_ + 2 == bracket.start && text.substr(row_start_, row_end_ - row_start_) == text.substr(bracket.start)) {
    text_.resize(row_end_);
    last_start_ = before_last_ = text_.size() - 2;
  } else {
    row_start_ = bracket.start;
    row_end_ = text_.size();
  }
}

void Canonical::add(Token token, std::string_view piece, std::string_view word) {
  const auto last_is = [&](std::string_view wanted) {
    return !last_is_name_ && text_.size() == last_start_ + wanted.size() + 1 && text_.compare(last_start_, wanted.size(), wanted) == 0;
  };
  if (token == Token::kWord && (word == "true" || word == "false" || word == "null")) {
    // IS NULL, NOT NULL, ON NULL INPUT, SET NULL are grammar, everything else is a constant.
    const bool negated = last_is("not") && (word == "null" || text_.compare(before_last_, 3, "is ") == 0);
    if (!last_is("is") && !negated && !last_is("on") && !last_is("set")) token = Token::kLiteral;
  }
  if (token == Token::kLiteral || token == Token::kParameter) {
    add_constant();
    return;
  }
  // A query in the brackets: commas separate other things than elements.
  if (token == Token::kWord && (word == "select" || word == "values") && !brackets_.empty()) brackets_.back().list = false;
  const char c = token == Token::kOther ? piece[0] : '\0';
  if ((c == ')' || c == ']')) {
    sign_ = SIZE_MAX;
    if (!brackets_.empty()) {
      end_bracket();
      return;
    }
  }
  if (c == ',' && !brackets_.empty() && brackets_.back().list) end_element(brackets_.back(), true);
  const bool unary = (c == '-' || c == '+') && sign_is_unary();
  if (c == '(' || c == '[') {
    Bracket bracket;
    bracket.start = text_.size();
    bracket.element = bracket.before = text_.size() + 2;
    bracket.list = c == '[' || last_is("in");
    bracket.row = c == '(' && (last_is("values") || (last_is(",") && row_end_ > 0 && row_end_ + 2 == text_.size()));
    if (last_is("values")) row_end_ = 0;
    if (brackets_.size() < kNestingMax) brackets_.push_back(bracket);
  }
  before_last_ = last_start_;
  last_start_ = text_.size();
  sign_ = unary ? last_start_ : SIZE_MAX;
  const bool bare =
      token == Token::kQuotedName && piece.size() > 2 && piece[0] == '"' && needs_no_quotes(piece.substr(1, piece.size() - 2));
  last_is_name_ = token == Token::kQuotedName;
  text_ += bare ? piece.substr(1, piece.size() - 2) : token == Token::kWord ? word : piece;
  text_ += ' ';
}

std::uint64_t Canonical::finish() {
  if (!brackets_.empty() && brackets_.back().list) end_element(brackets_.back(), false);
  std::string_view text = text_;
  while (text.ends_with("; ")) text.remove_suffix(2);
  return XXH3_64bits(text.data(), text.size());
}

}  // namespace pga::sql
