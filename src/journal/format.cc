#include <algorithm>
#include <array>
#include <charconv>

#include "journal/crc32c.h"
#include "journal/format_internal.h"

namespace pga::journal {
namespace {

constexpr std::uint32_t kSegmentMagic = 0x4A414750;  // "PGAJ"
constexpr std::uint32_t kStateMagic = 0x53414750;    // "PGAS"
constexpr std::uint16_t kVersion = 1;                // of segments
constexpr std::uint16_t kStateVersion =
    2;  // 1 had no ranges beyond the mark and forgot a gap once a record told of it and forgot a gap once a record told of it
constexpr std::size_t kCrcAt = 4;  // in a record header

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::uint32_t record_crc(std::uint32_t seed, ByteView record) {
  return crc32c(crc32c(seed, record.first(kCrcAt)), record.subspan(kCrcAt + 4));
}

}  // namespace

Bytes encode_segment_header(const SegmentHeader& header) {
  ByteWriter out;
  out.fixed(kSegmentMagic);
  out.fixed(kVersion);
  out.fixed(static_cast<std::uint16_t>(kSegmentHeaderBytes));
  out.fixed(header.log_id);
  out.fixed(header.segment);
  out.fixed(header.first_index);
  out.fixed(std::uint32_t{0});
  out.fixed(crc32c(0, out.view()));
  return out.take();
}

Result<SegmentHeader> decode_segment_header(ByteView bytes) {
  ByteReader in(bytes);
  PGA_TRY(const auto magic, in.fixed<std::uint32_t>());
  PGA_TRY(const auto version, in.fixed<std::uint16_t>());
  PGA_TRY(const auto header_bytes, in.fixed<std::uint16_t>());
  SegmentHeader header;
  PGA_TRY(header.log_id, in.fixed<std::uint64_t>());
  PGA_TRY(header.segment, in.fixed<std::uint64_t>());
  PGA_TRY(header.first_index, in.fixed<std::uint64_t>());
  PGA_TRY(const auto flags, in.fixed<std::uint32_t>());
  PGA_TRY(const auto crc, in.fixed<std::uint32_t>());
  if (crc != crc32c(0, bytes.first(kSegmentHeaderBytes - 4)) || magic != kSegmentMagic) return corrupt("segment header fails its check");
  if (header.first_index == 0) return corrupt("segment header has the index 0");
  if (version != kVersion || header_bytes != kSegmentHeaderBytes || flags != 0) {
    return invalid("segment of version " + std::to_string(version) + " with flags " + std::to_string(flags) +
                   ": this program knows version 1 without flags");
  }
  return header;
}

std::string segment_file_name(std::uint64_t segment) {
  const std::string digits = std::to_string(segment);
  return std::string(20 - digits.size(), '0') + digits + ".seg";
}

std::optional<std::uint64_t> parse_segment_file_name(std::string_view name) {
  if (name.size() != 24 || !name.ends_with(".seg")) return std::nullopt;
  std::uint64_t segment = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 20, segment);
  if (error != std::errc{} || end != name.data() + 20) return std::nullopt;
  return segment;
}

RecordHeader decode_record_header(std::span<const std::byte, kRecordHeaderBytes> bytes) {
  return {load<std::uint32_t>(bytes.data()), load<std::uint32_t>(bytes.data() + kCrcAt), load<std::uint64_t>(bytes.data() + 8),
          load<std::int64_t>(bytes.data() + 16)};
}

std::uint32_t record_crc_seed(std::uint64_t log_id, std::uint64_t segment) {
  const std::array ids{log_id, segment};
  return crc32c(0, std::as_bytes(std::span(ids)));
}

void encode_record(std::uint32_t crc_seed, std::uint64_t index, std::int64_t written_us, ByteView payload, Bytes& out) {
  out.resize(kRecordHeaderBytes + payload.size());
  const auto payload_bytes = static_cast<std::uint32_t>(payload.size());
  std::memcpy(out.data(), &payload_bytes, 4);
  std::memcpy(out.data() + 8, &index, 8);
  std::memcpy(out.data() + 16, &written_us, 8);
  if (!payload.empty()) std::memcpy(out.data() + kRecordHeaderBytes, payload.data(), payload.size());
  const std::uint32_t crc = record_crc(crc_seed, out);
  std::memcpy(out.data() + kCrcAt, &crc, 4);
}

std::string encode_state(const State& state) {
  ByteWriter out;
  out.fixed(kStateMagic);
  out.fixed(kStateVersion);
  out.fixed(std::uint16_t{0});
  for (const std::uint64_t v : {state.log_id, state.next_segment, state.next_index, state.acknowledged, state.dropped_to_segment,
                                state.dropped_records, state.corrupt_records}) {
    out.fixed(v);
  }
  out.fixed(static_cast<std::uint32_t>(state.gaps.size()));
  for (const PendingGap& gap : state.gaps) {
    out.fixed(gap.first_index);
    out.fixed(gap.last_index);
    out.fixed(gap.from_us);
    out.fixed(gap.to_us);
    out.fixed(gap.bytes);
    out.fixed(static_cast<std::uint8_t>(gap.corrupt));
    out.fixed(gap.told_in);
  }
  out.fixed(static_cast<std::uint32_t>(state.reported.size()));
  for (const auto& [first, last] : state.reported) {
    out.fixed(first);
    out.fixed(last);
  }
  auto done = state.done.ranges();
  if (done.size() > kDoneRangesMax) done.resize(kDoneRangesMax);
  out.fixed(static_cast<std::uint32_t>(done.size()));
  for (const auto& [first, last] : done) {
    out.fixed(first);
    out.fixed(last);
  }
  out.fixed(crc32c(0, out.view()));
  return std::string(as_text(out.view()));
}

Result<State> decode_state(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  if (bytes.size() < 12 || load<std::uint32_t>(bytes.data() + bytes.size() - 4) != crc32c(0, bytes.first(bytes.size() - 4))) {
    return corrupt("state of " + std::to_string(bytes.size()) + " bytes fails its check");
  }
  ByteReader in(bytes);
  PGA_TRY(const auto magic, in.fixed<std::uint32_t>());
  PGA_TRY(const auto version, in.fixed<std::uint16_t>());
  PGA_TRY(const auto reserved, in.fixed<std::uint16_t>());
  if (magic != kStateMagic || version == 0 || version > kStateVersion || reserved != 0)
    return invalid("state of version " + std::to_string(version) + ": this program knows versions 1 and 2");
  State state;
  for (std::uint64_t* v : {&state.log_id, &state.next_segment, &state.next_index, &state.acknowledged, &state.dropped_to_segment,
                           &state.dropped_records, &state.corrupt_records}) {
    PGA_TRY(*v, in.fixed<std::uint64_t>());
  }
  PGA_TRY(const auto gaps, in.fixed<std::uint32_t>());
  if (gaps > kGapsMax) return corrupt("state has " + std::to_string(gaps) + " gaps, the limit is " + std::to_string(kGapsMax));
  for (std::uint32_t i = 0; i < gaps; ++i) {
    PendingGap gap;
    PGA_TRY(gap.first_index, in.fixed<std::uint64_t>());
    PGA_TRY(gap.last_index, in.fixed<std::uint64_t>());
    PGA_TRY(gap.from_us, in.fixed<std::int64_t>());
    PGA_TRY(gap.to_us, in.fixed<std::int64_t>());
    PGA_TRY(gap.bytes, in.fixed<std::uint64_t>());
    PGA_TRY(const auto damaged, in.fixed<std::uint8_t>());
    gap.corrupt = damaged != 0;
    if (version > 1) {
      PGA_TRY(gap.told_in, in.fixed<std::uint64_t>());
    }
    state.gaps.push_back(gap);
  }
  PGA_TRY(const auto reported, in.fixed<std::uint32_t>());
  if (reported > kReportedMax)
    return corrupt("state has " + std::to_string(reported) + " damaged ranges, the limit is " + std::to_string(kReportedMax));
  for (std::uint32_t i = 0; i < reported; ++i) {
    PGA_TRY(const auto first, in.fixed<std::uint64_t>());
    PGA_TRY(const auto last, in.fixed<std::uint64_t>());
    state.reported.emplace_back(first, last);
  }
  const std::uint32_t ranges = version == 1 ? 0 : in.fixed<std::uint32_t>().value_or(0);
  for (std::uint32_t i = 0; i < ranges; ++i) {
    PGA_TRY(const auto first, in.fixed<std::uint64_t>());
    PGA_TRY(const auto last, in.fixed<std::uint64_t>());
    if (first > last || first <= state.acknowledged)
      return corrupt("state has the acknowledged range " + std::to_string(first) + " to " + std::to_string(last));
    state.done.add(first, last);
  }
  if (in.left() != 4) return corrupt("state has " + std::to_string(in.left()) + " bytes where 4 are left");
  return state;
}

Result<std::optional<RecordHeader>> SegmentReader::record_at(std::uint64_t offset, std::uint64_t index_min, std::uint64_t index_max,
                                                             Bytes& buffer) {
  std::array<std::byte, kRecordHeaderBytes> bytes;
  if (end_ - offset < kRecordHeaderBytes) return std::nullopt;
  PGA_TRY(const std::size_t header_bytes, file_->read(offset, bytes));
  if (header_bytes < bytes.size()) return std::nullopt;
  const RecordHeader header = decode_record_header(bytes);
  if (header.payload_bytes > kRecordBytesMax || header.payload_bytes > end_ - offset - kRecordHeaderBytes) return std::nullopt;
  if (header.index < index_min || header.index > index_max) return std::nullopt;
  buffer.resize(kRecordHeaderBytes + header.payload_bytes);
  PGA_TRY(const std::size_t n, file_->read(offset, buffer));
  if (n < buffer.size() || header.crc != record_crc(crc_seed_, buffer)) return std::nullopt;
  return header;
}

Result<SegmentReader::Step> SegmentReader::step(Bytes& buffer) {
  if (offset_ >= end_) return Step{};
  PGA_TRY(const auto record, record_at(offset_, expected_, UINT64_MAX - 1, buffer));
  if (record) {
    const std::uint64_t bytes = kRecordHeaderBytes + record->payload_bytes;
    offset_ += bytes;
    expected_ = record->index + 1;
    first_max_ = 0;
    return Step{Found::kRecord, *record, record->index, record->index, bytes};
  }

  // Damage. Each lost record took at least a header, which bounds the index that may follow; the number of candidates whose
  // CRC is computed is bounded too, since each may cost as much as the largest record.
  constexpr int kCandidatesMax = 4096;
  constexpr std::size_t kWindowBytes = 64 * kKiB;
  const std::uint64_t damage = offset_;
  Bytes window(kWindowBytes);
  int candidates = 0;
  for (std::uint64_t at = damage + 1; at + kRecordHeaderBytes <= end_ && candidates < kCandidatesMax;) {
    PGA_TRY(const std::size_t n, file_->read(at, std::span(window).first(std::min<std::uint64_t>(kWindowBytes, end_ - at))));
    if (n < kRecordHeaderBytes) break;
    for (std::size_t i = 0; i + kRecordHeaderBytes <= n && candidates < kCandidatesMax; ++i) {
      const std::uint64_t offset = at + i;
      const auto index = load<std::uint64_t>(window.data() + i + 8);
      const std::uint64_t index_max = std::max(first_max_, expected_ + (offset - damage) / kRecordHeaderBytes + 1);
      if (index <= expected_ || index > index_max) continue;
      ++candidates;
      PGA_TRY(const auto next, record_at(offset, index, index, buffer));
      if (!next) continue;
      const Step step{Found::kDamage, {}, expected_, index - 1, offset - damage};
      offset_ = offset;
      expected_ = index;
      first_max_ = 0;
      return step;
    }
    at += n - (kRecordHeaderBytes - 1);
  }
  offset_ = end_;
  return Step{Found::kDamage, {}, expected_, 0, end_ - damage};
}

}  // namespace pga::journal
