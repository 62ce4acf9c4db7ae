#include "ingest/flusher.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "base/log.h"
#include "base/planted.h"
#include "directory/rollup_book.h"
#include "directory/stream_ledger.h"
#include "ingest/limits.h"
#include "ingest/record.h"
#include "net/retry.h"
#include "wire/codec.h"

namespace pga::ingest {
namespace {

constexpr int kRefusalsMax = 3;  // of one segment by the store, before it is set aside
constexpr net::RetryOptions kRetry{.first = std::chrono::milliseconds{100}, .cap = std::chrono::milliseconds{5'000}};

std::int64_t floor_to(std::int64_t value, std::int64_t step) { return value - ((value % step) + step) % step; }

}  // namespace

Flusher::Flusher(Parts parts)
    : parts_(std::move(parts)),
      log_id_(parts_.journal.stats().log_id),
      stored_(std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max()),
      work_(parts_.loop),
      idle_(parts_.loop) {
  idle_.set();
}

Status Flusher::load() {
  PGA_TRY(const auto streams, directory::StreamLedger(parts_.database).load());
  for (const auto& stream : streams) {
    for (const auto& [first, last] : stream.ranges) stored_.add({stream.collector.value, stream.epoch}, first, last);
  }
  return {};
}

void Flusher::add(std::uint64_t segment, store::Store::Earlier earlier) {
  if (earlier == store::Store::Earlier::kPerhaps) earlier_through_ = segment;
  queue_.push_back(segment);
  queue_changed();
  idle_.reset();
  work_.set();
}

void Flusher::queue_changed() {
  stats_.waiting = queue_.size();
  oldest_waiting_ = queue_.empty() ? 0 : queue_.front();
}

net::Task<> Flusher::run() {
  net::Backoff backoff(kRetry, parts_.random);
  int refusals = 0;
  while (true) {
    static_cast<void>(co_await work_.wait(inserted_.empty() ? Deadline::max() : settle_at_));
    if (parts_.loop.stopping()) co_return;
    const bool due = parts_.clock.steady_now() >= settle_at_ || inserted_.size() >= kInsertedSegmentsMax || (hurrying_ && queue_.empty());
    if (!inserted_.empty() && due) {
      if (const Status settled = co_await settle(); !settled) {
        stats_.last_error = settled.error().message;
        log_warning("ingest", "stored segments wait to be let go: " + settled.error().message);
        static_cast<void>(co_await parts_.loop.sleep(backoff.next()));
        continue;
      }
    }
    if (queue_.empty()) {
      work_.reset();
      if (inserted_.empty()) idle_.set();
      continue;
    }
    const std::uint64_t segment = queue_.front();
    const Status flushed = co_await flush(segment);
    if (!flushed) {
      if (parts_.loop.stopping()) co_return;
      stats_.last_error = flushed.error().message;
      const bool again = store::is_retriable(flushed.error()) || ++refusals < kRefusalsMax;
      const std::string name = "journal segment " + std::to_string(segment);
      if (again) {
        log_warning("ingest", name + " waits: " + flushed.error().message);
        static_cast<void>(co_await parts_.loop.sleep(backoff.next()));
        continue;
      }
      log_error("ingest", name + " was refused by the store and is set aside until the next start: " + flushed.error().message);
      ++set_aside_;
    }
    stats_.last_error.clear();
    backoff.succeeded();
    refusals = 0;
    queue_.pop_front();
    queue_changed();
  }
}

net::Task<Status> Flusher::drained(Deadline deadline) {
  hurrying_ = true;
  work_.set();
  co_return co_await idle_.wait(deadline);
}

net::Task<Status> Flusher::flush(std::uint64_t segment) {
  PGA_CO_TRY(const Content content, co_await parts_.loop.run_blocking([this, segment] { return read(segment); }));
  if (content.gone) {
    ++stats_.segments_gone;
    log_warning("ingest", "journal segment " + std::to_string(segment) +
                              " is skipped: a failed fsync took all of its frames, none of which was acknowledged");
    co_return Status();
  }
  store::InsertSummary summary;
  const auto earlier =
      segment <= earlier_through_ && !planted("token-trusted") ? store::Store::Earlier::kPerhaps : store::Store::Earlier::kNo;
  if (!content.frames.empty()) {
    PGA_CO_TRY(summary, co_await parts_.insert({log_id_, segment}, content.frames, earlier));
  }
  remember(segment, content, std::move(summary.windows_us));
  ++stats_.segments;
  stats_.rows += summary.rows;
  stats_.rows_refused += summary.rows_refused + content.rows_refused;
  stats_.frames_skipped += content.skipped;
  co_return Status();
}

Result<Flusher::Content> Flusher::read(std::uint64_t segment) {
  Content content;
  wire::Decoder decoder;
  std::set<std::pair<StreamKey, std::uint64_t>> seen;
  Status broken;
  const Status found = parts_.journal.read_segment(segment, [&](const journal::Record& entry) {
    auto record = decode_record(entry.payload);
    auto frame = record ? decoder.decode(record->frame) : Result<wire::Frame>(record.error());
    if (!frame) {
      broken = frame.error().with_context("record " + std::to_string(entry.id.index));
      return false;
    }
    const StreamKey stream{record->collector, frame->epoch};
    // Only after a failed fsync: the frame came back on reading, and its collector sent it again.
    if (!planted("no-deduplication") && (stored_.contains(stream, frame->sequence) || !seen.emplace(stream, frame->sequence).second)) {
      ++content.skipped;
      return true;
    }
    if (std::find(content.streams.begin(), content.streams.end(), stream) == content.streams.end()) content.streams.push_back(stream);
    content.rows_refused += refuse_far_batches(*frame, record->received_us);
    content.frames.push_back({.tenant = record->tenant,
                              .collector = record->collector,
                              .collector_uuid = record->collector_uuid,
                              .received_us = record->received_us,
                              .servers = record->servers,
                              .frame = std::move(*frame)});
    return true;
  });
  // The journal deletes a segment by itself only when nothing of it ever became durable.
  content.gone = !found && found.error().code == ErrorCode::kNotFound;
  if (!content.gone) PGA_TRY_STATUS(found);
  PGA_TRY_STATUS(broken);
  return content;
}

void Flusher::remember(std::uint64_t segment, const Content& content, std::vector<std::int64_t> windows_us) {
  for (const store::StoredFrame& f : content.frames) {
    stored_.add({f.collector, f.frame.epoch}, f.frame.sequence, f.frame.sequence);
    for (const wire::Gap& gap : f.frame.gaps) stored_.add({f.collector, f.frame.epoch}, gap.first_sequence, gap.last_sequence);
  }
  if (inserted_.empty()) settle_at_ = parts_.clock.steady_now() + kSettleEvery;
  inserted_.push_back({segment, content.streams, std::move(windows_us)});
}

net::Task<Status> Flusher::settle() {
  if (!planted("no-store-sync")) PGA_CO_TRY_STATUS(co_await parts_.sync());
  PGA_CO_TRY_STATUS(co_await parts_.loop.run_blocking([this] { return note(); }));
  inserted_.clear();
  co_return Status();
}

// Nothing is inserted meanwhile, so what stored_ has is what was synced.
Status Flusher::note() {
  const auto let_go = [this]() -> Status {
    for (const Inserted& i : inserted_) {
      const Status removed = parts_.journal.remove_segment(i.segment);
      if (!removed && removed.error().code != ErrorCode::kNotFound) return removed;  // an earlier try has removed some
    }
    return {};
  };
  if (planted("no-watermark")) return let_go();
  if (planted("watermark-after-removal")) PGA_TRY_STATUS(let_go());
  std::set<StreamKey> keys;
  for (const Inserted& i : inserted_) keys.insert(i.streams.begin(), i.streams.end());
  std::vector<directory::StreamRanges> streams;
  for (const StreamKey& key : keys) streams.push_back({{key.collector}, key.epoch, stored_.ranges(key)});
  const Status noted = parts_.database.transaction([&]() -> Status {
    directory::RollupBook book(parts_.database);
    PGA_TRY_STATUS(directory::StreamLedger(parts_.database).store(streams));
    for (const Inserted& i : inserted_) {
      std::set<std::int64_t> hours;
      for (const std::int64_t window : i.windows_us) hours.insert(floor_to(window, store::width(store::Resolution::kOneHour).count()));
      PGA_TRY_STATUS(book.touch(static_cast<std::int64_t>(store::Resolution::kFiveMinutes), i.windows_us, i.segment));
      PGA_TRY_STATUS(book.touch(static_cast<std::int64_t>(store::Resolution::kOneHour), {hours.begin(), hours.end()}, i.segment));
    }
    return {};
  });
  PGA_TRY_STATUS(noted);
  return let_go();
}

}  // namespace pga::ingest
