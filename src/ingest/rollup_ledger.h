// The store's memory of what is rolled up, kept in the directory.
#pragma once

#include "directory/rollup_book.h"
#include "store/rollup.h"

namespace pga::ingest {

class DirectoryRollupLedger final : public store::RollupLedger {
 public:
  explicit DirectoryRollupLedger(directory::Database& database) : book_(database) {}
  Result<std::vector<store::RollupStep>> unfinished() override;
  Result<std::vector<store::RollupStep>> due(store::Resolution resolution, std::int64_t ended_before_us, std::size_t limit) override;
  Status intend(const std::vector<store::RollupStep>& steps) override;
  Status finish(const store::RollupStep& step) override;

 private:
  directory::RollupBook book_;
};

}  // namespace pga::ingest
