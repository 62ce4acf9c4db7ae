#include "statement.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace pga::engine {
namespace {

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Position after the comment or quoted piece that starts at `at`, or `at` if none does. An unfinished one reaches to the end.
std::size_t skip_opaque(std::string_view sql, std::size_t at) {
  const auto after = [&](std::string_view mark, std::size_t from) {
    const std::size_t end = sql.find(mark, from);
    return end == std::string_view::npos ? sql.size() : end + mark.size();
  };
  const std::string_view rest = sql.substr(at);
  if (rest.starts_with("--")) return after("\n", at);
  if (rest.starts_with("/*")) return after("*/", at + 2);
  const char quote = rest.empty() ? '\0' : rest.front();
  if (quote != '\'' && quote != '"' && quote != '`') return at;
  for (std::size_t i = at + 1; i < sql.size(); ++i) {
    if (sql[i] == '\\')
      ++i;
    else if (sql[i] == quote)
      return i + 1;
  }
  return sql.size();
}

// The words of the statement outside quotes and comments, upper case, at most `count` of them.
std::vector<std::string> first_words(std::string_view sql, std::size_t count) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < sql.size() && words.size() < count;) {
    if (const std::size_t next = skip_opaque(sql, i); next != i) {
      i = next;
    } else if (is_word(sql[i])) {
      std::string word;
      for (; i < sql.size() && is_word(sql[i]); ++i) word += static_cast<char>(std::toupper(static_cast<unsigned char>(sql[i])));
      words.push_back(std::move(word));
    } else {
      ++i;
    }
  }
  return words;
}

// True if something follows a semicolon.
bool has_second_statement(std::string_view sql) {
  bool ended = false;
  for (std::size_t i = 0; i < sql.size();) {
    const std::size_t next = skip_opaque(sql, i);
    const bool comment = next != i && (sql[i] == '-' || sql[i] == '/');
    if (ended && !comment && !is_space(sql[i]) && sql[i] != ';') return true;
    if (next == i && sql[i] == ';') ended = true;
    i = std::max(next, i + 1);
  }
  return false;
}

std::string_view trim_end(std::string_view text) {
  while (!text.empty() && (is_space(text.back()) || text.back() == ';')) text.remove_suffix(1);
  return text;
}

// "… FORMAT Native" -> {"…", "Native"}.
std::optional<std::pair<std::string_view, std::string_view>> split_format(std::string_view sql) {
  sql = trim_end(sql);
  std::size_t name = sql.size();
  while (name > 0 && is_word(sql[name - 1])) --name;
  const std::string_view before = trim_end(sql.substr(0, name));
  constexpr std::string_view kFormat = "FORMAT";
  if (name == sql.size() || before.size() <= kFormat.size() || before.size() == name) return std::nullopt;
  const std::string_view word = before.substr(before.size() - kFormat.size());
  const bool matches = std::equal(word.begin(), word.end(), kFormat.begin(),
                                  [](char a, char b) { return std::toupper(static_cast<unsigned char>(a)) == b; });
  if (!matches || is_word(before[before.size() - kFormat.size() - 1])) return std::nullopt;
  return std::pair{trim_end(before.substr(0, before.size() - kFormat.size())), sql.substr(name)};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

}  // namespace

Result<Statement> parse_statement(std::string_view sql, std::string_view default_format, bool has_body) {
  const std::vector<std::string> words = first_words(sql, 4);
  if (words.empty()) return invalid("the request has no statement");
  if (has_second_statement(sql)) return invalid("more than one statement in a request");
  const std::string& verb = words[0];
  if (verb == "SET" || verb == "USE") return invalid(verb + " would outlive its request; put settings into the SETTINGS clause");
  if (verb == "CREATE" && std::find(words.begin(), words.end(), "TEMPORARY") != words.end())
    return invalid("temporary objects would outlive their request");

  Statement statement{Lane::kInsert, std::string(trim_end(sql)), std::string(default_format), false};
  if (verb == "INSERT" && has_body) {
    const auto split = split_format(sql);
    if (!split) return invalid("INSERT with data needs a FORMAT clause at its end");
    return Statement{Lane::kInsert, std::string(split->first), std::string(split->second), true};
  }
  if (has_body) return invalid("data follows a statement that is not an INSERT");
  if (verb == "KILL" || verb == "SYSTEM") statement.lane = Lane::kControl;
  if (verb == "SELECT" || verb == "WITH" || verb == "SHOW" || verb == "DESCRIBE" || verb == "EXPLAIN" || verb == "EXISTS")
    statement.lane = Lane::kQuery;
  return statement;
}

std::vector<std::pair<std::string, std::string>> parse_query_string(std::string_view target) {
  std::vector<std::pair<std::string, std::string>> out;
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return out;
  target.remove_prefix(mark + 1);
  while (!target.empty()) {
    const std::size_t end = std::min(target.find('&'), target.size());
    const std::string_view item = target.substr(0, end);
    const std::size_t equals = std::min(item.find('='), item.size());
    if (!item.empty())
      out.emplace_back(percent_decode(item.substr(0, equals)), equals < item.size() ? percent_decode(item.substr(equals + 1)) : "");
    target.remove_prefix(std::min(end + 1, target.size()));
  }
  return out;
}

int exception_code(std::string_view error) {
  constexpr std::string_view kPrefix = "Code: ";
  const std::size_t at = error.find(kPrefix);
  int code = 0;
  if (at != std::string_view::npos) std::from_chars(error.data() + at + kPrefix.size(), error.data() + error.size(), code);
  return code;
}

int http_status(int code) {
  switch (code) {
    case 6:
    case 27:
    case 36:
    case 43:
    case 47:
    case 62:
    case 117:
    case 457:
      return 400;
    case 60:
    case 81:
      return 404;
    case 159:
      return 408;
    case 202:
      return 429;
    default:
      return 500;
  }
}

}  // namespace pga::engine
