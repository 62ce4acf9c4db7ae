// Texts of statements: made safe to leave the host, and given an identity that holds across servers. A tolerant scan of
// tokens that never fails: truncated, broken and newer syntax included.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sql/limits.h"

namespace pga::sql {

// What an application says of itself in a comment of its statement (sqlcommenter's key='value', marginalia's key:value).
struct Tag {
  std::string key;
  std::string value;  // decoded
  bool operator==(const Tag&) const = default;
};

struct SqlText {
  std::string redacted;           // valid UTF-8; every constant that was left in the text is the placeholder
  std::uint64_t fingerprint = 0;  // xxh3 over the tokens, see below; of the redacted text it is the same, unless that was cut
  bool truncated = false;         // the text was cut, by us or before: something is open at its end
  std::vector<Tag> tags;          // each key once, in order of appearance, only the keys and values that may leave
};

// Redaction. String constants of any form, dollar-quoted bodies, numbers, and in utility statements the words that stand for values
// (SET x TO value, names of savepoints and channels, a password without quotes) become "$?"; parameters and identifiers stay. What is
// behind an open quote, a backslash or a quote that a setting decides about is unknown, and unknown means redacted. Of comments only tags
// with few values stay. Longer texts than `bytes_max` are cut between two tokens and end in "…". Redacting twice changes nothing.
//
// Fingerprint. Case of unquoted names, white space, comments, quotes around names that do not need them, and semicolons at the end do not
// matter. A constant is a constant: 'x', -1, $1, true and the placeholder are the same. Elements of IN (…), ARRAY[…] and rows of VALUES
// that are like the one before count once. Names of schemas do matter.
SqlText scan_sql(std::string_view text, std::size_t bytes_max = kTextBytesMax);

}  // namespace pga::sql
