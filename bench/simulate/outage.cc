#include <algorithm>

#include "world.h"

namespace pga::simulate {

OutageOutcome run_outage(const OutagePlan& plan, const catalog::Catalog& catalog) {
  OutageOutcome out;
  SeededRandom random(plan.seed);
  net::Simulation time(random);
  Ledger ledger;
  Surroundings around{random, time, ledger, catalog};
  ServerMachine server(around, 1);
  Network network(around, server);
  CollectorMachine collector(around, network, 1, {plan.spool_bytes, plan.ship_every, 600});
  const auto now = [&] { return time.clock().steady_now(); };
  server.journal_bytes_max = 256 * kMiB;
  server.start();
  collector.start();
  time.run_until(now() + std::chrono::minutes{1});

  network.answers_lost_percent = 0;
  network.cut_off.insert(1);
  for (const SteadyTime end = now() + plan.outage; now() < end;) {
    time.run_until(now() + std::chrono::seconds{10});
    out.spool_bytes_most = std::max(out.spool_bytes_most, collector.disk.used_bytes());
  }
  network.cut_off.clear();
  out.backlog_frames = collector.spool_stats().records;
  // From the first frame that gets through on, fresh data must stay fresh.
  const SteadyTime back = now();
  const std::int64_t before = ledger.newest_sent_us(1);
  while (ledger.newest_sent_us(1) == before && now() < back + std::chrono::minutes{5})
    time.run_until(now() + std::chrono::milliseconds{10});
  while (!collector.drained() && now() < back + std::chrono::hours{12}) {
    time.run_until(now() + std::chrono::milliseconds{100});
    const auto age = std::chrono::microseconds(to_micros(time.clock().now()) - ledger.newest_sent_us(1));
    out.oldest_fresh = std::max(out.oldest_fresh, std::chrono::duration_cast<std::chrono::milliseconds>(age));
  }
  out.catch_up = std::chrono::duration_cast<std::chrono::milliseconds>(now() - back);
  for (const SteadyTime end = now() + std::chrono::minutes{10}; now() < end && !(collector.drained() && server.drained());) {
    collector.reads = false;
    time.run_until(now() + std::chrono::milliseconds{100});
  }
  out.frames_dropped = collector.spool_stats().dropped_records;
  out.frames_in_gaps = ledger.frames_in_gaps();
  out.wrong = ledger.judge();
  if (!collector.drained() || !server.drained()) out.wrong.emplace_back("not everything reached the store: " + collector.condition());
  const std::uint64_t bound = plan.spool_bytes + plan.spool_bytes / 4;
  if (out.spool_bytes_most > bound)
    out.wrong.push_back("the spool took " + std::to_string(out.spool_bytes_most) + " bytes, its bound and a segment are " +
                        std::to_string(bound));
  if (out.frames_dropped == 0) out.wrong.emplace_back("nothing was dropped: the spool is too large for the outage");
  if (out.frames_in_gaps != out.frames_dropped)
    out.wrong.push_back(std::to_string(out.frames_dropped) + " frames were dropped and " + std::to_string(out.frames_in_gaps) +
                        " are in gaps");
  if (out.oldest_fresh > 2 * plan.ship_every) out.wrong.push_back("fresh data was " + std::to_string(out.oldest_fresh.count()) + " ms old");
  return out;
}

}  // namespace pga::simulate
