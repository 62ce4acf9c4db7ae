// Which sequence numbers of which stream are in the store: what makes a repeated frame a duplicate after a restart.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"
#include "directory/database.h"
#include "directory/ids.h"

namespace pga::directory {

struct StreamRanges {
  CollectorId collector;
  std::uint64_t epoch = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;  // first and last, both included, ascending, disjoint; below 2^63
};

class StreamLedger {
 public:
  explicit StreamLedger(Database& database) : database_(database) {}
  Result<std::vector<StreamRanges>> load();
  // Replaces what is known of each of these streams; all of them or none.
  Status store(const std::vector<StreamRanges>& streams);

 private:
  Database& database_;
};

}  // namespace pga::directory
