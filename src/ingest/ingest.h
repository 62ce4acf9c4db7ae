// The way of a frame through the server: checked, recognised when it is a repetition, written durably, answered; and later stored.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "directory/fleet.h"
#include "ingest/clock_guard.h"
#include "ingest/committer.h"
#include "ingest/dictionaries.h"
#include "ingest/flusher.h"
#include "ingest/limits.h"
#include "ingest/registry.h"
#include "ingest/streams.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "store/store.h"
#include "wire/codec.h"

namespace pga::ingest {

inline constexpr std::string_view kFrameType = "application/vnd.pganalytics.frame";
inline constexpr std::string_view kJsonType = "application/json";

struct PushAnswer {
  std::uint64_t sequence = 0;
  std::uint64_t rows = 0;          // of this frame that are stored or will be; the same when the frame is a repetition
  std::uint64_t acknowledged = 0;  // everything of the stream up to this number is on stable storage
  bool duplicate = false;
  std::uint64_t dictionary = 0;  // state of the stream's dictionary here; 0: none, the next frame has to stand alone
};

// Bound to one loop; everything that it is given outlives it.
class Ingest {
 public:
  struct Parts {
    net::Loop& loop;
    const Clock& clock;
    Random& random;
    const catalog::Catalog& catalog;
    journal::Journal& journal;
    directory::Database& database;
    directory::Fleet& fleet;
    Flusher::Insert insert;
    Flusher::Sync sync;
    Flusher::StoreRun store_run = {};
    Registry& registry;
  };
  explicit Ingest(const Parts& parts);

  // Reads what the directory and the journal know of the streams; frames are accepted from then on. What the journal still holds goes to
  // the store in the background, once flush() runs.
  net::Task<Status> start();
  net::Task<> flush() { return flusher_.run(); }
  // Until what the journal held at the start was stored or set aside. A roll-up before that may read a window while an old segment
  // enters it.
  net::Task<Status> replayed();

  // kInvalid, kCorrupt, kTooLarge: not a frame, with the decoder's words; counted. kNotFound: dictionary wanted. kUnavailable: later.
  net::Task<Result<PushAnswer>> push(directory::Collector collector, std::string_view media_type, const std::string& body);

  // Refuses new frames, waits for those under way, then for the store to take everything, at most until the deadline; what it did not take
  // stays in the journal for the next start.
  net::Task<> drain(Deadline deadline);

  // Why frames cannot be served now. From any thread.
  [[nodiscard]] Status ready() const;
  // What a person should look at although frames are served; empty if nothing. From any thread.
  [[nodiscard]] std::string notice() const;
  [[nodiscard]] ClockGuard& clock_guard() { return clock_guard_; }
  [[nodiscard]] const FlusherStats& flusher_stats() const { return flusher_.stats(); }

 private:
  Status replay();
  [[nodiscard]] bool replaying() const;
  // `encoded`: the frame as the journal keeps it, standing alone.
  Result<wire::Frame> decode(const directory::Collector& collector, std::string_view media_type, const std::string& body, Bytes& encoded,
                             PushAnswer& answer);
  [[nodiscard]] std::uint64_t rows_to_store(wire::Frame& frame, std::int64_t received_us) const;
  net::Task<Result<std::vector<std::uint32_t>>> server_ids(const directory::Collector& collector, const wire::Frame& frame);
  net::Task<Status> commit(const directory::Collector& collector, const wire::Frame& frame, const Bytes& encoded, std::int64_t received_us);

  const Parts parts_;
  mutable ClockGuard clock_guard_;
  Streams accepted_;
  Flusher flusher_;
  wire::Decoder decoder_;
  wire::Encoder encoder_{{wire::Codec::kZstd, 1}};
  Dictionaries dictionaries_{kDictionariesBytesMax};
  std::map<std::string, std::uint32_t> server_ids_;  // by collector and target; emptied when it gets large
  std::atomic<bool> started_ = false;
  std::uint64_t replay_through_ = 0;  // segments up to it were there at the start
  std::unique_ptr<Committer> committer_;
};

}  // namespace pga::ingest
