#include "ingest/maintenance.h"

#include "base/log.h"
#include "directory/audit.h"
#include "directory/people.h"
#include "directory/rollup_book.h"
#include "ingest/rollup_ledger.h"

namespace pga::ingest {
namespace {

void report(const char* what, const Status& status) {
  if (!status && status.error().code != ErrorCode::kCancelled) log_warning("ingest", std::string(what) + ": " + status.error().message);
}

Status forget(directory::Database& database, const Clock& clock) {
  PGA_TRY_STATUS(directory::People(database, clock).delete_expired_sessions());
  PGA_TRY_STATUS(directory::Audit(database, clock).delete_old());
  return directory::RollupBook(database).forget_before(to_micros(clock.now() - kWindowsKept));
}

}  // namespace

net::Task<> maintain(net::Loop& loop, const Clock& clock, ClockGuard& guard, directory::Database& database, store::Store& store,
                     std::uint64_t log_id) {
  DirectoryRollupLedger ledger(database);
  SteadyTime retained{};
  while (true) {
    for (bool more = true; more && !loop.stopping();) {
      const auto now = guard.now_for_dropping();
      if (!now) break;
      const auto rolled = co_await store.roll_up(ledger, log_id, *now);
      report("roll-up", rolled ? Status() : Status(rolled.error()));
      more = rolled && rolled->more;
    }
    const auto now = guard.now_for_dropping();
    if (now && clock.steady_now() - retained >= kRetentionEvery && !loop.stopping()) {
      const auto dropped = co_await store.apply_retention(*now);
      report("retention", dropped ? Status() : Status(dropped.error()));
      report("directory", co_await loop.run_blocking([&] { return forget(database, clock); }));
      retained = clock.steady_now();
    }
    const Status slept = co_await loop.sleep(kRollupEvery);
    if (!slept) co_return;
  }
}

net::Task<> look_at_store(net::Loop& loop, store::Store& store) {
  while (true) {
    const Status slept = co_await loop.sleep(store::kLookEvery);
    if (!slept) co_return;
    report("parts of the store", co_await store.look());
  }
}

}  // namespace pga::ingest
