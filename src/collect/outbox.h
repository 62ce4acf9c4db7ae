// Gathers batches and turns them into frames in the spool. From there the uplink takes them.
//
// The spool is the stream: its log id is the epoch, the index of a record the sequence number of the frame in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "wire/codec.h"
#include "wire/frame.h"

namespace pga::collect {

class Outbox {
 public:
  Outbox(net::Loop& loop, journal::Journal& spool, Clock& clock);
  ~Outbox();

  // An empty batch, in the memory of one that has been written.
  wire::Batch new_batch() { return pool_.take(); }
  // Batches refer to texts in here; between interning and add() nothing may be awaited.
  wire::StringTable& strings() { return pending_->strings; }
  void add(const wire::Target& target, const catalog::Source& source, wire::Batch batch);

  // Held while a server is being asked for something: what it answers is about to be added.
  class Expecting {
   public:
    explicit Expecting(Outbox& outbox) : outbox_(outbox) { ++outbox_.expected_; }
    ~Expecting() {
      if (--outbox_.expected_ == 0) outbox_.arrived_.set();
    }
    Expecting(const Expecting&) = delete;

   private:
    Outbox& outbox_;
  };
  net::Task<> wait_for_expected(Deadline deadline);  // returns at the deadline, too

  // Everything added so far, durably in the spool. Frames that would be too large are split.
  net::Task<Status> flush();
  [[nodiscard]] bool flushing() const { return flushing_; }
  // True when something was added that no flush has taken yet.
  [[nodiscard]] bool has_pending() const { return !pending_->batches.empty() || !waiting_.empty(); }

  // How many batches were added since the start, and of how many it is decided what becomes of them: they are in the spool, or lost.
  [[nodiscard]] std::uint64_t batches_added() const { return batches_added_; }
  [[nodiscard]] std::uint64_t batches_settled() const { return batches_settled_; }

  // The process ends: readers begin no new reading. One under way may still add what it has.
  void close() { closed_ = true; }
  [[nodiscard]] bool closed() const { return closed_; }

  // Set whenever the spool got a frame.
  net::Event& filled() { return filled_; }
  [[nodiscard]] std::uint64_t rows_spooled() const { return rows_spooled_; }
  [[nodiscard]] std::uint64_t rows_lost() const { return rows_lost_; }  // read, but never written: the disk was full for too long
  // True when so much is pending that it should be flushed before its time.
  [[nodiscard]] bool is_full() const { return pending_cells_ > kPendingCellsMax; }

 private:
  static constexpr std::size_t kPendingCellsMax = 500'000;
  static constexpr std::size_t kPendingCellsHardMax = 4 * kPendingCellsMax;
  static constexpr std::size_t kWaitingFramesMax = 30;  // kept in memory while the spool cannot be written
  Status write(wire::Frame& frame);                     // blocking

  net::Loop& loop_;
  journal::Journal& spool_;
  Clock& clock_;
  net::Event filled_;
  std::size_t expected_ = 0;
  net::Event arrived_;
  std::unique_ptr<wire::Frame> pending_;
  std::size_t pending_cells_ = 0;
  std::deque<std::unique_ptr<wire::Frame>> waiting_;  // to be written, oldest first; usually one
  bool flushing_ = false;
  bool closed_ = false;
  wire::Encoder encoder_{{wire::Codec::kZstd, 1}};  // used by the one flush under way; level 3 would take more memory for 1 % on disk
  std::vector<wire::Batch> written_;                // the same
  std::uint64_t gaps_told_in_ = 0;                  // the same: the frame that has the gaps
  wire::BatchPool pool_;
  std::uint64_t batches_added_ = 0;
  std::uint64_t batches_settled_ = 0;
  std::uint64_t rows_spooled_ = 0;
  std::atomic<std::uint64_t> rows_lost_ = 0;  // also counted where frames are written
};

}  // namespace pga::collect
