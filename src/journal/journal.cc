#include "journal/journal.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/planted.h"
#include "journal/segmented_internal.h"

namespace pga::journal {
namespace {

constexpr auto kMarkInterval = std::chrono::seconds{60};  // a lost mark repeats at most what was acknowledged in this time
constexpr std::size_t kLossesMax = 64;                    // failed fsyncs that sync(index) remembers

std::string range_text(std::uint64_t first, std::uint64_t last) {
  return "records " + std::to_string(first) + " to " + std::to_string(last);
}

}  // namespace

Result<RecordId> SegmentedJournal::append(ByteView payload) {
  if (payload.size() > kRecordBytesMax) {
    return too_large("record of " + std::to_string(payload.size()) + " bytes exceeds the limit of " + std::to_string(kRecordBytesMax));
  }
  const std::size_t record_bytes = kRecordHeaderBytes + payload.size();
  if (kSegmentHeaderBytes + record_bytes > options_.total_bytes_max) {
    return too_large("record of " + std::to_string(payload.size()) + " bytes does not fit in a log of " +
                     std::to_string(options_.total_bytes_max));
  }
  Lock lock(mutex_);
  PGA_TRY_STATUS(make_room(lock, record_bytes));
  if (active_.id == 0) PGA_TRY_STATUS(start_segment());

  const std::uint64_t segment_id = active_.id;
  Segment& segment = segments_.at(segment_id);
  const std::uint64_t index = state_.next_index;
  const std::int64_t now_us = to_micros(clock_.now());
  encode_record(record_crc_seed(state_.log_id, segment_id), index, now_us, payload, write_buffer_);
  auto written = active_.file->write(segment.end.bytes, write_buffer_);
  if (!written) {
    // Leave no half record visible: behind the end it would only be a torn tail, but the next append must not follow it.
    if (auto cut = active_.file->truncate(segment.end.bytes); !cut) log_error("journal", cut.error().message);
    return written.error().with_context("append of record " + std::to_string(index));
  }
  if (segment.end.records == 0) segment.first_us = now_us;
  segment.end = {segment.end.bytes + record_bytes, segment.end.records + 1, index, now_us};
  bytes_ += record_bytes;
  state_.next_index = index + 1;
  if (oldest_us_ == 0) oldest_us_ = now_us;
  return RecordId{segment_id, index};
}

// Makes the active segment (or none) able to take the record within both bounds.
Status SegmentedJournal::make_room(Lock& lock, std::size_t record_bytes) {
  while (true) {
    if (active_.id != 0) {
      const Extent& end = segments_.at(active_.id).end;
      if (end.records != 0 && end.bytes + record_bytes > options_.segment_bytes_max) {
        PGA_TRY_STATUS(seal_active(lock));
        continue;
      }
    }
    const std::uint64_t need = record_bytes + (active_.id == 0 ? kSegmentHeaderBytes : 0);
    if (bytes_ + need <= options_.total_bytes_max) return {};
    if (!options_.drop_oldest_when_full) {
      return unavailable("log of " + std::to_string(bytes_) + " bytes is full: another " + std::to_string(need) + " would exceed " +
                         std::to_string(options_.total_bytes_max));
    }
    const auto oldest = segments_.begin();
    PGA_CHECK(oldest != segments_.end());
    if (oldest->first == active_.id) {
      PGA_TRY_STATUS(seal_active(lock));
    } else {
      PGA_TRY_STATUS(drop_oldest(oldest));
    }
  }
}

Status SegmentedJournal::start_segment() {
  const std::uint64_t id = state_.next_segment;
  state_.next_segment = id + 1;  // a failed attempt uses the id up
  PGA_TRY(std::shared_ptr<DiskFile> file, disk_.create(path_of(id)));
  const Bytes header = encode_segment_header({state_.log_id, id, state_.next_index});
  auto ready = file->write(0, header);
  if (ready && !planted("no-directory-fsync")) ready = disk_.sync_directory(options_.directory);
  if (!ready) {
    if (auto removed = disk_.remove(path_of(id)); !removed) log_error("journal", removed.error().message);
    return ready;
  }
  segments_[id].first_index = state_.next_index;
  bytes_ += kSegmentHeaderBytes;
  active_ = {id, {}, std::move(file)};
  active_.durable.last_index = state_.next_index - 1;
  return {};
}

Status SegmentedJournal::sync() {
  Lock lock(mutex_);
  auto synced = sync_until(lock, state_.next_index - 1);
  if (unreported_loss_) {
    synced = *unreported_loss_;
    unreported_loss_.reset();
  }
  return synced;
}

Status SegmentedJournal::sync(std::uint64_t index) {
  Lock lock(mutex_);
  if (index >= state_.next_index)
    return invalid("record " + std::to_string(index) + " was never appended, the last is " + std::to_string(state_.next_index - 1));
  (void)sync_until(lock, index);  // a failure that does not concern this record is reported to those whom it does
  for (const auto& [first, last] : losses_) {
    if (first <= index && index <= last) return unavailable(range_text(first, last) + " were lost by a failed fsync");
  }
  return {};
}

// Group commit: the first thread that comes syncs for all that wait.
Status SegmentedJournal::sync_until(Lock& lock, std::uint64_t index) {
  Status result;
  while (durable_index_ < index) {
    if (syncing_) {
      const std::size_t failures = losses_.empty() ? 0 : losses_.back().second;
      sync_done_.wait(lock);
      if (!losses_.empty() && losses_.back().second != failures)
        result = unavailable(range_text(losses_.back().first, losses_.back().second) + " were lost by a failed fsync");
      continue;
    }
    PGA_CHECK(active_.id != 0);
    const Extent extent = segments_.at(active_.id).end;
    const auto file = active_.file;
    syncing_ = true;
    const Status synced = planted("no-fsync") ? Status() : sync_unlocked(lock, *file);
    syncing_ = false;
    if (synced || planted("fsync-failure-ignored")) {
      active_.durable = extent;
      durable_index_ = extent.last_index;
    } else {
      lose_unsynced(synced.error());
      result = *unreported_loss_;
    }
    sync_done_.notify_all();
  }
  return result;
}

// Also when the disk throws, as a simulated one does, the lock is held and nobody waits for this sync.
Status SegmentedJournal::sync_unlocked(Lock& lock, DiskFile& file) {
  lock.unlock();
  try {
    Status synced = file.sync();
    lock.lock();
    return synced;
  } catch (...) {
    lock.lock();
    syncing_ = false;
    throw;
  }
}

// After a failed fsync nobody knows what of the unsynced pages is on the disk, and the kernel thinks they are clean: the segment
// ends where it was known to be durable.
void SegmentedJournal::lose_unsynced(const Error& error) {
  const std::uint64_t id = active_.id;
  Segment& segment = segments_.at(id);
  const std::uint64_t first = durable_index_ + 1;
  const std::uint64_t last = state_.next_index - 1;
  const std::uint64_t bytes = segment.end.bytes - active_.durable.bytes;
  unreported_loss_ = error.with_context(range_text(first, last) + " are lost");
  log_error("journal", unreported_loss_->message);
  if (losses_.size() == kLossesMax) losses_.erase(losses_.begin());
  losses_.emplace_back(first, last);

  if (auto cut = active_.file->truncate(active_.durable.bytes); !cut) log_error("journal", cut.error().message);
  const std::int64_t from_us = active_.durable.records == 0 ? segment.first_us : active_.durable.last_us;
  note_damage(first, last, from_us, segment.end.last_us, bytes);
  bytes_ -= bytes;
  segment.end = active_.durable;
  durable_index_ = last;
  active_ = {};
  if (segment.end.records == 0) {
    if (auto removed = delete_segments({id}); !removed) log_error("journal", removed.error().message);
  } else if (auto saved = save_state(); !saved) {
    log_error("journal", saved.error().message);
  }
  note_oldest();
}

Result<std::optional<SegmentInfo>> SegmentedJournal::seal() {
  Lock lock(mutex_);
  const std::uint64_t id = active_.id;
  if (id == 0 || segments_.at(id).end.records == 0) return std::nullopt;
  PGA_TRY_STATUS(seal_active(lock));
  const auto it = segments_.find(id);
  if (it == segments_.end()) return std::nullopt;  // another thread sealed and removed it meanwhile
  return info_of(id, it->second);
}

Status SegmentedJournal::seal_active(Lock& lock) {
  const std::uint64_t id = active_.id;
  PGA_TRY_STATUS(sync_until(lock, state_.next_index - 1));
  sync_done_.wait(lock, [&] { return !syncing_; });
  // Others may have appended while we waited; what they wrote is synced under the mutex, so that the segment ends here.
  if (active_.id != id) return {};
  const Extent extent = segments_.at(id).end;
  if (active_.durable.bytes != extent.bytes) {
    if (auto synced = active_.file->sync(); !synced) {
      lose_unsynced(synced.error());
      return *unreported_loss_;
    }
    durable_index_ = extent.last_index;
  }
  active_ = {};
  return {};
}

SegmentedJournal::~SegmentedJournal() {
  if (!lock_) return;  // open failed
  Lock lock(mutex_);
  if (auto synced = sync_until(lock, state_.next_index - 1); !synced) log_error("journal", synced.error().message);
  if (auto saved = save_state(); !saved) log_error("journal", saved.error().message);
}

// ---- deleting ----

Status SegmentedJournal::acknowledge(std::uint64_t index) {
  const std::scoped_lock lock(mutex_);
  if (index >= state_.next_index) {
    return invalid("record " + std::to_string(index) + " cannot be acknowledged, the last is " + std::to_string(state_.next_index - 1));
  }
  if (index <= state_.acknowledged) return {};
  mark_done(state_.acknowledged + 1, index);
  return acknowledged();
}

Status SegmentedJournal::acknowledge_one(std::uint64_t index) {
  const std::scoped_lock lock(mutex_);
  if (index >= state_.next_index) {
    return invalid("record " + std::to_string(index) + " cannot be acknowledged, the last is " + std::to_string(state_.next_index - 1));
  }
  if (index <= state_.acknowledged || state_.done.contains(index)) return {};
  mark_done(index, index);
  return acknowledged();
}

Status SegmentedJournal::give_up(std::uint64_t index) {
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(state_.gaps, [&](PendingGap& gap) {
      if (gap.told_in != index || index == 0) return false;
      gap.told_in = 0;
      gap.handed_out = false;
      if (++gap.refusals < kGapRefusalsMax) return false;
      log_error("journal", "the gap of " + range_text(gap.first_index, gap.last_index) + " was refused " + std::to_string(gap.refusals) +
                               " times and is told no more");
      return true;
    });
  }
  return acknowledge_one(index);
}

Status SegmentedJournal::acknowledged() {
  std::erase_if(state_.gaps, [&](const PendingGap& gap) {
    return gap.told_in != 0 && (gap.told_in <= state_.acknowledged || state_.done.contains(gap.told_in));
  });
  std::vector<std::uint64_t> done;
  for (const auto& [id, segment] : segments_) {
    if (id != active_.id && needed(segment).empty()) done.push_back(id);
  }
  note_oldest();
  if (!done.empty()) return delete_segments(done);
  if (clock_.steady_now() - saved_at_ >= kMarkInterval) return save_state();
  return {};
}

void SegmentedJournal::mark_done(std::uint64_t first, std::uint64_t last) {
  state_.done.add(first, last);
  state_.acknowledged = std::max(state_.acknowledged, state_.done.last_from(state_.acknowledged + 1));
  state_.done.remove_through(state_.acknowledged);
}

std::vector<IntervalSet::Range> SegmentedJournal::needed(const Segment& segment) const {
  const std::uint64_t first = std::max(segment.first_index, state_.acknowledged + 1);
  if (segment.end.last_index < first) return {};
  return state_.done.missing(first, segment.end.last_index);
}

Status SegmentedJournal::remove_segment(std::uint64_t segment) {
  const std::scoped_lock lock(mutex_);
  const auto it = segments_.find(segment);
  if (it == segments_.end()) return Error{ErrorCode::kNotFound, "there is no segment " + std::to_string(segment)};
  if (segment == active_.id) return invalid("segment " + std::to_string(segment) + " is not sealed");
  mark_done(it->second.first_index, std::max(it->second.first_index, it->second.end.last_index));
  PGA_TRY_STATUS(delete_segments({segment}));
  note_oldest();
  return {};
}

Status SegmentedJournal::drop_oldest(Segments::iterator oldest) {
  if (planted("drop-newest") && segments_.size() > 2) oldest = std::prev(segments_.end(), 2);
  const auto& [id, segment] = *oldest;
  State before = state_;
  state_.dropped_to_segment = id;
  std::uint64_t bytes = segment.end.bytes;
  for (const auto& [first, last] : needed(segment)) {
    state_.dropped_records += last - first + 1;
    if (!planted("no-gap"))
      add_gap({first, last, oldest_us_ != 0 ? oldest_us_ : segment.first_us, segment.end.last_us, std::exchange(bytes, 0), false});
    mark_lost(first, last);
  }
  if (auto saved = save_state(); !saved) {
    state_ = std::move(before);
    return saved;
  }
  PGA_TRY_STATUS(unlink_segments({id}));
  note_oldest();
  return {};
}

// The state (marks, next ids) is durable before a file goes.
Status SegmentedJournal::delete_segments(const std::vector<std::uint64_t>& ids) {
  PGA_TRY_STATUS(save_state());
  return unlink_segments(ids);
}

Status SegmentedJournal::unlink_segments(const std::vector<std::uint64_t>& ids) {
  if (ids.empty()) return {};
  for (const std::uint64_t id : ids) {
    if (const auto it = segments_.find(id); it != segments_.end()) {
      bytes_ -= it->second.end.bytes;
      segments_.erase(it);
    }
    for (Cursor& cursor : cursors_) {
      if (cursor.segment == id) cursor = {};
    }
    PGA_TRY_STATUS(disk_.remove(path_of(id)));
  }
  return disk_.sync_directory(options_.directory);
}

Status SegmentedJournal::save_state() {
  const std::uint64_t oldest = segments_.empty() ? state_.next_index : segments_.begin()->second.first_index;
  std::erase_if(state_.reported, [&](const auto& range) { return range.second < oldest; });
  saved_at_ = clock_.steady_now();
  return disk_.replace_small(options_.directory / "state", encode_state(state_));
}

}  // namespace pga::journal
