// Comments of statements: what applications say of themselves stays, everything else goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/text.h"

namespace pga::sql {

// The comment with nothing in it but the tags that are allowed to stay, each as key='value' in percent-encoding, or the placeholder if
// there is none. Tags not seen before are added to `tags`, as long as there is room.
std::string redact_comment(std::string_view comment, std::vector<Tag>& tags);

}  // namespace pga::sql
