#include "ingest/record.h"

#include "ingest/limits.h"

namespace pga::ingest {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kUuidBytesMax = 64;

constexpr std::int64_t micros(std::chrono::microseconds duration) { return duration.count(); }

}  // namespace

Bytes encode_record(const Record& record) {
  ByteWriter out;
  out.fixed(kVersion);
  out.fixed(record.tenant);
  out.fixed(record.collector);
  out.fixed(record.received_us);
  out.string(record.collector_uuid);
  out.varint(record.servers.size());
  for (const std::uint32_t server : record.servers) out.fixed(server);
  out.raw(record.frame);
  return out.take();
}

Result<Record> decode_record(ByteView bytes) {
  ByteReader in(bytes);
  PGA_TRY(const auto version, in.fixed<std::uint8_t>());
  if (version != kVersion) return corrupt("record of version " + std::to_string(version) + ", known is " + std::to_string(kVersion));
  Record record;
  PGA_TRY(record.tenant, in.fixed<std::uint32_t>());
  PGA_TRY(record.collector, in.fixed<std::uint32_t>());
  PGA_TRY(record.received_us, in.fixed<std::int64_t>());
  PGA_TRY(record.collector_uuid, in.string(kUuidBytesMax));
  PGA_TRY(const std::size_t servers, in.count(sizeof(std::uint32_t), wire::kTargetsMax, "servers"));
  for (std::size_t i = 0; i < servers; ++i) {
    PGA_TRY(const auto server, in.fixed<std::uint32_t>());
    record.servers.push_back(server);
  }
  record.frame = bytes.subspan(in.at());
  return record;
}

std::uint64_t refuse_far_batches(wire::Frame& frame, std::int64_t received_us) {
  std::uint64_t refused = 0;
  for (wire::Batch& batch : frame.batches) {
    // Without subtraction, which the time of a broken clock could overflow.
    const bool late = batch.started_us < received_us - micros(kTimePastMax);
    const bool early = batch.started_us > received_us + micros(kTimeFutureMax);
    if (!late && !early) continue;
    refused += batch.rows;
    batch.detail = "the reading's time, " + std::to_string(batch.started_us) + " us since 1970, is more than " +
                   (late ? "7 days before" : "5 minutes after") + " its arrival; " + std::to_string(batch.rows) + " rows were refused";
    batch.outcome = wire::Outcome::kError;
    batch.sqlstate.clear();
    batch.started_us = received_us;
    batch.interval_us = 0;
    batch.rows = 0;
    batch.columns.clear();
  }
  return refused;
}

}  // namespace pga::ingest
