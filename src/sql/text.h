// Texts of statements: made safe to leave the host, and given an identity that holds across servers. A tolerant scan of
// tokens that never fails: truncated, broken and newer syntax included.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pga::sql {

struct SqlText {
  std::string redacted;           // every literal that the server left in the text is a placeholder
  std::uint64_t fingerprint = 0;  // xxh3 over the tokens: case folded, comments and white space out, lists of placeholders as one
};

// `bytes_max`: longer texts are cut at a character boundary and end in "…".
// String constants of any form, dollar-quoted bodies and numbers become "$?"; placeholders and identifiers stay. Text after an
// unterminated quote is unknown, and unknown means redacted. Comments stay (they carry the tags of applications) but the
// quoted strings in them do not.
SqlText scan_sql(std::string_view text, std::size_t bytes_max = 16 * 1024);

}  // namespace pga::sql
