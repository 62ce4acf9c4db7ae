// Messages of PostgreSQL as patterns: what is said in them, and what of it may leave the host.
//
//   text            stands there
//   {id:name}       a name or a word of the server's own: kept, and a field
//   {int:name}      a whole number: kept, and a field         {num:name}  with decimals
//   {kb:name}       kilobytes, as bytes                       {ms:name} {s:name}  as nanoseconds      {pct:name}  as a ratio
//   {hms:name}      "1:02:03.456" as nanoseconds              {lsn:name}  a position in the WAL, as text
//   {*}             a value: "$?"
//   {sql:name}      the rest, a statement: its literals become "$?"
// A name may be left out: kept, no field.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pga::logs {

struct Extracted {
  std::string_view name;    // of the template
  std::string text;         // of {id} and {lsn}
  std::int64_t number = 0;  // of {int}, {kb}, {ms}, {s}, {hms}
  double real = 0;          // of {num}, {pct}
  enum class Kind : std::uint8_t { kText, kInt, kReal } kind = Kind::kText;
};

struct Matched {
  std::string redacted;
  std::vector<Extracted> fields;
  std::string statement;  // as it was, of {sql}: not redacted
};

// The whole text, or nothing. Never more than some thousand steps, whatever the text.
std::optional<Matched> match_template(std::string_view pattern, std::string_view text);

}  // namespace pga::logs
