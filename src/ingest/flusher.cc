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

void add_to(FlusherStats& stats, const FlusherCounts& counts, int sign) {
  const auto add = [&](std::uint64_t FlusherCounts::* count) { stats.*count += sign > 0 ? counts.*count : -(counts.*count); };
  add(&FlusherCounts::segments);
  add(&FlusherCounts::rows);
  add(&FlusherCounts::rows_refused);
  add(&FlusherCounts::frames_skipped);
}

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
  queue_.push_back({segment, earlier});
  queue_changed();
  idle_.reset();
  work_.set();
}

void Flusher::queue_changed() {
  stats_.waiting = queue_.size();
  oldest_waiting_ = queue_.empty() ? 0 : queue_.front().segment;
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
    const Waiting waiting = queue_.front();
    const Status flushed = co_await flush(waiting);
    if (!flushed) {
      if (parts_.loop.stopping()) co_return;
      stats_.last_error = flushed.error().message;
      const bool again = store::is_retriable(flushed.error()) || ++refusals < kRefusalsMax;
      const std::string name = "journal segment " + std::to_string(waiting.segment);
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

net::Task<Status> Flusher::flush(Waiting waiting) {
  const std::uint64_t segment = waiting.segment;
  const std::string run = store_run();
  PGA_CO_TRY(Content content, co_await parts_.loop.run_blocking([this, segment] { return read(segment); }));
  if (content.gone) {
    ++stats_.segments_gone;
    log_warning("ingest", "journal segment " + std::to_string(segment) +
                              " is skipped: a failed fsync took all of its frames, none of which was acknowledged");
    co_return Status();
  }
  store::InsertSummary summary;
  const auto earlier = planted("token-trusted") ? store::Store::Earlier::kNo : waiting.earlier;
  if (!content.frames.empty()) {
    PGA_CO_TRY(summary, co_await parts_.insert({log_id_, segment}, content.frames, earlier));
  }
  if (inserted_.empty()) settle_at_ = parts_.clock.steady_now() + kSettleEvery;
  inserted_.push_back({.segment = segment,
                       .store_run = run,
                       .streams = std::move(content.streams),
                       .windows_us = std::move(summary.windows_us),
                       .counts = {.segments = 1,
                                  .rows = summary.rows,
                                  .rows_refused = summary.rows_refused + content.rows_refused,
                                  .frames_skipped = content.skipped}});
  add_to(stats_, inserted_.back().counts, 1);
  co_return Status();
}

bool Flusher::contains(StreamKey key, std::uint64_t sequence) const {
  if (stored_.contains(key, sequence)) return true;
  return std::ranges::any_of(inserted_, [&](const Inserted& i) {
    const auto found = i.streams.find(key);
    return found != i.streams.end() && found->second.contains(sequence);
  });
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
    if (!planted("no-deduplication") && (contains(stream, frame->sequence) || !seen.emplace(stream, frame->sequence).second)) {
      ++content.skipped;
      return true;
    }
    IntervalSet& known = content.streams[stream];
    known.add(frame->sequence, frame->sequence);
    for (const wire::Gap& gap : frame->gaps) known.add(gap.first_sequence, gap.last_sequence);
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

void Flusher::take_back() {
  const std::string run = store_run();
  if (planted("store-restart-trusted") || std::ranges::all_of(inserted_, [&](const Inserted& i) { return i.store_run == run; })) return;
  log_warning("ingest", "the store was started again before " + std::to_string(inserted_.size()) +
                            " segments were durable in it: they are compared with what it has");
  // All of them, because roll-ups count on segments that are noted in order.
  std::vector<Waiting> again;
  for (const Inserted& i : inserted_) {
    add_to(stats_, i.counts, -1);
    again.push_back({i.segment, store::Store::Earlier::kPerhaps});
  }
  inserted_.clear();
  queue_.insert(queue_.begin(), again.begin(), again.end());
  queue_changed();
}

net::Task<Status> Flusher::settle() {
  take_back();
  if (!planted("no-store-sync")) PGA_CO_TRY_STATUS(co_await parts_.sync());
  take_back();  // it may have been started again meanwhile
  if (inserted_.empty()) co_return Status();
  PGA_CO_TRY_STATUS(co_await parts_.loop.run_blocking([this] { return note(); }));
  inserted_.clear();
  co_return Status();
}

// Nothing is inserted meanwhile, so what inserted_ has is what was synced.
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
  std::map<StreamKey, IntervalSet> known;
  const auto learn = [&](StreamKey key, const std::vector<IntervalSet::Range>& ranges) {
    for (const auto& [first, last] : ranges) known[key].add(first, last);
  };
  for (const Inserted& i : inserted_) {
    for (const auto& [key, numbers] : i.streams) learn(key, numbers.ranges());
  }
  for (const auto& entry : known) learn(entry.first, stored_.ranges(entry.first));
  std::vector<directory::StreamRanges> streams;
  for (const auto& [key, numbers] : known) streams.push_back({{key.collector}, key.epoch, numbers.ranges()});
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
  for (const directory::StreamRanges& stream : streams) {
    for (const auto& [first, last] : stream.ranges) stored_.add({stream.collector.value, stream.epoch}, first, last);
  }
  return let_go();
}

}  // namespace pga::ingest
