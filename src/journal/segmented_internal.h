// The log itself. journal.cc writes, syncs and deletes, recover.cc opens, reading.cc reads and keeps account of what was lost.
#pragma once

#include <array>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/interval_set.h"
#include "base/random.h"
#include "journal/format_internal.h"

namespace pga::journal {

// How far a segment's records reach.
struct Extent {
  std::uint64_t bytes = kSegmentHeaderBytes;
  std::uint64_t records = 0;
  std::uint64_t last_index = 0;
  std::int64_t last_us = 0;
};

struct Segment {
  std::uint64_t first_index = 0;
  std::int64_t first_us = 0;
  Extent end;
};

struct ActiveSegment {
  std::uint64_t id = 0;
  Extent durable;
  std::shared_ptr<DiskFile> file;
};

class SegmentedJournal final : public Journal {
 public:
  SegmentedJournal(Options options, Clock& clock, Disk& disk, Random& random)
      : options_(std::move(options)), clock_(clock), disk_(disk), random_(random) {
    options_.segment_bytes_max = std::min(options_.segment_bytes_max, options_.total_bytes_max / 4);
  }

  ~SegmentedJournal() override;

  Status recover();

  Result<RecordId> append(ByteView payload) override;
  Status sync() override;
  Status sync(std::uint64_t index) override;
  Result<std::optional<SegmentInfo>> seal() override;
  Status acknowledge(std::uint64_t index) override;
  Status acknowledge_one(std::uint64_t index) override;
  Status give_up(std::uint64_t index) override;
  std::vector<SegmentInfo> segments() const override;
  Status read_segment(std::uint64_t segment, const std::function<bool(const Record&)>& visit) override;
  Result<std::optional<Record>> next(std::uint64_t after) override;
  Status remove_segment(std::uint64_t segment) override;
  std::vector<Gap> gaps() override;
  Status gaps_told(std::size_t count, std::uint64_t index) override;

  std::uint64_t last_index() const override {
    const std::scoped_lock lock(mutex_);
    return state_.next_index - 1;
  }
  std::uint64_t acknowledged_index() const override {
    const std::scoped_lock lock(mutex_);
    return state_.acknowledged;
  }
  Stats stats() const override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using Segments = std::map<std::uint64_t, Segment>;
  struct Cursor {
    std::uint64_t segment = 0;  // 0: free
    std::optional<SegmentReader> reader;
  };

  std::filesystem::path path_of(std::uint64_t segment) const { return options_.directory / segment_file_name(segment); }
  SegmentInfo info_of(std::uint64_t id, const Segment& s) const {
    return {id, s.first_index, s.end.records, s.end.bytes, active_.id != id};
  }

  // All below expect the mutex to be held; those that take the lock may release it while they wait or sync.
  Status recover_segment(std::uint64_t id, std::uint64_t next_id);  // next_id 0: it is the last
  Result<std::optional<SegmentHeader>> read_segment_header(std::uint64_t id, DiskFile& file);
  Status make_durable(DiskFile& file, std::uint64_t bytes);
  Status make_room(Lock& lock, std::size_t record_bytes);
  Status start_segment();
  Status seal_active(Lock& lock);
  Status sync_until(Lock& lock, std::uint64_t index);
  Status sync_unlocked(Lock& lock, DiskFile& file);
  void lose_unsynced(const Error& error);
  Status drop_oldest(Segments::iterator oldest);
  Status delete_segments(const std::vector<std::uint64_t>& ids);
  Status unlink_segments(const std::vector<std::uint64_t>& ids);
  enum class Advance : std::uint8_t { kOver, kBefore };
  Result<std::optional<Record>> next_in(std::uint64_t segment, std::uint64_t index, Advance advance);
  Result<Cursor*> cursor_at(std::uint64_t segment, std::uint64_t index);
  Status acknowledged();  // after the mark or what is done beyond it changed
  void mark_done(std::uint64_t first, std::uint64_t last);
  void mark_lost(std::uint64_t first, std::uint64_t last);                             // what they told of is to be told again
  [[nodiscard]] std::vector<IntervalSet::Range> needed(const Segment& segment) const;  // what of it is still to be acknowledged
  void note_oldest();
  void note_damage(std::uint64_t first, std::uint64_t last, std::int64_t from_us, std::int64_t to_us, std::uint64_t bytes);
  void add_gap(const Gap& gap);
  Status save_state();

  Options options_;  // constant after construction
  Clock& clock_;
  Disk& disk_;
  Random& random_;
  std::shared_ptr<void> lock_;  // of the directory; set once the log is recovered

  // Everything below is guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable sync_done_;
  State state_;
  SteadyTime saved_at_{};
  Segments segments_;     // all, the active one too
  ActiveSegment active_;  // id 0: none
  bool syncing_ = false;  // one thread is in fdatasync of active_ without the mutex; active_ stays what it is meanwhile
  std::uint64_t durable_index_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> losses_;  // index ranges lost by failed fsyncs, newest last
  std::optional<Error> unreported_loss_;
  std::uint64_t bytes_ = 0;  // sum over segments_
  std::uint64_t torn_bytes_ = 0;
  std::uint64_t rebuilt_ = 0;
  std::array<Cursor, 4> cursors_;  // the newest data and a backlog are read side by side
  std::size_t cursor_evict_ = 0;
  std::int64_t oldest_us_ = 0;  // of the first unacknowledged record
  Bytes write_buffer_;
  Bytes read_buffer_;
};

}  // namespace pga::journal
