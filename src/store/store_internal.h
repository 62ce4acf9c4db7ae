// What the files of this library share behind Store.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "store/client.h"
#include "store/schema.h"
#include "store/segment.h"
#include "store/slices.h"
#include "store/store.h"

namespace pga::store {

// Sources whose columns named queries know by name.
inline constexpr std::string_view kActivity = "postgres.activity";
inline constexpr std::string_view kStatements = "postgres.statements";
inline constexpr std::string_view kStatementTexts = "postgres.statement_texts";

struct Store::Impl {
  Impl(net::Loop& event_loop, std::vector<catalog::Source> declared, const Clock& wall_clock, StoreOptions store_options);

  [[nodiscard]] const catalog::Source* find(std::string_view source) const;
  [[nodiscard]] std::string table(std::string_view name) const;  // quoted, with its database
  [[nodiscard]] std::vector<Slice> plan(Window window, std::chrono::microseconds raw_max = kRawWindowMax) const;
  [[nodiscard]] std::string limits(std::chrono::milliseconds timeout, std::uint64_t memory_bytes) const;  // the SETTINGS of a statement
  // Runs a SELECT with the limits of a query behind it.
  net::Task<Result<Rows>> select(std::string sql, Parameters parameters);
  // `again`: it may have been run, and the engine may have forgotten its token; what has rows of the step is left.
  net::Task<Status> run_step(std::uint64_t log_id, RollupStep step, bool again);
  // What an engine set apart at its start because it was not whole: for a day somebody may want to look at it.
  net::Task<Status> drop_detached();
  net::Task<Status> insert_block(std::string token, Block block);
  // Per table the token to insert the segment under, or an empty one where all of it is there. A part of it is deleted first. While one
  // engine runs the token of a table changes only with such a deletion, so that a repetition after an unknown end is dropped as ever.
  net::Task<Result<std::map<std::string, std::string>>> settle_earlier(SegmentKey key, std::span<const StoredFrame> frames);
  [[nodiscard]] std::string segment_token(SegmentKey key) const {
    return to_hex(key.log_id) + "-" + std::to_string(key.segment) + "-" + engine_run();
  }
  // A part of tokens: what one process remembers says nothing of what another has.
  [[nodiscard]] std::string engine_run() const;

  // One SELECT per slice joined by UNION ALL: `server`, `_t` (microseconds of the row or bucket), `_tl` (of the newest reading in it), `_n`
  // (rows that it stands for), and `columns` as they are. Reads {tenant:UInt32}, and {server:UInt32} if `one_server`; binds the bounds.
  [[nodiscard]] std::string rows_of(const catalog::Source& source, const std::vector<Slice>& slices,
                                    const std::vector<std::string>& columns, bool one_server, Parameters& parameters,
                                    const std::string& where = {}) const;
  // The same of batch headers: server, collector, source, _t, batches, complete, answered, watched_us, rows, rows_refused, last_ts,
  // last_complete_ts.
  [[nodiscard]] std::string headers_of(const std::vector<Slice>& slices, const std::string& where, Parameters& parameters) const;

  // How often and how long a source was watched, per server and bucket.
  struct Watched {
    std::uint64_t readings = 0;  // that had rows
    double seconds = 0;          // that their increments cover
  };
  using WatchedGrid = std::map<std::uint32_t, std::vector<Watched>>;
  net::Task<Result<WatchedGrid>> watched(std::uint32_t tenant, std::optional<std::uint32_t> server, std::string_view source,
                                         std::vector<Slice> slices, Grid grid);
  net::Task<Result<std::map<std::uint32_t, Watched>>> watched(std::uint32_t tenant, std::optional<std::uint32_t> server,
                                                              std::string_view source, std::vector<Slice> slices);

  net::Task<Status> add_newest(SummaryQuery query, std::string_view source_name, SummaryResult& result);
  net::Task<Status> add_transactions(SummaryQuery query, SummaryResult& result);
  net::Task<Status> add_sizes(SummaryQuery query, SummaryResult& result);
  net::Task<Status> add_last_seen(SummaryQuery query, SummaryResult& result);

  struct StatementText {
    std::string text;
    std::optional<std::uint64_t> fingerprint;
  };
  net::Task<Status> name_queries(LoadQuery query, std::vector<Slice> slices, std::vector<LoadSeries>& series);
  net::Task<Result<std::map<std::int64_t, StatementText>>> texts(std::uint32_t tenant, std::uint32_t server,
                                                                 std::vector<std::int64_t> queryids);

  net::Loop& loop;
  const std::vector<catalog::Source> sources;
  const Clock& clock;
  const StoreOptions options;
  const std::shared_ptr<Watermarks> watermarks;
  Client client;
  const std::int64_t started_us;
  std::map<std::string, int> deletions;             // of parts of segments, by segment and table
  std::map<std::uint64_t, std::string> begun;       // segments whose insert was begun and has not succeeded: in which engine_run() first
  std::set<std::string> whole_parts;                // paths of active parts that look() found whole
  std::map<std::string, std::string> broken_parts;  // that it did not, by inode and path: in which engine_run()
  std::string distrusted_run;                       // an engine_run() that has such parts, and is to end
};

// Deadlines of the network are in the time of the operating system, whoever owns the wall clock.
inline Deadline after(std::chrono::milliseconds timeout) { return std::chrono::steady_clock::now() + timeout; }

// Start of the bucket index of a row: "intDiv(_t - {start}, {step})" with bound parameters.
std::string bucket_of(const Grid& grid, Parameters& parameters);
// 1e-9 for a column of nanoseconds; 1 for what is no time.
double seconds_per_unit(const catalog::Column& column);
// SQL for "as text, empty where null".
std::string as_text_sql(std::string_view column);

}  // namespace pga::store
