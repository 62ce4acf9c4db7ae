#include "uplink/lanes.h"

namespace pga::uplink {

Result<std::optional<journal::Record>> Lanes::fresh() {
  auto first = spool_.next(boundary_);
  if (!first || !*first || spool_.last_index() - (*first)->id.index < kFreshMax) return first;
  boundary_ = spool_.last_index() - 1;
  return spool_.next(boundary_);
}

Result<Lanes::Pick> Lanes::next(SteadyTime now) {
  Pick pick;
  PGA_TRY(pick.record, fresh());
  if (pick.record) return pick;
  pick.backlog = true;
  PGA_TRY(pick.record, spool_.next(0));
  if (!pick.record) return Pick{};
  if (now < backlog_from_ && !hurrying_) {
    pick.record.reset();
    pick.wait_until = backlog_from_;
  }
  return pick;
}

}  // namespace pga::uplink
