// Pieces of ClickHouse's SQL. Values travel as parameters ({name:Type}), names are quoted here; nothing else is ever put into a statement.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pga::store {

// "a`b" -> "`a\`b`".
std::string quote_name(std::string_view name);
// "it's" -> "'it\'s'": for settings and DDL, where no parameter is possible.
std::string quote_text(std::string_view text);
// How the value of a parameter is spelled: backslash, tab, newline, carriage return and NUL are escaped.
std::string escape_tsv(std::string_view text);

// Parameters of a statement, as they go into the URL.
class Parameters {
 public:
  void set(std::string name, std::string_view text) { items_.emplace_back(std::move(name), escape_tsv(text)); }
  void set(std::string name, const char* text) { set(std::move(name), std::string_view(text)); }
  template <class T>
    requires std::is_integral_v<T>
  void set(std::string name, T number) {
    items_.emplace_back(std::move(name), std::to_string(number));
  }
  // Binds a number under a name of its own and returns the placeholder "{p3:Int64}".
  std::string bind(std::int64_t number);
  std::string bind(std::string_view text);
  [[nodiscard]] std::string url() const;  // "&param_a=1&param_b=x", percent-encoded

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

std::string percent_encode(std::string_view text);

template <class Range, class Spell>
std::string join(const Range& items, std::string_view separator, Spell spell) {
  std::string out;
  bool first = true;
  for (const auto& item : items) {
    if (!std::exchange(first, false)) out += separator;
    out += spell(item);
  }
  return out;
}

}  // namespace pga::store
