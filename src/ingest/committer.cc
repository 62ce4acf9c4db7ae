#include "ingest/committer.h"

#include <algorithm>

#include "base/log.h"
#include "base/planted.h"
#include "ingest/limits.h"

namespace pga::ingest {

Committer::Committer(journal::Journal& journal, const Clock& clock, net::Loop& loop, std::function<void(std::uint64_t)> sealed)
    : journal_(journal), clock_(clock), loop_(loop), sealed_(std::move(sealed)), worker_(loop, "journal"), wake_(loop), ended_(loop) {}

net::Task<Status> Committer::commit(Bytes record, std::uint64_t rows) {
  const auto waiting = std::make_shared<Waiting>(loop_, std::move(record), rows);
  const std::size_t bytes = waiting->record.size();
  if (closing_) co_return unavailable("this server is shutting down");
  if (stats_.waiting >= kWaitingFramesMax || stats_.waiting_bytes + bytes > kWaitingBytesMax) {
    co_return unavailable(std::to_string(stats_.waiting) + " frames of " + std::to_string(stats_.waiting_bytes) +
                          " bytes already wait for the disk");
  }
  queue_.push_back(waiting);
  ++stats_.waiting;
  stats_.waiting_bytes += bytes;
  wake_.set();
  PGA_CO_TRY_STATUS(co_await waiting->done.wait(Deadline::max()));
  co_return waiting->result;
}

net::Task<> Committer::close() {
  closing_ = true;
  wake_.set();
  static_cast<void>(co_await ended_.wait(Deadline::max()));
}

net::Task<> Committer::run() {
  for (;;) {
    static_cast<void>(co_await wake_.wait(open_segment_ == 0 ? Deadline::max() : open_since_ + kSegmentAgeMax));
    const bool last = closing_ || loop_.stopping();
    do {
      const std::vector<WaitingPtr> group = take_group();
      if (!group.empty()) co_await commit_group(group);
      const bool due = open_rows_ >= kSegmentRowsMax || clock_.steady_now() - open_since_ >= kSegmentAgeMax;
      if (open_segment_ != 0 && ((last && queue_.empty()) || due)) co_await seal();
    } while (last && !queue_.empty());
    if (last) break;
    if (queue_.empty()) wake_.reset();
  }
  ended_.set();
}

// A segment is decoded as a whole, so a group must not overfill it; one frame always goes, or a failed seal would stop everything.
std::vector<Committer::WaitingPtr> Committer::take_group() {
  std::vector<WaitingPtr> group;
  std::uint64_t rows = open_segment_ == 0 ? 0 : open_rows_;
  while (!queue_.empty() && group.size() < kGroupFramesMax && (group.empty() || rows < kSegmentRowsMax)) {
    rows += queue_.front()->rows;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

net::Task<> Committer::commit_group(const std::vector<WaitingPtr>& group) {
  std::vector<std::uint64_t> sealed;
  if (planted("early-acknowledgement")) {
    for (const WaitingPtr& waiting : group) waiting->done.set();
  }
  const Status synced = co_await worker_.run([&] { return write(group, sealed); });
  if (!synced) log_error("ingest", "journal: " + synced.error().message);
  for (const WaitingPtr& waiting : group) {
    if (waiting->result && !synced) waiting->result = synced;
    waiting->result ? ++stats_.records : ++stats_.failed;
    --stats_.waiting;
    stats_.waiting_bytes -= waiting->record.size();
    waiting->done.set();
  }
  ++stats_.groups;
  for (const std::uint64_t segment : sealed) sealed_(segment);
}

Status Committer::write(const std::vector<WaitingPtr>& group, std::vector<std::uint64_t>& sealed) {
  for (const WaitingPtr& waiting : group) {
    auto id = journal_.append(waiting->record);
    if (!id) {
      waiting->result = std::move(id).error();
      continue;
    }
    if (id->segment != open_segment_) {
      if (open_segment_ != 0) sealed.push_back(open_segment_);  // the journal sealed it: it was full, or its fsync failed
      open_segment_ = id->segment;
      open_rows_ = 0;
      open_since_ = clock_.steady_now();
    }
    open_rows_ += waiting->rows;
  }
  return journal_.sync();
}

net::Task<> Committer::seal() {
  const Status sealed = co_await worker_.run([this]() -> Status {
    PGA_TRY_STATUS(journal_.seal());
    return {};
  });
  if (!sealed) {
    log_error("ingest", "journal: " + sealed.error().message);
    open_since_ = clock_.steady_now();  // tried again after kSegmentAgeMax
    co_return;
  }
  sealed_(std::exchange(open_segment_, 0));
}

}  // namespace pga::ingest
