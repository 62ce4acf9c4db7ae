// Where measurements live: ClickHouse, spoken over HTTP, and nothing of it leaves this folder. One Store is bound to one loop; several
// stores of one process share a Watermarks.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "catalog/catalog.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/task.h"
#include "store/frames.h"
#include "store/queries.h"
#include "store/rollup.h"

namespace pga::store {

struct Retention {
  std::chrono::hours raw{24 * 7};
  std::chrono::hours five_minutes{24 * 30};
  std::chrono::hours one_hour{24 * 400};
};

// Until when every window was rolled up at least once, microseconds since 1970; reads take raw rows beyond. Starts at 0: raw only.
struct Watermarks {
  std::atomic<std::int64_t> five_minutes_us{0};
  std::atomic<std::int64_t> one_hour_us{0};
};

struct StoreOptions {
  net::ClientOptions client;  // of the engine child ("unix:/…/engine.sock") or of a ClickHouse ("http://127.0.0.1:8123")
  std::string user;           // empty: none
  Secret<std::string> password;
  std::string database = "pganalytics";
  // Of the embedded engine. It does not sync what it inserts: sync() does, for everything at once. Empty: a ClickHouse that is not ours.
  std::filesystem::path engine_directory;
  std::function<std::uint64_t()> engine_restarts;  // of the embedded engine, from any thread; empty: it is never restarted
  std::function<void()> restart_engine;            // asked for by a store that has found a part that is not whole; from any thread
  Retention retention;
  std::shared_ptr<Watermarks> watermarks;  // null: this store makes its own
  std::chrono::milliseconds query_timeout{10'000};
  std::chrono::milliseconds insert_timeout{60'000};
  std::uint64_t query_memory_bytes = 256ULL << 20;
};

// True when the same call may succeed later and may be repeated: the engine restarts, is busy, or the network failed. Inserts and roll-ups
// carry tokens, so a repetition after an unknown end is safe.
bool is_retriable(const Error& error);

class Store {
 public:
  // `catalog` and `clock` outlive the store.
  Store(net::Loop& loop, const catalog::Catalog& catalog, const Clock& clock, StoreOptions options);
  Store(net::Loop& loop, std::vector<catalog::Source> sources, const Clock& clock, StoreOptions options);  // for tests
  ~Store();

  // What was inserted before is on stable storage when this returns ok, if it was inserted in the engine_run() of now. kUnavailable: look()
  // found something, or the engine does not answer.
  net::Task<Status> sync();
  // Looks at the files of parts that are new since the last look. When some of them are not what the engine believes (the disk was full for
  // a moment), restarts it, so that it goes back to the parts that were merged into those, and what was inserted into them is missing.
  // To be called every kLookEvery: a minute after a merge what was merged is deleted.
  net::Task<Status> look();
  // Which process of our own engine answers. What one took is certain only when sync() succeeded while it ran; otherwise it has to be
  // compared. Empty for a ClickHouse that is not ours.
  [[nodiscard]] std::string engine_run() const;
  // Creates database and tables and adds the columns that a newer declaration has. kInvalid names the table and column that cannot be
  // brought into line (a changed type, two sources that would share a table).
  net::Task<Status> prepare();

  // Stores all frames of a segment, once however often it is called. Batch headers go last, so that a header that can be read has its rows.
  // After a crash of the whole machine the engine has any part of what was not synced, rows as well as its memory of tokens: a segment
  // that an earlier run may have inserted is compared with what is there, table by table. So is one that was under way when the embedded
  // engine died: it may have the rows and not the token, or the token and not the rows.
  enum class Earlier : std::uint8_t { kNo, kPerhaps };
  net::Task<Result<InsertSummary>> insert(SegmentKey key, std::span<const StoredFrame> frames, Earlier earlier = Earlier::kNo);

  // Finishes what was begun, then rolls up windows that ended more than kRollupDelay ago, at most `steps_max` of them, and moves the
  // watermarks.
  net::Task<Result<RollupSummary>> roll_up(RollupLedger& ledger, std::uint64_t log_id, WallTime now, std::size_t steps_max = 288);

  // Drops the days that are older than the retention, per resolution. Returns how many partitions went. Call after roll_up.
  net::Task<Result<std::size_t>> apply_retention(WallTime now);

  net::Task<Result<Health>> health();
  net::Task<Status> ping();  // the engine answers; nothing is read

  net::Task<Result<LoadResult>> load(LoadQuery query);
  net::Task<Result<FleetLoadResult>> fleet_load(FleetLoadQuery query);
  net::Task<Result<SummaryResult>> summaries(SummaryQuery query);
  net::Task<Result<TopQueriesResult>> top_queries(TopQueriesQuery query);
  net::Task<Result<QuerySeriesResult>> query_series(QuerySeriesQuery query);
  net::Task<Result<SourceTableResult>> source_table(SourceTableQuery query);  // kNotFound for a source that is not declared
  // One per (server, collector, source) that has a header in the window.
  net::Task<Result<std::vector<BatchState>>> batch_states(BatchStateQuery query);
  net::Task<Result<std::vector<SourceTotal>>> source_totals(std::uint32_t tenant);

  struct Impl;  // of the files of this library

 private:
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::chrono::seconds kRollupDelay{90};
inline constexpr std::chrono::seconds kLookEvery{10};

}  // namespace pga::store
