#include "ingest/rollup_ledger.h"

namespace pga::ingest {
namespace {

directory::RollupStep to_directory(const store::RollupStep& s) {
  return {static_cast<std::int64_t>(s.resolution), s.window_us, s.after_segment, s.through_segment};
}

std::vector<store::RollupStep> to_store(const std::vector<directory::RollupStep>& steps) {
  std::vector<store::RollupStep> out;
  for (const auto& s : steps)
    out.push_back({static_cast<store::Resolution>(s.resolution), s.window_us, s.after_segment, s.through_segment});
  return out;
}

}  // namespace

Result<std::vector<store::RollupStep>> DirectoryRollupLedger::unfinished() {
  PGA_TRY(const auto steps, book_.unfinished());
  return to_store(steps);
}

Result<std::vector<store::RollupStep>> DirectoryRollupLedger::due(store::Resolution resolution, std::int64_t ended_before_us,
                                                                  std::size_t limit) {
  PGA_TRY(const auto steps, book_.due(static_cast<std::int64_t>(resolution), ended_before_us - store::width(resolution).count(), limit));
  return to_store(steps);
}

Status DirectoryRollupLedger::intend(const std::vector<store::RollupStep>& steps) {
  std::vector<directory::RollupStep> out;
  for (const auto& s : steps) out.push_back(to_directory(s));
  return book_.intend(out);
}

Status DirectoryRollupLedger::finish(const store::RollupStep& step) { return book_.finish(to_directory(step)); }

}  // namespace pga::ingest
