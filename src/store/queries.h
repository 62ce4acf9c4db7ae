// What can be asked of the store: a struct of parameters and a struct of plain results for each question. Times are microseconds since
// 1970; windows include `from` and exclude `to`; a missing optional means no data, never zero.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "wire/frame.h"

namespace pga::store {

struct Window {
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;
  [[nodiscard]] double seconds() const { return static_cast<double>(to_us - from_us) / 1e6; }
  bool operator==(const Window&) const = default;
};

using Values = std::vector<std::optional<double>>;

// Buckets of a series: bucket i starts at start_us + i * step_us.
struct Grid {
  std::int64_t start_us = 0;
  std::int64_t step_us = 0;
  std::size_t points = 0;
  [[nodiscard]] std::int64_t at(std::size_t i) const { return start_us + static_cast<std::int64_t>(i) * step_us; }
};

// --- load: average active sessions -----------------------------------------------------------------------------------------------------

enum class LoadBy : std::uint8_t { kWaitClass, kWaitEvent, kQuery, kDatabase, kUser, kApplication, kClient };

struct LoadQuery {
  std::uint32_t tenant = 0;
  std::uint32_t server = 0;
  Window window;
  std::size_t points = 300;  // at most so many buckets
  LoadBy by = LoadBy::kWaitClass;
  std::size_t series_max = 20;
};

struct LoadSeries {
  std::string key;             // wait class ("CPU" without one), "class:event", query id in decimal, or name; "other" with `other`
  std::string label;           // the text of a query where it is known, else the key
  std::string database, user;  // of by=query, where one statement runs as several: the busiest
  bool other = false;          // the sum of what is not among the first series_max
  Values values;               // null where nobody watched; 0 where it was watched and nothing ran
  double mean = 0;             // over the watched buckets
};

struct LoadResult {
  Grid grid;
  std::vector<LoadSeries> series;  // largest mean first, `other` last
  std::uint64_t samples = 0;       // complete readings in the window; 0: nobody watched
};

// All servers of a tenant in one query. A server without any complete sample is not in the map.
struct FleetLoadQuery {
  std::uint32_t tenant = 0;
  Window window;
  std::size_t points = 60;
};
struct FleetLoad {
  Values values;
  std::optional<double> mean;
};
struct FleetLoadResult {
  Grid grid;
  std::map<std::uint32_t, FleetLoad> servers;
};

// --- what a server is --------------------------------------------------------------------------------------------------------------

struct SummaryQuery {
  std::uint32_t tenant = 0;
  std::optional<std::uint32_t> server;  // all servers of the tenant when empty
  Window window;
};

// The last known of the window; `cores` comes from the row of the host, which is a server of its own.
struct InstanceSummary {
  std::optional<std::string> version;
  std::optional<bool> in_recovery;
  std::optional<std::int64_t> max_connections, connections, active, idle_in_transaction;
  std::optional<double> oldest_transaction_seconds;
  std::optional<std::int64_t> start_time_us;
  std::optional<double> transactions_per_second;  // commits and rollbacks over the watched time
  std::optional<std::int64_t> databases, size_bytes;
  std::optional<bool> local;  // the collector runs beside the server, so that the host it reads is the server's
  std::optional<std::int64_t> cores;
  std::optional<std::int64_t> last_seen_us;  // newest reading of any source that was answered
  std::optional<std::int64_t> last_unreachable_us;
};
using SummaryResult = std::map<std::uint32_t, InstanceSummary>;

// --- statements ----------------------------------------------------------------------------------------------------------------------

enum class QueryOrder : std::uint8_t { kTotalTime, kCalls, kMeanTime, kRows, kBlocksRead, kWalBytes, kTempBlocks, kLoad };

// A statement of one server: what the opaque id of the people's API spells.
struct StatementKey {
  std::uint32_t server = 0;
  std::int64_t queryid = 0;
  std::string database;
  std::string user;
  bool operator==(const StatementKey&) const = default;
};

struct TopQueriesQuery {
  std::uint32_t tenant = 0;
  std::uint32_t server = 0;
  Window window;
  std::optional<Window> compare;
  QueryOrder order = QueryOrder::kTotalTime;
  bool ascending = false;
  std::size_t limit = 50;
  std::string search;  // part of the text, any case, or a query id
  std::optional<std::string> database, user;
};

// Sums over a window.
struct QueryMeasures {
  double calls = 0, total_time_seconds = 0, rows = 0, shared_blks_hit = 0, shared_blks_read = 0, temp_blks_written = 0;
  std::optional<double> wal_bytes;
  std::optional<double> load;  // average active sessions from samples; empty when nobody sampled
};

struct QueryRow {
  StatementKey key;
  std::optional<std::string> text;
  std::optional<std::uint64_t> fingerprint;
  QueryMeasures current;
  std::optional<QueryMeasures> compare;  // empty without a window to compare with, or when the statement was not seen in it
};

struct TopQueriesResult {
  Window window;  // as used: widened to whole buckets where only roll-ups are left
  std::optional<Window> compare;
  std::vector<QueryRow> rows;  // in the order asked for; with a second window, chosen by the larger of the two rates
  QueryMeasures totals;        // of all statements of the server in the window
  std::uint64_t readings = 0;  // complete readings in the window; 0: nobody watched
  std::uint64_t compare_readings = 0;
  double watched_seconds = 0;  // that the increments of the window cover: what rates are measured against
  double compare_watched_seconds = 0;
};

struct QuerySeriesQuery {
  std::uint32_t tenant = 0;
  StatementKey key;
  Window window;
  std::size_t points = 300;
};

struct QuerySeriesResult {
  Grid grid;
  Values calls_per_second, mean_time_ms, load_seconds_per_second, rows_per_second, shared_blks_read_per_second, wal_bytes_per_second;
  QueryMeasures totals;
  double server_total_time_seconds = 0;  // of all statements of the server in the window, for the share
  std::optional<std::string> text;
  std::optional<std::uint64_t> fingerprint;
  struct Wait {
    std::string key;  // as of LoadBy::kWaitEvent
    double mean = 0;  // average active sessions
  };
  std::vector<Wait> waits;  // largest first, at most 20
  std::uint64_t readings = 0;
  double watched_seconds = 0;  // that the increments of the window cover: what rates are measured against
};

// --- any source ------------------------------------------------------------------------------------------------------------------------

// int64 also for times, which are microseconds since 1970.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string, bool>;

struct TableColumn {
  std::string name;
  wire::ColumnKind kind = wire::ColumnKind::kGauge;
  wire::ColumnType type = wire::ColumnType::kInt;
  std::string unit;
  std::string doc;
};

struct SourceTableQuery {
  std::uint32_t tenant = 0;
  std::uint32_t server = 0;
  std::string source;
  Window window;
  std::string order;  // a column; default: the first counter, else the keys
  bool ascending = false;
  std::size_t limit = 100;
  std::string search;  // part of any key or text, any case
  // Of a source with parts (catalog::Source::part_of): one row for what belongs together, whose gauges are sums over the parts, whose times
  // are the newest, and whose last column says how many parts there are.
  bool parts_together = false;
};

// One row per key: counters summed over the window, gauges, texts and times the last known. Rows of samples are counted in a column
// "samples".
struct SourceTableResult {
  Window window;
  std::vector<TableColumn> columns;
  std::vector<std::vector<Cell>> rows;
  bool truncated = false;
};

// --- how readings went -----------------------------------------------------------------------------------------------------------------

struct BatchStateQuery {
  std::uint32_t tenant = 0;
  std::optional<std::uint32_t> server;     // all when empty
  std::optional<std::uint32_t> collector;  // all when empty
  Window window;
};

// Readings of one source that were not complete for one reason, with the words of the newest.
struct BatchFailure {
  wire::Outcome outcome = wire::Outcome::kError;
  std::uint64_t count = 0;
  std::int64_t last_us = 0;
  std::string detail;
};

struct BatchState {
  std::uint32_t server = 0;
  std::uint32_t collector = 0;
  std::string source;
  std::optional<std::int64_t> last_us;  // newest reading, also a failed one
  std::optional<std::int64_t> last_complete_us;
  std::uint64_t complete = 0;
  std::uint64_t failed = 0;
  std::uint64_t rows = 0;
  std::uint64_t rows_refused = 0;
  wire::Outcome outcome = wire::Outcome::kComplete;  // of the newest reading
  std::optional<std::int64_t> last_failed_us;
  wire::Outcome failed_outcome = wire::Outcome::kComplete;  // of the newest failure, with its words
  std::string failed_sqlstate;
  std::string failed_detail;
  std::vector<BatchFailure> failures;  // of the window's last hours, by reason, the newest last
  std::vector<std::string> missing;    // columns that the newest reading did not have
};

// Everything that is stored of one source, all servers and times, raw.
struct SourceTotal {
  std::string source;
  std::uint64_t batches = 0;
  std::uint64_t complete = 0;
  std::uint64_t rows_announced = 0;  // by batch headers, without what was refused
  std::uint64_t rows_refused = 0;
  std::uint64_t rows_stored = 0;  // counted in the table; fewer than announced for texts, which are stored once per key
};

struct Health {
  std::string version;  // of the engine
  std::uint64_t bytes_on_disk = 0;
  std::uint64_t rows = 0;
  std::uint64_t parts = 0;
};

}  // namespace pga::store
