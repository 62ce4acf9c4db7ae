#include <algorithm>

#include "journal/segmented_internal.h"

namespace pga::journal {

// ---- reading ----

std::vector<SegmentInfo> SegmentedJournal::segments() const {
  const std::scoped_lock lock(mutex_);
  std::vector<SegmentInfo> out;
  for (const auto& [id, segment] : segments_) {
    if (segment.end.records != 0) out.push_back(info_of(id, segment));
  }
  return out;
}

Status SegmentedJournal::read_segment(std::uint64_t segment, const std::function<bool(const Record&)>& visit) {
  std::optional<SegmentReader> reader;
  {
    Lock lock(mutex_);
    if (segment == active_.id) PGA_TRY_STATUS(sync_until(lock, state_.next_index - 1));
    const auto it = segments_.find(segment);
    if (it == segments_.end()) return Error{ErrorCode::kNotFound, "there is no segment " + std::to_string(segment)};
    PGA_TRY(std::shared_ptr<DiskFile> file, disk_.open(path_of(segment)));
    const Extent& end = segment == active_.id ? active_.durable : it->second.end;
    reader.emplace(std::move(file), record_crc_seed(state_.log_id, segment), end.bytes, it->second.first_index);
  }
  Bytes buffer;
  std::int64_t before_us = 0;
  while (true) {
    PGA_TRY(const auto step, reader->step(buffer));
    if (step.found == SegmentReader::Found::kEnd) return {};
    if (step.found == SegmentReader::Found::kDamage) {
      const std::scoped_lock lock(mutex_);
      note_damage(step.first_index, std::max(step.first_index, step.last_index), before_us, before_us, step.bytes);
      continue;
    }
    before_us = step.header.written_us;
    const Record record{{segment, step.header.index}, step.header.written_us, Bytes(buffer.begin() + kRecordHeaderBytes, buffer.end())};
    if (!visit(record)) return {};
  }
}

Result<std::optional<Record>> SegmentedJournal::next(std::uint64_t after) {
  Lock lock(mutex_);
  std::uint64_t index = std::max(after, state_.acknowledged) + 1;
  while (true) {
    index = state_.done.last_from(index) + 1;
    if (index >= state_.next_index) break;
    // Segments are few and in order of index too: the first that may hold it.
    const auto it = std::ranges::find_if(segments_, [&](const auto& s) { return s.second.end.last_index >= index; });
    if (it == segments_.end()) break;
    index = std::max(index, it->second.first_index);
    if (index > durable_index_) {
      PGA_TRY_STATUS(sync_until(lock, index));
      continue;
    }
    const std::uint64_t last = it->second.end.last_index;
    PGA_TRY(auto record, next_in(it->first, index, Advance::kOver));
    if (record && !state_.done.contains(record->id.index)) return record;
    index = record ? record->id.index + 1 : last + 1;  // none: damage to the end of the segment
  }
  return std::nullopt;
}

Result<std::optional<Record>> SegmentedJournal::next_in(std::uint64_t segment, std::uint64_t index, Advance advance) {
  PGA_TRY(Cursor* const cursor, cursor_at(segment, index));
  std::int64_t before_us = 0;
  while (true) {
    const SegmentReader before = *cursor->reader;
    PGA_TRY(const auto step, cursor->reader->step(read_buffer_));
    if (step.found == SegmentReader::Found::kEnd) return std::nullopt;
    if (step.found == SegmentReader::Found::kDamage) {
      note_damage(step.first_index, std::max(step.first_index, step.last_index), before_us, before_us, step.bytes);
      continue;
    }
    before_us = step.header.written_us;
    if (step.header.index < index) continue;
    if (advance == Advance::kBefore) cursor->reader = before;
    return Record{
        {segment, step.header.index}, step.header.written_us, Bytes(read_buffer_.begin() + kRecordHeaderBytes, read_buffer_.end())};
  }
}

// The cursor of this segment that is nearest before `index`, or a new one from the segment's start.
Result<SegmentedJournal::Cursor*> SegmentedJournal::cursor_at(std::uint64_t segment, std::uint64_t index) {
  const Segment& s = segments_.at(segment);
  const std::uint64_t end = segment == active_.id ? active_.durable.bytes : s.end.bytes;
  Cursor* best = nullptr;
  for (Cursor& cursor : cursors_) {
    if (cursor.segment != segment || cursor.reader->expected() > index) continue;
    if (best == nullptr || cursor.reader->expected() > best->reader->expected()) best = &cursor;
  }
  if (best == nullptr) {
    PGA_TRY(std::shared_ptr<DiskFile> file, disk_.open(path_of(segment)));
    best = &cursors_[cursor_evict_++ % cursors_.size()];
    *best = {segment, SegmentReader(std::move(file), record_crc_seed(state_.log_id, segment), end, s.first_index)};
  }
  best->reader->extend(end);
  return best;
}

// Keeps oldest_us_ true after the mark or the segments changed.
void SegmentedJournal::note_oldest() {
  oldest_us_ = 0;
  const std::uint64_t index = state_.acknowledged + 1;
  const auto it = std::ranges::find_if(segments_, [&](const auto& s) { return s.second.end.last_index >= index; });
  if (it == segments_.end()) return;
  oldest_us_ = it->second.first_us;
  if (index <= it->second.first_index || index > durable_index_) return;
  if (auto record = next_in(it->first, index, Advance::kBefore); record && *record) oldest_us_ = (*record)->written_us;
}

// ---- gaps and figures ----

void SegmentedJournal::note_damage(std::uint64_t first, std::uint64_t last, std::int64_t from_us, std::int64_t to_us, std::uint64_t bytes) {
  const bool known = std::ranges::any_of(state_.reported, [&](const auto& range) { return range.first <= first && last <= range.second; });
  if (known) {
    if (last > state_.acknowledged) mark_lost(std::max(first, state_.acknowledged + 1), last);
    return;
  }
  if (state_.reported.size() == kReportedMax) state_.reported.erase(state_.reported.begin());
  state_.reported.emplace_back(first, last);
  state_.corrupt_records += last - first + 1;
  if (last <= state_.acknowledged) return;
  first = std::max(first, state_.acknowledged + 1);
  add_gap({first, last, from_us != 0 ? from_us : to_us, to_us, bytes, true});
  mark_lost(first, last);
}

void SegmentedJournal::add_gap(const Gap& gap) {
  auto& gaps = state_.gaps;
  const bool full = gaps.size() == kGapsMax;
  if (!gaps.empty()) {
    PendingGap& newest = gaps.back();
    const bool adjoins = newest.corrupt == gap.corrupt && newest.last_index + 1 == gap.first_index;
    // When there is room for no more, the newest is told again, longer.
    if (full || (adjoins && newest.told_in == 0 && !newest.handed_out && newest.refusals == 0)) {
      newest = {{std::min(newest.first_index, gap.first_index), std::max(newest.last_index, gap.last_index),
                 std::min(newest.from_us, gap.from_us), std::max(newest.to_us, gap.to_us), newest.bytes + gap.bytes,
                 newest.corrupt && gap.corrupt}};
      return;
    }
  }
  gaps.push_back({gap});
}

void SegmentedJournal::mark_lost(std::uint64_t first, std::uint64_t last) {
  for (PendingGap& gap : state_.gaps) {
    if (first > gap.told_in || gap.told_in > last) continue;
    gap.told_in = 0;
    gap.handed_out = false;
  }
  mark_done(first, last);
}

std::vector<Gap> SegmentedJournal::gaps() {
  const std::scoped_lock lock(mutex_);
  std::vector<Gap> out;
  for (PendingGap& gap : state_.gaps) {
    if (gap.told_in != 0) continue;
    gap.handed_out = true;
    out.push_back(gap);
  }
  return out;
}

Status SegmentedJournal::gaps_told(std::size_t count, std::uint64_t index) {
  const std::scoped_lock lock(mutex_);
  if (index >= state_.next_index) return invalid("record " + std::to_string(index) + " cannot tell of gaps: it was never appended");
  const auto handed_out = [](const PendingGap& gap) { return gap.told_in == 0 && gap.handed_out; };
  if (std::cmp_greater(count, std::ranges::count_if(state_.gaps, handed_out)))
    return invalid(std::to_string(count) + " gaps cannot have been told, fewer were handed out");
  if (count == 0) return {};
  for (PendingGap& gap : state_.gaps) {
    if (count == 0) break;
    if (!handed_out(gap)) continue;
    gap.told_in = index;
    --count;
  }
  return save_state();
}

Stats SegmentedJournal::stats() const {
  const std::scoped_lock lock(mutex_);
  Stats out{state_.log_id, 0, bytes_, oldest_us_, state_.dropped_records, state_.corrupt_records, torn_bytes_, rebuilt_};
  for (const auto& [id, segment] : segments_) {
    for (const auto& [first, last] : needed(segment)) out.records += last - first + 1;
  }
  return out;
}

}  // namespace pga::journal
