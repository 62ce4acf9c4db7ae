// Which words of utility statements stand for values. PostgreSQL keeps the texts of these statements as they were written.
#pragma once

#include <cstdint>
#include <string_view>

#include "sql/token_internal.h"

namespace pga::sql {

class UtilityRules {
 public:
  // To be asked for every token but white space and comments, in order. `word`: a kWord in lower case, else the token itself. True if the
  // token is a value and has to go.
  bool hides(Token token, std::string_view word);

 private:
  enum class Mode : std::uint8_t {
    kStart,      // the next word decides
    kExplain,    // behind EXPLAIN: options, then a statement
    kPlain,      // words are names
    kNames,      // all words but a few are names made by programs: savepoints, cursors, channels
    kFirstName,  // the same for the next token, then a statement or its arguments follow
    kPrepare,    // behind the name of PREPARE, up to AS
    kSet,        // SET, up to what separates name and value
    kDefine,     // CREATE or ALTER, the kind of object is not known yet
    kDefineRole,
    kDefineFunction,  // a SET clause ends, and others follow
    kDefineOther,     // other objects with SET clauses or OPTIONS
    kValues,          // the rest of the statement is a value
    kValueList,       // a value, and more of them behind commas
    kValueListEnd,    // behind a value: a comma or the end of the list
    kTimeZone,
  };
  bool start(std::string_view word);
  bool define(Token token, std::string_view word);

  Mode mode_ = Mode::kStart;
  Mode after_list_ = Mode::kPlain;
  bool hide_next_ = false;     // whatever it is
  bool in_set_ = false;        // kDefine…: between SET and the end of its value
  int depth_ = 0;              // of parentheses
  int options_depth_ = 0;      // of the parenthesis of OPTIONS; 0: not in it
  bool options_next_ = false;  // OPTIONS has been seen, its parenthesis not yet
  bool option_named_ = false;  // the name of the option has been seen
};

}  // namespace pga::sql
