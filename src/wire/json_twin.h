// The same frame spelled as JSON (application/json), for third parties and debugging. docs/wire.md, section "JSON".
#pragma once

#include <string>
#include <string_view>

#include "wire/frame.h"

namespace pga::wire {

// Cells are spelled by type: integers as numbers (as strings beyond 2^53), booleans, strings, times as microseconds, doubles as numbers.
Result<std::string> to_json(const Frame& frame, bool pretty = false);

// Fails with kInvalid, kTooLarge or kCorrupt; the message has the path of the offending member ("batches[3].columns: …").
Result<Frame> from_json(std::string_view text);

}  // namespace pga::wire
