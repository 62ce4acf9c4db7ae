// One record of the server's journal: a frame as it was accepted, with what only the server knows of it.
//
//   u8  version (1)
//   u32 tenant, u32 collector id
//   i64 received, microseconds since 1970 by this server's clock
//   varint length, bytes: uuid of the collector
//   varint count, then u32 each: server ids of the frame's targets
//   rest: the frame as in docs/wire.md
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/frame.h"

namespace pga::ingest {

struct Record {
  std::uint32_t tenant = 0;
  std::uint32_t collector = 0;
  std::string collector_uuid;
  std::int64_t received_us = 0;
  std::vector<std::uint32_t> servers;
  ByteView frame;  // of the bytes that were decoded; not owned
};

Bytes encode_record(const Record& record);
Result<Record> decode_record(ByteView bytes);

// Replaces batches whose time is too far from the arrival (kTimePastMax, kTimeFutureMax) by a failed reading without rows that says so:
// one broken clock must not make a partition per day. Depends on nothing but its arguments, because replay must repeat it exactly.
// Returns the rows that were refused.
std::uint64_t refuse_far_batches(wire::Frame& frame, std::int64_t received_us);

}  // namespace pga::ingest
