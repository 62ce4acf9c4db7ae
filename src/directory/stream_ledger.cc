#include "directory/stream_ledger.h"

#include "base/text.h"

namespace pga::directory {

Result<std::vector<StreamRanges>> StreamLedger::load() {
  std::vector<StreamRanges> streams;
  Status bad;
  PGA_TRY_STATUS(database_.run(
      "SELECT collector_id, epoch, first_sequence, last_sequence FROM stream_ranges ORDER BY collector_id, epoch, first_sequence", {},
      [&](const Row& row) {
        const CollectorId collector{static_cast<std::uint32_t>(row.integer(0))};
        const auto epoch = parse_hex_u64(row.text(1));
        if (!epoch) {
          bad = corrupt("stream_ranges has the epoch \"" + row.text(1) + "\"");
          return;
        }
        if (streams.empty() || streams.back().collector != collector || streams.back().epoch != *epoch) {
          streams.push_back({collector, *epoch, {}});
        }
        streams.back().ranges.emplace_back(row.integer(2), row.integer(3));
      }));
  PGA_TRY_STATUS(bad);
  return streams;
}

Status StreamLedger::store(const std::vector<StreamRanges>& streams) {
  return database_.transaction([&]() -> Status {
    for (const StreamRanges& s : streams) {
      const std::string epoch = to_hex(s.epoch);
      PGA_TRY_STATUS(database_.run("DELETE FROM stream_ranges WHERE collector_id = $1 AND epoch = $2", {s.collector.value, epoch}));
      for (const auto& [first, last] : s.ranges) {
        PGA_TRY_STATUS(
            database_.run("INSERT INTO stream_ranges (collector_id, epoch, first_sequence, last_sequence) VALUES ($1, $2, $3, $4)",
                          {s.collector.value, epoch, static_cast<std::int64_t>(first), static_cast<std::int64_t>(last)}));
      }
    }
    return {};
  });
}

}  // namespace pga::directory
