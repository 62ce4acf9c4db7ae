#include "collect/outbox.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "base/planted.h"

namespace pga::collect {
namespace {

// The rows of the second half as a batch of their own, which says that it is no reading of its own: nothing seen, no interval.
wire::Batch take_second_half(wire::Batch& batch) {
  wire::Batch half = batch;
  const auto keep = static_cast<std::ptrdiff_t>(batch.rows / 2);
  half.rows = batch.rows - static_cast<std::size_t>(keep);
  batch.rows = static_cast<std::size_t>(keep);
  half.rows_seen = 0;
  half.interval_us = 0;
  half.duration_us = 0;
  for (std::size_t i = 0; i < batch.columns.size(); ++i) {
    wire::Column& first = batch.columns[i];
    wire::Column& second = half.columns[i];
    second.values.erase(second.values.begin(), second.values.begin() + keep);
    first.values.resize(batch.rows);
    if (first.present.empty()) continue;
    second.present.erase(second.present.begin(), second.present.begin() + keep);
    first.present.resize(batch.rows);
  }
  return half;
}

}  // namespace

Outbox::Outbox(net::Loop& loop, journal::Journal& spool, Clock& clock)
    : loop_(loop), spool_(spool), clock_(clock), filled_(loop), arrived_(loop), pending_(std::make_unique<wire::Frame>()) {}

Outbox::~Outbox() = default;

void Outbox::add(const wire::Target& target, const catalog::Source& source, wire::Batch batch) {
  auto& targets = pending_->targets;
  auto target_at = std::find(targets.begin(), targets.end(), target);
  if (target_at == targets.end()) target_at = targets.insert(targets.end(), target);
  batch.target = static_cast<std::uint32_t>(target_at - targets.begin());

  auto& schemas = pending_->schemas;
  auto schema_at = std::find_if(schemas.begin(), schemas.end(), [&](const wire::Schema& s) { return s.source == source.name; });
  if (schema_at == schemas.end()) schema_at = schemas.insert(schemas.end(), source.schema());
  batch.schema = static_cast<std::uint32_t>(schema_at - schemas.begin());

  ++batches_added_;
  // While the spool hangs the memory of what waits is bounded: the newest rows go, and are counted.
  if (pending_cells_ > kPendingCellsHardMax) {
    rows_lost_ += batch.rows;
    return;
  }
  pending_cells_ += batch.rows * batch.columns.size();
  pending_->batches.push_back(std::move(batch));
}

net::Task<> Outbox::wait_for_expected(Deadline deadline) {
  while (expected_ > 0) {  // again, where the next question follows at once
    arrived_.reset();
    const Status waited = co_await arrived_.wait(deadline);
    if (!waited) co_return;
  }
}

net::Task<Status> Outbox::flush() {
  if (flushing_) co_return Status{};  // the one under way is followed by the next interval's
  const auto gaps = spool_.gaps();
  const std::uint64_t taken = batches_added_;
  if (!pending_->batches.empty() || !gaps.empty()) {
    pending_->sent_us = to_micros(clock_.now());
    pending_->sort_batches();
    waiting_.push_back(std::exchange(pending_, std::make_unique<wire::Frame>()));
    pending_cells_ = 0;
    // A gap that was in a refused frame may be why: the next frame with it has no readings that could be refused along with it.
    const bool suspected = std::ranges::any_of(gaps, [](const journal::Gap& gap) { return gap.refusals != 0; });
    if (suspected && !waiting_.back()->batches.empty()) {
      waiting_.push_back(std::make_unique<wire::Frame>());
      waiting_.back()->sent_us = waiting_[waiting_.size() - 2]->sent_us;
    }
  }
  Status result;
  flushing_ = true;
  while (result && !waiting_.empty()) {
    wire::Frame& frame = *waiting_.front();
    const bool newest = waiting_.size() == 1;
    frame.gaps.clear();
    if (newest) {
      for (const journal::Gap& gap : gaps) {
        frame.gaps.push_back({gap.first_index, gap.last_index, gap.from_us, gap.to_us, gap.bytes,
                              gap.corrupt ? "records of the spool failed their checksum" : "the spool was full"});
      }
    }
    const std::uint64_t rows = frame.row_count();
    result = co_await loop_.run_blocking([&]() -> Status {
      if (planted("gaps-confirmed-first") && newest && !gaps.empty()) PGA_TRY_STATUS(spool_.gaps_told(gaps.size(), spool_.last_index()));
      PGA_TRY_STATUS(write(frame));
      if (!planted("spool-not-synced")) PGA_TRY_STATUS(spool_.sync());
      return newest && !gaps.empty() && !planted("gaps-confirmed-first") ? spool_.gaps_told(gaps.size(), gaps_told_in_) : Status{};
    });
    rows_spooled_ += rows - (result ? 0 : frame.row_count());
    pool_.give(std::exchange(written_, {}));
    if (result) waiting_.pop_front();
  }
  flushing_ = false;
  if (result) {
    batches_settled_ = taken;
    filled_.set();
  } else {
    // The disk is full or failing: what was read stays in memory for a while, the oldest goes first.
    log_error("spool", result.error().message);
    while (waiting_.size() > kWaitingFramesMax) {
      rows_lost_ += waiting_.front()->row_count();
      waiting_.pop_front();
    }
  }
  co_return result;
}

// Writes the batches as one frame, or as several where one would be too large. What was written is gone from the frame, so
// that a failure half way can be tried again.
Status Outbox::write(wire::Frame& frame) {
  frame.epoch = spool_.stats().log_id;
  std::size_t count = frame.batches.size();
  while (true) {
    std::vector<wire::Batch> rest(std::make_move_iterator(frame.batches.begin() + static_cast<std::ptrdiff_t>(count)),
                                  std::make_move_iterator(frame.batches.end()));
    frame.batches.resize(count);
    frame.sequence = spool_.last_index() + 1;  // we are the spool's only writer
    const auto encoded = encoder_.encode(frame);
    Status written = encoded ? Status{} : Status(encoded.error());
    if (encoded) {
      const auto id = spool_.append(*encoded);
      if (id)
        PGA_CHECK(id->index == frame.sequence);
      else
        written = id.error();
    }
    if (written) {
      if (!frame.gaps.empty()) gaps_told_in_ = frame.sequence;
      frame.gaps.clear();  // told once
      std::move(frame.batches.begin(), frame.batches.end(), std::back_inserter(written_));
      frame.batches = std::move(rest);
      if (frame.batches.empty()) return {};
      count = frame.batches.size();
      continue;
    }
    frame.batches.insert(frame.batches.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
    if (written.error().code != ErrorCode::kTooLarge) return written;
    if (count <= 1) {
      // One reading is too much for a frame: half of its rows at a time. A single row that is too much is nothing that could be sent.
      wire::Batch& large = frame.batches.front();
      if (large.rows > 1) {
        frame.batches.insert(frame.batches.begin() + 1, take_second_half(large));
      } else {
        log_error("spool", "a row cannot be sent: " + written.error().message);
        rows_lost_ += large.rows;
        frame.batches.erase(frame.batches.begin());
        if (frame.batches.empty()) return {};
      }
      count = 1;
      continue;
    }
    count /= 2;
  }
}

}  // namespace pga::collect
