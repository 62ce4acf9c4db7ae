// Group commit: many requests wait, one worker appends what they brought and calls fdatasync once for all.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "net/task.h"

namespace pga::ingest {

struct CommitterStats {
  std::uint64_t groups = 0;   // calls of sync
  std::uint64_t records = 0;  // on stable storage
  std::uint64_t failed = 0;
  std::uint64_t waiting = 0;
  std::uint64_t waiting_bytes = 0;
};

class Committer {
 public:
  // `sealed` is called with each segment that will not change any more: after kSegmentRowsMax rows, kSegmentAgeMax after its first
  // record, or when it is full. Journal, clock and loop outlive the committer.
  Committer(journal::Journal& journal, const Clock& clock, net::Loop& loop, std::function<void(std::uint64_t)> sealed);

  // The record is on stable storage when this returns ok. kUnavailable at once when too much waits already, or with the journal's
  // words (disk full, log full, failed fsync); then the record may or may not come back on replay. kCancelled: the loop is stopping.
  // `rows` is the frame's share of kSegmentRowsMax.
  net::Task<Status> commit(Bytes record, std::uint64_t rows);

  // Writes what waits, until close() or the loop stops; then seals what is open.
  net::Task<> run();
  // commit() fails from now on; ends when run() has.
  net::Task<> close();

  [[nodiscard]] const CommitterStats& stats() const { return stats_; }

 private:
  struct Waiting {
    Waiting(net::Loop& loop, Bytes bytes, std::uint64_t row_count) : record(std::move(bytes)), rows(row_count), done(loop) {}
    Bytes record;
    std::uint64_t rows;
    Status result;
    net::Event done;
  };
  // Shared by the request that waits and run(): either may end first when the loop stops.
  using WaitingPtr = std::shared_ptr<Waiting>;

  std::vector<WaitingPtr> take_group();
  net::Task<> commit_group(const std::vector<WaitingPtr>& group);
  Status write(const std::vector<WaitingPtr>& group, std::vector<std::uint64_t>& sealed);  // blocking
  net::Task<> seal();

  journal::Journal& journal_;
  const Clock& clock_;
  net::Loop& loop_;
  const std::function<void(std::uint64_t)> sealed_;
  net::Worker worker_;  // of its own: an fsync must not wait for a password hash

  // The open segment, 0 if it has no record of ours. Touched by the worker while run() waits for it.
  std::uint64_t open_segment_ = 0;
  std::uint64_t open_rows_ = 0;
  SteadyTime open_since_{};

  std::deque<WaitingPtr> queue_;
  net::Event wake_;
  net::Event ended_;
  CommitterStats stats_;
  bool closing_ = false;
};

}  // namespace pga::ingest
