// The little JSON that is inside of our own tokens: one object of texts, integers, and at most one level of objects. Whatever else JSON
// allows (escapes, fractions, arrays, null, blanks) is refused, since we never write it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace pga::identity {

using Claim = std::variant<std::string, std::int64_t>;
using Claims = std::map<std::string, Claim, std::less<>>;  // members of an inner object as "outer.inner"

Result<Claims> parse_claims(std::string_view json);
std::optional<std::string> text_claim(const Claims& claims, std::string_view name);
std::optional<std::int64_t> number_claim(const Claims& claims, std::string_view name);

// Printable ASCII without quote and backslash, not empty: what can be written without escapes.
bool is_claim_text(std::string_view text);

}  // namespace pga::identity
