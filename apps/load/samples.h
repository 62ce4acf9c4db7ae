// The numbers of W1 as another store takes them, for the comparison of ./run bench ingest.
#pragma once

#include "base/result.h"
#include "plan.h"

namespace pga::load {

// Writes a file for each collector, <number>.jsonl: a line for each series with its values and times (milliseconds since 1970), as
// VictoriaMetrics' /api/v1/import takes them. Keys of a reading are labels; what is null is no sample. Returns their number.
Result<std::uint64_t> write_samples(const Plan& plan);

}  // namespace pga::load
