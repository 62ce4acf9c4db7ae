// Which windows of time hold rows of which journal segments, and what of it was rolled up. The meaning of a step is the store's
// (src/store/rollup.h); here it is only kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "directory/database.h"

namespace pga::directory {

struct RollupStep {
  std::int64_t resolution = 0;
  std::int64_t window_us = 0;
  std::uint64_t after_segment = 0;
  std::uint64_t through_segment = 0;
  bool operator==(const RollupStep&) const = default;
};

class RollupBook {
 public:
  explicit RollupBook(Database& database) : database_(database) {}

  // Rows of `segment` lie in these windows; once per segment. Segments come in ascending order, except one that the store refused before:
  // where its window is rolled up further already, it becomes an unfinished step of its own.
  Status touch(std::int64_t resolution, const std::vector<std::int64_t>& windows_us, std::uint64_t segment);
  Result<std::vector<RollupStep>> due(std::int64_t resolution, std::int64_t starts_at_or_before_us, std::size_t limit);
  Result<std::vector<RollupStep>> unfinished();
  Status intend(const std::vector<RollupStep>& steps);
  Status finish(const RollupStep& step);
  // Forgets finished windows that start before; rows that came for one of them later would be rolled up twice.
  Status forget_before(std::int64_t window_us);

 private:
  Database& database_;
};

}  // namespace pga::directory
