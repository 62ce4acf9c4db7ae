#include "sql/explainable.h"

#include <algorithm>
#include <array>

#include "sql/limits.h"
#include "sql/token_internal.h"

namespace pga::sql {
namespace {

constexpr std::array<std::string_view, 6> kStatements = {"delete", "insert", "merge", "select", "update", "with"};
constexpr std::array<std::string_view, 6> kTypes = {"date", "interval", "time", "timestamp", "timestamptz", "timetz"};
constexpr std::size_t kParametersMax = 1'000;

bool one_of(std::string_view word, const auto& words) { return std::find(words.begin(), words.end(), word) != words.end(); }

}  // namespace

std::optional<Explainable> explainable(std::string_view text) {
  if (text.size() > kScanBytesMax || text.find('\0') != std::string_view::npos) return std::nullopt;
  Explainable out;
  Scanner scanner(text);
  Token token{};
  std::string_view piece;
  std::string word;
  bool begun = false;
  bool ended = false;
  std::size_t type_at = std::string::npos;  // of the type's name in out.text, if it is the last token
  std::size_t type_end = 0;
  while (scanner.next(token, piece)) {
    if (token == Token::kSpace || token == Token::kComment) {
      out.text += token == Token::kSpace ? piece : std::string_view(" ");
      continue;
    }
    if (piece == ";") {
      ended = true;
      continue;
    }
    if (ended || piece == kPlaceholder) return std::nullopt;  // a second statement; a text that was redacted
    word.clear();
    if (token == Token::kWord) std::transform(piece.begin(), piece.end(), std::back_inserter(word), lower);
    if (!begun && token == Token::kWord) {
      if (!one_of(word, kStatements)) return std::nullopt;
      begun = true;
    } else if (!begun && piece != "(") {
      return std::nullopt;
    }
    if (token == Token::kParameter) {
      std::size_t number = 0;
      for (const char c : piece.substr(1)) number = std::min(number * 10 + static_cast<std::size_t>(c - '0'), kParametersMax + 1);
      if (number == 0 || number > kParametersMax) return std::nullopt;
      out.parameters = std::max(out.parameters, number);
      if (type_at != std::string::npos) {
        const std::string type = out.text.substr(type_at, type_end - type_at);
        out.text.resize(type_at);
        out.text += std::string(piece) + "::" + type;
        type_at = std::string::npos;
        continue;
      }
    }
    type_at = token == Token::kWord && one_of(word, kTypes) && !out.text.ends_with('.') ? out.text.size() : std::string::npos;
    out.text += piece;
    type_end = out.text.size();
  }
  if (!begun || scanner.unterminated()) return std::nullopt;
  return out;
}

}  // namespace pga::sql
