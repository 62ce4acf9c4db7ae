// Brings sealed journal segments into the store, in order, each once: insert, make the store durable, note in the directory, delete the
// segments. The last three are done for all segments of a while together, because the store syncs everything or nothing. A crash between
// any two of these steps repeats the segment: within a run of the store its token makes that harmless, otherwise it is compared with what
// is there.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/interval_set.h"
#include "base/random.h"
#include "base/result.h"
#include "directory/database.h"
#include "ingest/streams.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "net/task.h"
#include "store/store.h"

namespace pga::ingest {

struct FlusherCounts {
  std::uint64_t segments = 0;  // in the store
  std::uint64_t rows = 0;
  std::uint64_t rows_refused = 0;    // of unknown sources or broken clocks
  std::uint64_t frames_skipped = 0;  // found in two segments after a failed fsync
};
struct FlusherStats : FlusherCounts {
  std::uint64_t segments_gone = 0;  // a failed fsync took all of their records
  std::uint64_t waiting = 0;        // segments
  std::string last_error;           // why the oldest one still waits; empty when it does not
};

class Flusher {
 public:
  // Stores the frames of a segment, once however often it is called: store::Store::insert.
  using Insert =
      std::function<net::Task<Result<store::InsertSummary>>(store::SegmentKey, std::span<const store::StoredFrame>, store::Store::Earlier)>;
  using Sync = std::function<net::Task<Status>()>;  // what was inserted is on stable storage afterwards
  // Which process of the store answers: store::Store::engine_run. What another one took is compared again. Empty: it is always the same.
  using StoreRun = std::function<std::string()>;
  struct Parts {
    net::Loop& loop;
    const Clock& clock;
    journal::Journal& journal;
    directory::Database& database;
    Insert insert;
    Sync sync;
    StoreRun store_run = {};
    Random& random;
  };
  explicit Flusher(Parts parts);

  // What the directory knows of the streams; before run(). Blocks.
  Status load();

  // On the loop, in order. An earlier run may have given one to the store that was there at the start.
  void add(std::uint64_t segment, store::Store::Earlier earlier = store::Store::Earlier::kNo);
  net::Task<> run();  // until the loop stops
  // Waits until nothing is left to flush and all of it is durable: ok, or kTimeout at the deadline.
  net::Task<Status> drained(Deadline deadline);

  [[nodiscard]] const FlusherStats& stats() const { return stats_; }
  [[nodiscard]] std::uint64_t oldest_waiting() const { return oldest_waiting_; }  // 0: none; from any thread
  // Segments that the store refused for good; they stay on disk and are tried at the next start. From any thread.
  [[nodiscard]] std::uint64_t set_aside() const { return set_aside_; }

 private:
  // A segment as it goes into the store.
  struct Content {
    bool gone = false;  // there is no such segment any more
    std::vector<store::StoredFrame> frames;
    std::map<StreamKey, IntervalSet> streams;
    std::uint64_t rows_refused = 0;
    std::uint64_t skipped = 0;
  };
  void queue_changed();
  struct Waiting {
    std::uint64_t segment = 0;
    store::Store::Earlier earlier = store::Store::Earlier::kNo;
  };
  // In the store, and not yet known to be durable there.
  struct Inserted {
    std::uint64_t segment = 0;
    std::string store_run;                     // that took it
    std::map<StreamKey, IntervalSet> streams;  // its frames, and the numbers that it says will never come
    std::vector<std::int64_t> windows_us;
    FlusherCounts counts;
  };
  net::Task<Status> flush(Waiting waiting);
  Result<Content> read(std::uint64_t segment);
  [[nodiscard]] bool contains(StreamKey key, std::uint64_t sequence) const;
  net::Task<Status> settle();  // syncs and notes what is inserted, and lets its segments go
  void take_back();            // into the queue, if another run of the store took some of it
  [[nodiscard]] std::string store_run() const { return parts_.store_run ? parts_.store_run() : std::string(); }
  Status note();

  const Parts parts_;
  const std::uint64_t log_id_;
  Streams stored_;  // what is durable in the store; used by one worker at a time, while run() waits for it
  std::deque<Waiting> queue_;
  std::vector<Inserted> inserted_;
  SteadyTime settle_at_{};
  bool hurrying_ = false;  // the process ends
  std::atomic<std::uint64_t> oldest_waiting_ = 0;
  std::atomic<std::uint64_t> set_aside_ = 0;
  net::Event work_;
  net::Event idle_;
  FlusherStats stats_;
};

}  // namespace pga::ingest
