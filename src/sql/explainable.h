// Which statements may be handed to EXPLAIN as they are.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pga::sql {

struct Explainable {
  std::string text;            // the one statement, so that it can stand behind EXPLAIN
  std::size_t parameters = 0;  // the highest $n
};

// Nothing unless the text is exactly one whole SELECT, INSERT, UPDATE, DELETE, MERGE or WITH. `text` is what pg_stat_statements made of a
// statement: where a typed constant was (INTERVAL '1 day') it writes what nobody can parse (INTERVAL $1), which becomes a cast here.
std::optional<Explainable> explainable(std::string_view text);

}  // namespace pga::sql
