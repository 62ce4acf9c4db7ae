// The declarations of what is collected. A source is declared once, in one YAML file; its SQL, wire schema, storage table,
// API description and reference page are derived from the model here. docs/catalog.md explains the format.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/frame.h"
#include "wire/limits.h"

namespace pga::catalog {

// kInstance: read once per PostgreSQL, on the connection to the target's own database. kDatabase: once per database.
// kHost: read from the operating system. kProcesses: from the operating system, too, once per PostgreSQL that runs on this machine, to
// which the rows belong. kPooler: read from the console of a PgBouncer. kCollector: what the collector knows of itself.
enum class Scope : std::uint8_t { kInstance, kDatabase, kHost, kProcesses, kPooler, kCollector };

// kSeries: one row per key and reading, counters as increments. kSamples: every reading's rows as they are (sessions), rolled up
// by counting rows per key. kTexts: rows that are sent once per key and never again (query texts). kObjects: things that exist
// (settings, columns, roles): a row travels when it appears, changes or goes.
enum class Shape : std::uint8_t { kSeries, kSamples, kTexts, kObjects };

// How a cell is asked for and parsed; what travels and is stored is Column::wire_type.
enum class SqlType : std::uint8_t { kInt, kFloat, kBool, kText, kTime, kInterval, kLsn };

// Which rows of a complete reading travel: all, or those in which a counter or gauge changed (and all every full_every).
enum class Ship : std::uint8_t { kAll, kChanged };

// How the cells of rows with the same key become one; only of answers that cannot be asked for in groups (scope pooler). kCount: the rows
// in which the cell is not empty.
enum class Combine : std::uint8_t { kNone, kCount, kSum, kMax };

struct Column {
  std::string name;
  wire::ColumnKind kind = wire::ColumnKind::kGauge;
  SqlType sql_type = SqlType::kInt;
  wire::ColumnType wire_type = wire::ColumnType::kInt;
  std::string unit;                // of what travels and is stored: "nanoseconds", "bytes", "blocks", "calls", …; empty: none
  double scale = 1;                // stored value = round(read value * scale), for floats in another unit
  bool nullable = false;           // counters and keys default to false, everything else to true
  std::vector<std::string> names;  // spellings the column has had, newest first; default: its name
  std::string sql;                 // expression instead of the bare name; "{}" stands for the spelling found
  std::vector<std::string> needs;  // columns that must exist for `sql`; default: one of `names`
  bool redact_sql = false;         // a text with SQL in it: literals are taken out before anything else sees it
  bool only_changed = false;       // null in a row whose last one had the same value; full rows (full_every) have it always
  // The server's standard deviation since the reset becomes the one within each interval: of which total, over which count.
  std::string deviation_of;
  // How long it will take until what has been done, another column, reaches the total: estimated from how fast it went lately.
  std::string time_left_of;
  std::string over;  // the count of deviation_of, the total of time_left_of
  Combine combine = Combine::kNone;
  std::string plus;  // scope pooler: a column of the answer that is added as it is, after `scale`: seconds and the microseconds above them
  std::string doc;
};

struct Source {
  std::string name;  // "postgres.statements"
  std::string doc;
  Scope scope = Scope::kInstance;
  Shape shape = Shape::kSeries;
  Ship ship = Ship::kAll;
  std::chrono::microseconds interval{};
  std::chrono::microseconds timeout{};
  std::chrono::microseconds full_every{};
  std::size_t rows_max = 0;
  std::string extension;          // must be installed in the database; its quoted schema replaces {schema} in from and where
  std::string role;               // without it the server hides rows instead of refusing: a reading would be complete and wrong
  std::string follows;            // kTexts: the source whose new keys are asked for; {new_keys} in `where`
  std::string locked;             // oid of the relation that reading the row would lock; empty: none. Rows whose relation somebody
                                  // holds or awaits in ACCESS EXCLUSIVE are left out: waiting for it would let others wait behind us
  std::string resets_with;        // column whose change means that all counters of the row restarted from 0
  std::vector<std::string> from;  // alternatives, tried in order: the first that the server understands
  // Rows that did not move since the reading before need not leave the server: "{moved}" in `from` stands for these rows (called r),
  // alternatives as in `from`, and `moved_by` says what tells one from another and its state from another state of it.
  std::vector<std::string> moved_rows;
  std::vector<std::string> moved_by;  // columns of the declaration or expressions that give a bigint; the first is never null
  // Rows that are parts of another row of the source, as partitions are of a table: `part_key` names a row, `part_of` the row of which it
  // is a part, both among the rows with the same values in the columns `part_within`. All empty: there are none.
  std::string part_key;
  std::string part_of;
  std::vector<std::string> part_within;
  std::string where;
  std::string order;                   // decides which rows are kept under rows_max
  std::vector<std::string> open_rows;  // scope pooler: only rows with these keys keep their texts, in all others they become "***"
  std::string reader;                  // not SQL: name of the C++ reader ("host.cpu"); empty: SQL
  std::vector<Column> columns;
  std::string file;  // where it was declared, for messages

  [[nodiscard]] std::string table() const;  // "postgres_statements"
  [[nodiscard]] bool has_counters() const;
  // Read together with the others of its interval in one statement (union_sql); others have a statement of their own.
  [[nodiscard]] bool is_small() const;
  [[nodiscard]] std::vector<std::size_t> keys() const;  // indices of key columns
  [[nodiscard]] const Column* find(std::string_view column) const;
  // What travels: the columns in order and, if there are counters, a last column "estimated" (bool, gauge): 1 where an increment is
  // uncertain (first seen under a limit, reset between two readings). Of objects a last column "change" (text, gauge): present, added,
  // changed or removed.
  [[nodiscard]] wire::Schema schema() const;
};

inline constexpr std::string_view kEstimatedColumn = "estimated";
inline constexpr std::string_view kChangeColumn = "change";
inline constexpr std::string_view kPartsColumn = "parts";  // of rows that were put together: of how many parts

class Catalog {
 public:
  // The declarations compiled into this binary, plus every *.yaml below `directory` (may be empty). A source of the user may not
  // have the name of a built-in one. Errors name file, line and key, and the nearest valid key.
  static Result<Catalog> load(const std::filesystem::path& directory = {});
  static Result<Source> parse(std::string_view yaml, const std::string& file);

  [[nodiscard]] const std::vector<Source>& sources() const { return sources_; }
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] const Source* find(std::string_view name) const;
  // The same sources, none of whose readings leaves rows or cells at home: for readings that are looked at one by one.
  [[nodiscard]] Catalog with_every_row() const;

 private:
  Status add(Source source);
  std::vector<Source> sources_;  // in order of name
};

// Of the texts of one kTexts reading, as the server counts them: what comes after is left out, and asked for with the next keys. What has
// so many bytes may have been cut off.
inline constexpr std::size_t kTextsBytesMax = 1 * kMiB;
inline constexpr std::size_t kTextsBytesCut = kTextsBytesMax - wire::kStringBytesMax;

// The SELECT for one alternative of `from`, given the columns that the server has.
struct ReadPlan {
  std::string sql;                   // one output column per entry of `columns`, in that order
  std::vector<std::size_t> columns;  // indices into Source::columns
  std::vector<std::string> missing;  // declared columns that this server does not have
  bool counts_locked = false;        // one more output column, in every row: how many locked relations are left out
  // Of a source with moved_rows: `sql` has one more output column, the row's mark, a hash of what moved_by names. `moved_sql` takes the
  // marks that are known as its parameter, a bigint[], and answers the rows whose mark is not among them, and the marks that no row has
  // any more, each in a row that is otherwise without meaning, as one more output column after the mark.
  std::string moved_sql{};
};

// The FROM of one alternative in full, the schema of its extension left open.
std::string from_sql(const Source& source, std::size_t alternative);
// A statement that returns no row but has the columns of the alternative: which of them exist is asked once per server and extension
// version.
std::string probe_sql(const Source& source, std::size_t alternative, std::string_view extension_schema);
// `new_keys`: array literal for kTexts ("{1,2}"), else empty. Fails with kInvalid if a key column is missing.
Result<ReadPlan> read_plan(const Source& source, std::size_t alternative, std::string_view extension_schema,
                           const std::vector<std::string>& available);

// Several plans as one statement: column 0 is the plan's place in `plans`, the next ones are its output columns as text, then nulls.
std::string union_sql(const std::vector<const ReadPlan*>& plans);

// The page docs/reference/sources.md.
std::string reference_markdown(const Catalog& catalog);

std::string_view to_string(Scope scope);
std::string_view to_string(Shape shape);
std::string_view to_string(wire::ColumnKind kind);
std::string_view to_string(wire::ColumnType type);

// "a" -> "\"a\"", with quotes doubled: for names that go into SQL.
std::string quote_identifier(std::string_view name);

}  // namespace pga::catalog
