// log_line_prefix as a pattern: what stands in front of the severity of each line of stderr.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "logs/event.h"

namespace pga::logs {

// What the word in front of a message makes of its line.
struct Label {
  std::string_view word;      // "ERROR"
  std::string_view severity;  // in English; empty: the line belongs to the event before it
  Field field;                // kMessage, or what of that event the line is
};
// The label that `text` begins with ("ERROR:  …"), of the languages that PostgreSQL's labels are known in; null if there is none.
const Label* label_of(std::string_view text);

class Prefix {
 public:
  // Any text is a prefix; an escape that PostgreSQL does not know prints nothing, as there.
  explicit Prefix(std::string_view format);

  // Splits a line into the fields of its prefix and what is behind it. Null: the line does not begin with this prefix and a label.
  const Label* match(std::string_view line, Event& event, std::string_view& message) const;

 private:
  struct Token {
    char escape = 0;      // 0: literal
    std::string literal;  // text between escapes
    int padding = 0;
  };
  struct Search;
  std::vector<Token> tokens_;
  std::size_t optional_from_ = SIZE_MAX;  // %q: processes without a session end here
};

}  // namespace pga::logs
