#include "sql/text.h"

#include "base/text.h"
#include "sql/canonical_internal.h"
#include "sql/comment_internal.h"
#include "sql/token_internal.h"
#include "sql/utility_internal.h"

namespace pga::sql {
namespace {

constexpr std::string_view kEllipsis = "…";

// Collects the redacted text up to its limit; cut between two tokens, so that scanning it again finds the same ones.
class Output {
 public:
  explicit Output(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  void add(std::string_view piece) {
    if (cut_) return;
    if (text_.size() + piece.size() > bytes_max_) {
      cut_ = true;
      while (!ends_.empty() && text_.size() + kEllipsis.size() > bytes_max_) {
        text_.resize(ends_.back());
        ends_.pop_back();
      }
      if (text_.size() + kEllipsis.size() <= bytes_max_) text_ += kEllipsis;
      return;
    }
    // Only the last few tokens can be in the way of the ellipsis.
    if (text_.size() + piece.size() + kEllipsis.size() > bytes_max_) ends_.push_back(text_.size());
    text_ += piece;
  }
  [[nodiscard]] bool cut() const { return cut_; }
  std::string take() { return std::move(text_); }

 private:
  const std::size_t bytes_max_;
  std::string text_;
  std::vector<std::size_t> ends_;
  bool cut_ = false;
};

}  // namespace

SqlText scan_sql(std::string_view text, std::size_t bytes_max) {
  SqlText out;
  if (text.size() > kScanBytesMax) {
    text = text.substr(0, kScanBytesMax);
    out.truncated = true;
  }
  std::string valid;
  if (!is_utf8(text) || text.find('\0') != std::string_view::npos) text = valid = to_valid_utf8(text);
  const bool was_cut = text.ends_with(kEllipsis);  // by us
  if (was_cut) text.remove_suffix(kEllipsis.size());

  Output redacted(bytes_max);
  Canonical canonical;
  UtilityRules rules;
  Scanner scanner(text);
  Token token{};
  std::string_view piece;
  std::string word;
  while (scanner.next(token, piece)) {
    if (token == Token::kSpace) {
      redacted.add(piece);
      continue;
    }
    if (token == Token::kComment) {
      redacted.add(redact_comment(piece, out.tags));
      continue;
    }
    std::string_view folded = piece;
    if (token == Token::kWord) {
      word.resize(piece.size());
      for (std::size_t i = 0; i < piece.size(); ++i) word[i] = lower(piece[i]);
      folded = word;
    }
    if (rules.hides(token, folded)) token = Token::kLiteral;
    canonical.add(token, piece, folded);
    redacted.add(token == Token::kLiteral ? kPlaceholder : piece);
  }
  if (was_cut) redacted.add(kEllipsis);
  out.fingerprint = canonical.finish();
  out.truncated = out.truncated || was_cut || redacted.cut() || scanner.unterminated() || canonical.open();
  out.redacted = redacted.take();
  return out;
}

}  // namespace pga::sql
