// The bytes of a log; docs/journal.md draws them.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/interval_set.h"
#include "journal/disk.h"
#include "journal/journal.h"

namespace pga::journal {

inline constexpr std::size_t kSegmentHeaderBytes = 40;
inline constexpr std::size_t kRecordHeaderBytes = 24;
inline constexpr std::size_t kGapsMax = 256;          // pending in the state
inline constexpr std::size_t kReportedMax = 65'536;   // damaged ranges remembered so that they are reported once
inline constexpr std::size_t kDoneRangesMax = 4'096;  // kept in the state; more are sent again after a restart
inline constexpr std::size_t kStateBytesMax = 2 * kMiB;
static_assert(kStateBytesMax > 100 + kGapsMax * 49 + kReportedMax * 16 + kDoneRangesMax * 16);

struct SegmentHeader {
  std::uint64_t log_id = 0;
  std::uint64_t segment = 0;
  std::uint64_t first_index = 0;
};
Bytes encode_segment_header(const SegmentHeader& header);
// kCorrupt: damaged; kInvalid: written by a program that knows more.
Result<SegmentHeader> decode_segment_header(ByteView bytes);

std::string segment_file_name(std::uint64_t segment);
std::optional<std::uint64_t> parse_segment_file_name(std::string_view name);

struct RecordHeader {
  std::uint32_t payload_bytes = 0;
  std::uint32_t crc = 0;
  std::uint64_t index = 0;
  std::int64_t written_us = 0;
};
RecordHeader decode_record_header(std::span<const std::byte, kRecordHeaderBytes> bytes);
// What the CRC of every record of this segment starts from.
std::uint32_t record_crc_seed(std::uint64_t log_id, std::uint64_t segment);
void encode_record(std::uint32_t crc_seed, std::uint64_t index, std::int64_t written_us, ByteView payload, Bytes& out);

// A gap that nobody has acknowledged yet.
struct PendingGap : Gap {
  std::uint64_t told_in = 0;  // the record that tells of it; 0: none yet
  bool handed_out = false;    // by gaps(): it does not change any more; not kept over a restart
};

struct State {
  std::uint64_t log_id = 0;
  std::uint64_t next_segment = 0;
  std::uint64_t next_index = 1;
  std::uint64_t acknowledged = 0;
  std::uint64_t dropped_to_segment = 0;
  std::uint64_t dropped_records = 0;
  std::uint64_t corrupt_records = 0;
  std::vector<PendingGap> gaps;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> reported;  // damaged index ranges of existing segments
  IntervalSet done;                                               // acknowledged or lost beyond the mark, never the one after it
};
std::string encode_state(const State& state);
Result<State> decode_state(std::string_view text);

// Walks the records of one segment, over damage. Owns its file.
class SegmentReader {
 public:
  // `end`: where the durable records end; `expected`: the lowest index that the next record may have; `first_max`: the highest that the
  // first may have, where the segment's header does not say it.
  SegmentReader(std::shared_ptr<DiskFile> file, std::uint32_t crc_seed, std::uint64_t end, std::uint64_t expected,
                std::uint64_t first_max = 0)
      : file_(std::move(file)), crc_seed_(crc_seed), end_(end), expected_(expected), first_max_(first_max) {}

  enum class Found : std::uint8_t { kRecord, kDamage, kEnd };
  struct Step {
    Found found = Found::kEnd;
    RecordHeader header;            // of a record
    std::uint64_t first_index = 0;  // of damage: what is missing; last_index 0: unknown, the segment ends in it
    std::uint64_t last_index = 0;
    std::uint64_t bytes = 0;  // of the record with its header, or of the damage
  };
  // Advances over one record, left with its header in `buffer`, or over one stretch of damage. Fails only if the disk does.
  Result<Step> step(Bytes& buffer);

  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::uint64_t expected() const { return expected_; }
  void extend(std::uint64_t end) { end_ = end; }

 private:
  Result<std::optional<RecordHeader>> record_at(std::uint64_t offset, std::uint64_t index_min, std::uint64_t index_max, Bytes& buffer);

  std::shared_ptr<DiskFile> file_;
  std::uint32_t crc_seed_;
  std::uint64_t end_;
  std::uint64_t expected_;
  std::uint64_t first_max_;  // 0 once a record was found
  std::uint64_t offset_ = kSegmentHeaderBytes;
};

}  // namespace pga::journal
