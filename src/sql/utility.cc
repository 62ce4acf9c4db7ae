#include "sql/utility_internal.h"

#include <algorithm>
#include <initializer_list>

namespace pga::sql {
namespace {

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_name(Token token) { return token == Token::kWord || token == Token::kQuotedName; }

// Values of settings that tell nothing.
bool is_plain_value(std::string_view word) { return one_of(word, {"default", "on", "off", "true", "false", "local", "none"}); }

bool is_keyword_among_names(std::string_view word) {
  return one_of(word, {"savepoint", "to",    "work",  "transaction", "and",      "chain",    "no",      "all",      "prepare", "prepared",
                       "next",      "prior", "first", "last",        "absolute", "relative", "forward", "backward", "from",    "in"});
}

}  // namespace

bool UtilityRules::start(std::string_view word) {
  mode_ = Mode::kPlain;
  if (word == "explain") {
    mode_ = Mode::kExplain;
  } else if (one_of(word, {"listen", "unlisten", "notify", "savepoint", "release", "rollback", "deallocate", "fetch", "move", "close"})) {
    mode_ = Mode::kNames;
  } else if (one_of(word, {"execute", "declare", "prepare"})) {
    mode_ = Mode::kFirstName;
    after_list_ = word == "prepare" ? Mode::kPrepare : Mode::kPlain;
  } else if (word == "set") {
    mode_ = Mode::kSet;
  } else if (one_of(word, {"create", "alter", "import"})) {
    mode_ = Mode::kDefine;
  } else if (word == "copy") {
    mode_ = Mode::kDefineOther;
  }
  return false;
}

// CREATE and ALTER: passwords, SET clauses, OPTIONS.
bool UtilityRules::define(Token token, std::string_view word) {
  if (options_depth_ > 0) {  // [ADD | SET | DROP] name 'value', …
    if (depth_ < options_depth_) {
      options_depth_ = 0;
    } else if (word == "," && depth_ == options_depth_) {
      option_named_ = false;
    } else if (is_name(token)) {
      if (option_named_) return true;
      option_named_ = token == Token::kQuotedName || !one_of(word, {"add", "set", "drop"});
    }
    return false;
  }
  if (options_next_) {
    options_next_ = false;
    if (word == "(") {
      options_depth_ = depth_;
      option_named_ = false;
      return false;
    }
  }
  if (in_set_ && (word == "=" || word == "to")) {
    in_set_ = false;
    after_list_ = mode_;
    mode_ = mode_ == Mode::kDefineFunction ? Mode::kValueList : Mode::kValues;
    return false;
  }
  if (token != Token::kWord) return false;
  if (mode_ == Mode::kDefine) {
    if (one_of(word, {"role", "group", "user"})) {
      mode_ = Mode::kDefineRole;
    } else if (one_of(word, {"function", "procedure", "routine"})) {
      mode_ = Mode::kDefineFunction;
    } else if (one_of(word, {"system", "database", "server", "foreign", "subscription"})) {
      mode_ = Mode::kDefineOther;
    } else if (!one_of(word, {"or", "replace"})) {
      mode_ = Mode::kPlain;
    }
    return false;
  }
  if (word == "begin") mode_ = Mode::kPlain;  // BEGIN ATOMIC: statements follow
  if (word == "set") in_set_ = true;
  if (word == "options") options_next_ = true;
  if (word == "password" && mode_ == Mode::kDefineRole) hide_next_ = true;
  if (word == "connection" || word == "program") hide_next_ = true;
  return false;
}

bool UtilityRules::hides(Token token, std::string_view word) {
  if (word == ";" && depth_ == 0) {
    *this = UtilityRules();
    return false;
  }
  if (word == "(") ++depth_;
  if (word == ")" && depth_ > 0) --depth_;
  if (hide_next_) {
    hide_next_ = false;
    if (is_name(token)) return !one_of(word, {"null", "limit"});
  }
  switch (mode_) {
    case Mode::kStart:
      return token == Token::kWord ? start(word) : false;
    case Mode::kExplain:
      if (token != Token::kWord || depth_ > 0 || one_of(word, {"analyze", "analyse", "verbose"})) return false;
      return start(word);
    case Mode::kPlain:
      return false;
    case Mode::kNames:
      return is_name(token) && (token == Token::kQuotedName || !is_keyword_among_names(word));
    case Mode::kFirstName:
      mode_ = after_list_;
      return is_name(token) && word != "transaction";
    case Mode::kPrepare:
      if (token == Token::kWord && word == "as" && depth_ == 0) mode_ = Mode::kStart;
      return false;
    case Mode::kSet:
      if (word == "=" || word == "to" || word == "names" || word == "schema" || word == "option") mode_ = Mode::kValues;
      if (word == "time") mode_ = Mode::kTimeZone;
      if (one_of(word, {"transaction", "constraints", "characteristics", "role", "authorization"})) mode_ = Mode::kPlain;
      return false;
    case Mode::kTimeZone:
      mode_ = word == "zone" ? Mode::kValues : Mode::kSet;
      return false;
    case Mode::kDefine:
    case Mode::kDefineRole:
    case Mode::kDefineFunction:
    case Mode::kDefineOther:
      return define(token, word);
    case Mode::kValues:
      return is_name(token) && (token == Token::kQuotedName || !is_plain_value(word));
    case Mode::kValueList:
      if (token == Token::kOther) return false;  // a sign
      mode_ = Mode::kValueListEnd;
      return is_name(token) && (token == Token::kQuotedName || !is_plain_value(word));
    case Mode::kValueListEnd:
      if (word == ",") {
        mode_ = Mode::kValueList;
        return false;
      }
      mode_ = after_list_;
      return define(token, word);
  }
  return false;
}

}  // namespace pga::sql
