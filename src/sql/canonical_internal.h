// The tokens of a statement in canonical form, which its fingerprint is the hash of.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/token_internal.h"

namespace pga::sql {

class Canonical {
 public:
  // Every token but white space and comments, in order. `word`: as in UtilityRules. What was hidden is added as kLiteral.
  void add(Token token, std::string_view piece, std::string_view word);

  // The fingerprint; no add() after it.
  std::uint64_t finish();
  [[nodiscard]] bool open() const { return !brackets_.empty(); }

 private:
  struct Bracket {
    std::size_t start = 0;    // of the bracket in text_
    std::size_t element = 0;  // in a list: start of the element under way
    std::size_t before = 0;   // in a list: start of the element before; equal to `element` if there is none
    bool list = false;        // its elements are folded
    bool row = false;         // a row of VALUES
  };
  void add_constant();
  void end_element(Bracket& list, bool more);
  void end_bracket();
  [[nodiscard]] bool sign_is_unary() const;

  std::string text_;
  std::vector<Bracket> brackets_;
  std::size_t row_start_ = 0;  // the last row of VALUES in text_; row_end_ is 0: none
  std::size_t row_end_ = 0;
  std::size_t last_start_ = 0;   // of the last token in text_
  std::size_t before_last_ = 0;  // of the one before it
  bool last_is_name_ = false;    // quoted, so never a keyword
  std::size_t sign_ = SIZE_MAX;  // start of a unary sign that is the last token
};

}  // namespace pga::sql
