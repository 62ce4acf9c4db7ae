// What of ClickHouse's HTTP interface the engine understands: splits a request into statement, format and parameters, and says no to what
// would outlive its request on a pooled connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pga::engine {

// Which workers run it: reads, writes and changes of tables, or KILL and SYSTEM, which must not wait behind either.
enum class Lane : std::uint8_t { kQuery, kInsert, kControl };

struct Statement {
  Lane lane = Lane::kQuery;
  std::string sql;     // without the FORMAT clause if `with_data`
  std::string format;  // of the answer, or of the data
  bool with_data = false;
};

// `sql` is the query parameter (and `has_body`: data follows) or the body. kInvalid: nothing to run, more than one statement, SET, USE, or
// CREATE TEMPORARY. A FORMAT clause of a SELECT stays where it is and wins over `default_format`.
Result<Statement> parse_statement(std::string_view sql, std::string_view default_format, bool has_body);

// "/?a=1&b=%20" -> {{"a","1"},{"b"," "}}; "+" is a space.
std::vector<std::pair<std::string, std::string>> parse_query_string(std::string_view target);

// The number in "Code: N. DB::Exception: …"; 0 if there is none.
int exception_code(std::string_view error);
// ClickHouse's own mapping of its codes, as far as the store tells them apart.
int http_status(int exception_code);

}  // namespace pga::engine
