// The tokens of SQL, as far as redaction and identity need them: what is a constant, what is a name, what is a comment.
#pragma once

#include <cstddef>
#include <string_view>

namespace pga::sql {

inline constexpr std::string_view kPlaceholder = "$?";  // stands for every constant; scanned again it is a token of its own

// kLiteral: constants of every form, and everything of which it is not known what it is.
enum class Token { kSpace, kComment, kWord, kQuotedName, kLiteral, kParameter, kOther };

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // False at the end.
  bool next(Token& token, std::string_view& piece);

  // Something was open when the text ended.
  [[nodiscard]] bool unterminated() const { return unterminated_; }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  Token scan();
  Token scan_dollar();
  Token scan_word();
  Token literal(char quote, bool escapes);
  bool quoted(char quote, bool escapes);
  bool dollar_quoted();
  bool glued_value();
  void block_comment();
  void number();

  std::string_view text_;
  std::size_t at_ = 0;
  bool unterminated_ = false;
};

char lower(char c);

}  // namespace pga::sql
