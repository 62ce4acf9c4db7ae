// A frame in memory: what one push of a collector carries. docs/wire.md is the normative text of its bytes; codec.h
// follows it, json_twin.h spells the same content as JSON.
//
// A frame is self-contained: targets, schemas and strings that its batches refer to are in it. Cells are canonical signed
// 64-bit integers (integers, booleans, microseconds, scaled decimals, ids of strings), each present or null.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/string_table.h"

namespace pga::wire {

// Written to the wire; the values never change.
enum class ColumnKind : std::uint8_t { kKey = 0, kCounter = 1, kGauge = 2, kText = 3, kTime = 4 };

// Written to the wire; the values never change. kInt: integer of the declared unit (floats arrive scaled to the declared
// resolution); kBool: 0 or 1; kString: id in Frame::strings; kTime: microseconds since 1970 UTC; kDouble: bits of an IEEE double.
enum class ColumnType : std::uint8_t { kInt = 0, kBool = 1, kString = 2, kTime = 3, kDouble = 4 };

struct ColumnSchema {
  std::string name;
  ColumnKind kind = ColumnKind::kGauge;
  ColumnType type = ColumnType::kInt;
  bool operator==(const ColumnSchema&) const = default;
};

// What the rows of a source mean on the wire; units and documentation are the catalogue's business.
struct Schema {
  std::string source;
  std::vector<ColumnSchema> columns;
  bool operator==(const Schema&) const = default;
};

// Written to the wire; the values never change. Why a reading has the rows it has.
enum class Outcome : std::uint8_t {
  kComplete = 0,
  kLock = 1,         // something is held under a conflicting lock; the rest, if any, was read
  kTimeout = 2,      // statement_timeout or the time budget of the pass
  kPrivilege = 3,    // SQLSTATE 42501
  kAbsent = 4,       // the view, extension or file does not exist here
  kLimit = 5,        // more rows than the declaration's limit; the first `rows` were taken
  kError = 6,        // any other SQLSTATE or error of the operating system
  kUnreachable = 7,  // the target did not answer
};
std::string_view to_string(Outcome outcome);
inline bool has_rows(Outcome outcome) { return outcome == Outcome::kComplete || outcome == Outcome::kLock || outcome == Outcome::kLimit; }

struct Column {
  std::vector<std::int64_t> values;   // one per row; 0 where null
  std::vector<std::uint8_t> present;  // one per row, 1 or 0; empty: all present
  [[nodiscard]] bool is_null(std::size_t row) const { return !present.empty() && present[row] == 0; }
};

// What is watched. Written once per frame.
struct Target {
  std::string kind;               // "postgres", "host"
  std::string name;               // the operator's name for it, unique in the collector's configuration
  std::string system_identifier;  // PostgreSQL's, decimal; the machine id of a host; empty while unknown
  std::string version;            // "18.4"; the kernel's release of a host; empty while unknown
  bool operator==(const Target&) const = default;
};

// One reading of one source, also a failed one.
struct Batch {
  std::uint32_t target = 0;       // index in Frame::targets
  std::uint32_t schema = 0;       // index in Frame::schemas
  std::int64_t started_us = 0;    // microseconds since 1970 by the collector's clock
  std::int64_t interval_us = 0;   // time since the reading that counters are measured against; 0: first reading, counters null
  std::uint64_t duration_us = 0;  // how long the reading took
  std::uint64_t rows_seen = 0;    // rows that the source answered; `rows` of them changed and are here
  Outcome outcome = Outcome::kComplete;
  std::string database;              // where it was read, for sources of scope database; else empty
  std::string sqlstate;              // five characters, or empty
  std::string detail;                // a sentence for the person on call, or empty
  std::vector<std::string> missing;  // declared columns that this target does not have
  std::size_t rows = 0;
  std::vector<Column> columns;  // one per column of the schema, each of `rows` cells; empty when rows == 0
};

// Batches whose columns' memory is used again: a collector makes the same ones over and over.
class BatchPool {
 public:
  Batch take();                           // empty but for columns of any size and content, to be overwritten
  void give(std::vector<Batch> batches);  // keeps what fits
 private:
  static constexpr std::size_t kBatchesMax = 64;
  static constexpr std::size_t kCellsMax = 262'144;
  std::vector<Batch> spare_;
  std::size_t cells_ = 0;
};

// What the spool had to drop.
struct Gap {
  std::uint64_t first_sequence = 0;
  std::uint64_t last_sequence = 0;
  std::int64_t from_us = 0;  // bounds in time of what is missing, microseconds since 1970
  std::int64_t to_us = 0;
  std::uint64_t bytes = 0;
  std::string reason;
  bool operator==(const Gap&) const = default;
};

struct Frame {
  std::uint64_t epoch = 0;     // random, chosen when the spool was created; (collector, epoch) names the stream
  std::uint64_t sequence = 0;  // 1, 2, 3, … in the stream
  std::int64_t sent_us = 0;    // the collector's clock when the frame was made; the server estimates clock skew with it
  StringTable strings;
  std::vector<Target> targets;
  std::vector<Schema> schemas;
  std::vector<Batch> batches;
  std::vector<Gap> gaps;

  [[nodiscard]] std::size_t row_count() const;
  // Brings batches of one target, schema and database together, which are then written as one; otherwise the order stays.
  void sort_batches();
};

// Whether both say the same: strings are compared by text, not by id; what stands in null cells does not count, nor do targets and
// schemas that no batch uses, nor the order of a batch's rows.
bool same_content(const Frame& a, const Frame& b);

}  // namespace pga::wire
