// What ingest hands to the store.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "wire/frame.h"

namespace pga::store {

// Names one sealed segment of the server's journal, for ever: a token that is made of it is never used for other data.
struct SegmentKey {
  std::uint64_t log_id = 0;   // random, chosen when the log was created
  std::uint64_t segment = 0;  // 1, 2, 3, … in the log
};

// One accepted frame. The same segment must carry the same frames in the same order whenever it is inserted.
struct StoredFrame {
  std::uint32_t tenant = 0;
  std::uint32_t collector = 0;
  std::string collector_uuid;
  std::int64_t received_us = 0;        // this server's clock, microseconds since 1970
  std::vector<std::uint32_t> servers;  // one id per entry of frame.targets
  wire::Frame frame;
};

struct InsertSummary {
  std::uint64_t rows = 0;  // rows of sources, as stored; batch headers not counted
  std::uint64_t batches = 0;
  std::uint64_t rows_refused = 0;   // of sources or targets that nobody knows; counted in table `batches` too
  std::uint64_t cells_ignored = 0;  // of columns that the declaration does not have
  std::uint64_t clocks_mended = 0;  // readings whose time was too far from ours and was replaced by the time of arrival
  // Starts of the five-minute windows that hold something of this segment, ascending, without repetition: for the RollupLedger.
  std::vector<std::int64_t> windows_us;
};

}  // namespace pga::store
