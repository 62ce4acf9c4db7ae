#include <algorithm>

#include "base/log.h"
#include "journal/segmented_internal.h"

namespace pga::journal {
namespace {

constexpr std::size_t kRewriteBytes = 256 * kKiB;  // at a time

}  // namespace

Result<std::optional<SegmentHeader>> SegmentedJournal::read_segment_header(std::uint64_t id, DiskFile& file) {
  std::array<std::byte, kSegmentHeaderBytes> bytes{};
  PGA_TRY(const std::size_t n, file.read(0, bytes));
  auto header = decode_segment_header(ByteView(bytes).first(n));
  if (header) return *header;
  if (header.error().code == ErrorCode::kInvalid) return header.error().with_context(path_of(id).string());
  return std::nullopt;
}

// What a crashed process left in the page cache. Its last fsync may have failed, and the kernel thinks since that the pages are clean: only
// what is written again is synced again. The bytes stay what they are, so a crash in between tears nothing.
Status SegmentedJournal::make_durable(DiskFile& file, std::uint64_t bytes) {
  for (std::uint64_t at = 0; at < bytes;) {
    read_buffer_.resize(std::min<std::uint64_t>(bytes - at, kRewriteBytes));
    PGA_TRY(const std::size_t n, file.read(at, read_buffer_));
    if (n == 0) return corrupt("the file ends at " + std::to_string(at) + " instead of " + std::to_string(bytes) + " bytes");
    PGA_TRY_STATUS(file.write(at, ByteView(read_buffer_).first(n)));
    at += n;
  }
  return file.sync();
}

Status SegmentedJournal::recover() {
  const std::scoped_lock lock(mutex_);
  PGA_TRY_STATUS(disk_.make_directory(options_.directory));
  PGA_TRY(auto directory_lock, disk_.lock(options_.directory / "LOCK"));

  std::vector<std::uint64_t> ids;
  PGA_TRY(const auto names, disk_.list(options_.directory));
  for (const std::string& name : names) {
    if (const auto id = parse_segment_file_name(name)) ids.push_back(*id);
  }
  std::ranges::sort(ids);

  const auto text = disk_.read_small(options_.directory / "state", kStateBytesMax);
  if (!text && text.error().code != ErrorCode::kNotFound && text.error().code != ErrorCode::kTooLarge) return text.error();
  auto state = text ? decode_state(*text) : Result<State>(text.error());
  if (state) {
    state_ = std::move(*state);
  } else {
    if (state.error().code == ErrorCode::kInvalid) return state.error().with_context(options_.directory.string());
    if (text || !ids.empty()) {
      log_warning("journal", options_.directory.string() + ": state is rebuilt from the segments: " + state.error().message);
      ++rebuilt_;
    }
    state_.log_id = random_.next_u64();
    state_.next_segment = static_cast<std::uint64_t>(std::max<std::int64_t>(1, to_micros(clock_.now()) / 1000));
    for (const std::uint64_t id : ids) {
      PGA_TRY(const auto file, disk_.open(path_of(id)));
      PGA_TRY(const auto header, read_segment_header(id, *file));
      if (!header) continue;
      state_.log_id = header->log_id;
      state_.acknowledged = header->first_index - std::min<std::uint64_t>(header->first_index, 1);  // nothing before it exists
      break;
    }
  }

  std::vector<std::uint64_t> gone;
  for (const std::uint64_t id : ids) {
    if (id <= state_.dropped_to_segment) {
      gone.push_back(id);
      continue;
    }
    const auto following = std::ranges::upper_bound(ids, id);
    const std::uint64_t next_id = following == ids.end() ? 0 : *following;
    if (auto recovered = recover_segment(id, next_id); !recovered) return recovered.error().with_context(path_of(id).string());
    if (!segments_.contains(id)) gone.push_back(id);
    state_.next_segment = std::max(state_.next_segment, id + 1);
  }
  // What is between the segments is acknowledged or lost; what was acknowledged tells of no gap any more.
  std::uint64_t next = state_.acknowledged + 1;
  for (const auto& [id, segment] : segments_) {
    if (segment.first_index > next) mark_lost(next, segment.first_index - 1);
    next = segment.end.last_index + 1;
  }
  if (state_.next_index > next) mark_lost(next, state_.next_index - 1);
  for (const auto& [id, segment] : segments_) {
    if (needed(segment).empty()) gone.push_back(id);
  }
  durable_index_ = state_.next_index - 1;
  PGA_TRY_STATUS(delete_segments(gone));  // saves the state too
  note_oldest();
  lock_ = std::move(directory_lock);
  return {};
}

Status SegmentedJournal::recover_segment(std::uint64_t id, std::uint64_t next_id) {
  PGA_TRY(std::shared_ptr<DiskFile> file, disk_.open(path_of(id)));
  PGA_TRY(const std::uint64_t size, file->size());
  if (size < kSegmentHeaderBytes) {
    torn_bytes_ += size;
    return {};
  }
  PGA_TRY(const auto header, read_segment_header(id, *file));
  if (!header) {
    log_warning("journal", path_of(id).string() + ": the header is damaged; the name and the records say what it said");
    ++rebuilt_;
  }
  if (header && (header->log_id != state_.log_id || header->segment != id)) return invalid("the segment belongs to another log");

  Segment segment;
  segment.first_index = header ? header->first_index : segments_.empty() ? 1 : segments_.rbegin()->second.end.last_index + 1;
  // Without a header the index of the first record is only bounded: by what was given when the state was written, and what fits since.
  const std::uint64_t first_max = header ? 0 : state_.next_index + options_.total_bytes_max / kRecordHeaderBytes;
  SegmentReader reader(file, record_crc_seed(state_.log_id, id), size, segment.first_index, first_max);
  SegmentReader::Step damage;
  while (true) {
    const std::uint64_t offset = reader.offset();
    PGA_TRY(const auto step, reader.step(read_buffer_));
    if (step.found == SegmentReader::Found::kEnd) break;
    if (step.found == SegmentReader::Found::kRecord) {
      if (!header && segment.end.records == 0)  // where reading begins from now on: at the record, or at the damage before it
        segment.first_index = step.header.index - (damage.found == SegmentReader::Found::kDamage ? 1 : 0);
      if (damage.found == SegmentReader::Found::kDamage) {
        note_damage(damage.first_index, damage.last_index, segment.end.last_us, step.header.written_us, damage.bytes);
        damage = {};
      }
      if (segment.end.records == 0) segment.first_us = step.header.written_us;
      segment.end = {reader.offset(), segment.end.records + 1, step.header.index, step.header.written_us};
      continue;
    }
    damage = step;
    if (damage.last_index != 0) continue;
    // Nothing valid follows. In the last segment that is a torn tail; at least one record began here, and its index is not used again.
    segment.end.bytes = size;
    std::uint64_t lost_to = damage.first_index;
    if (next_id != 0) {
      PGA_TRY(const auto next_file, disk_.open(path_of(next_id)));
      PGA_TRY(const auto next_header, read_segment_header(next_id, *next_file));
      if (next_header && next_header->first_index <= lost_to) {
        // What an append that failed left behind when its cut was lost: no record is missing. It is cut now, because the next segment,
        // which says so, may be empty and go.
        PGA_TRY_STATUS(file->truncate(offset));
        PGA_TRY_STATUS(make_durable(*file, offset));
        segment.end.bytes = offset;
        break;
      }
      if (next_header) lost_to = next_header->first_index - 1;
    } else {
      torn_bytes_ += size - offset;
      PGA_TRY_STATUS(file->truncate(offset));
      segment.end.bytes = offset;
    }
    note_damage(damage.first_index, lost_to, segment.end.last_us, to_micros(clock_.now()), damage.bytes);
    state_.next_index = std::max(state_.next_index, lost_to + 1);
    break;
  }
  if (next_id == 0) PGA_TRY_STATUS(make_durable(*file, segment.end.bytes));  // from here on it never changes
  state_.next_index = std::max(state_.next_index, segment.end.last_index + 1);
  if (segment.end.records == 0) return {};
  bytes_ += segment.end.bytes;
  segments_.emplace(id, segment);
  return {};
}

Result<std::unique_ptr<Journal>> Journal::open(Options options, Clock& clock) { return open(std::move(options), clock, posix_disk()); }

Result<std::unique_ptr<Journal>> Journal::open(Options options, Clock& clock, Disk& disk) {
  static SystemRandom random;
  return open(std::move(options), clock, disk, random);
}

Result<std::unique_ptr<Journal>> Journal::open(Options options, Clock& clock, Disk& disk, Random& random) {
  auto journal = std::make_unique<SegmentedJournal>(std::move(options), clock, disk, random);
  PGA_TRY_STATUS(journal->recover());
  return Result<std::unique_ptr<Journal>>(std::move(journal));
}

}  // namespace pga::journal
