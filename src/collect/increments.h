// The algebra of counters, in one place: what happened between two readings of a source.
//
// An increment is exact, flagged as estimated, or absent; it is never negative and never a jump:
//   seen in the reading before            new - old
//   resets_with changed, or a counter     the values since the reset, the row flagged: what was counted between the last
//     went down                             reading and the reset is not known
//   not seen in the reading before         the values from zero if that reading was complete (the entry is new), or if
//                                           resets_with says that it began later; otherwise the row is only remembered
//   left out of readings under a limit     new - old, the row flagged: it covers a longer interval than the batch says
//   a counter of the host that went down   absent for that column, the row flagged
//   no reading before                      only remembered; rows with gauges are sent with null counters
// A failed reading changes nothing: the next one covers the longer interval.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "wire/frame.h"

namespace pga::collect {

class Increments {
 public:
  explicit Increments(const catalog::Source& source);  // outlives this

  // Turns a reading that has rows into batch columns, rows, rows_seen and interval_us of `batch`. Texts are interned into `strings`.
  // Of a series the reading's cells are gone afterwards: they are what the next one is compared with.
  void apply(Reading& reading, wire::StringTable& strings, wire::Batch& batch);

  // Of all known rows, for a reading of only what moved (catalog::ReadPlan::moved_sql); nothing if the next one must be of all rows.
  [[nodiscard]] std::vector<std::int64_t> marks(std::int64_t now_us) const;

  // The next reading starts anew: another server answers, or it was restarted.
  void forget();

  // Rows of the last apply() that were not known before, as their only key column (for sources that follow this one).
  [[nodiscard]] const std::vector<std::int64_t>& new_first_keys() const { return new_first_keys_; }

 private:
  // What is known of a row of the reading at hand.
  enum Flag : std::uint8_t {
    kNew = 1,
    kMissed = 2,    // left out of the readings before: a longer interval than the batch says
    kReset = 4,     // the counters began again from zero
    kFromZero = 8,  // new, and known to have begun since the last reading
    kChanged = 16,
    kUncertain = 32,
  };
  static constexpr std::uint32_t kNone = UINT32_MAX;
  // The last values of one tracked column, by entry. Of most columns nothing was ever counted.
  struct Last {
    std::vector<std::int64_t> values;   // empty: all are zero
    std::vector<std::uint8_t> present;  // empty: all are, or none is, as all_present says
    bool all_present = false;
    [[nodiscard]] std::int64_t value(std::uint32_t entry) const { return values.empty() ? 0 : values[entry]; }
    [[nodiscard]] bool is_there(std::uint32_t entry) const { return present.empty() ? all_present : present[entry] != 0; }
    void pack();
    void take(const CellColumn& in, const std::vector<std::uint32_t>& entry_of_row, std::size_t entries_before, std::size_t entries);
    void drop(std::uint32_t entry, std::uint32_t end);
  };
  // Rows [row, row + count) are those of the entries from `entry` on: readings mostly answer in the same order.
  struct Span {
    std::uint32_t row = 0, entry = 0, count = 0;
  };

  void match(const Cells& cells);
  std::uint32_t take_slot(const Cells& cells, std::size_t row, std::uint64_t hash);
  [[nodiscard]] bool has_key(std::uint32_t slot, const Cells& cells, std::size_t row) const;
  [[nodiscard]] std::uint64_t hash_of(const Cells& cells, std::size_t row) const;
  void compare(const Cells& cells, bool first);
  void compare_counter(const CellColumn& in, const Last& last);
  void compare_value(const CellColumn& in, const Last& last, bool marks_reset);
  [[nodiscard]] bool changed_since_reset(const Cells& cells, std::size_t row) const;
  void sort_chosen();
  void remember(Cells& cells, std::uint64_t passes_kept);
  void keep_unmoved(const Cells& cells);
  void remember_moved(const Cells& cells);
  void free_slot(std::uint32_t slot);
  [[nodiscard]] bool full_is_due(std::int64_t now_us) const;
  void write(const Cells& cells, std::size_t column, wire::StringTable& strings, wire::Column& out) const;
  void write_counter(const CellColumn& in, const Last& last, wire::Column& out) const;
  void write_deviation(const Cells& cells, const catalog::Column& declared, std::size_t column, wire::Column& out) const;
  [[nodiscard]] std::optional<std::int64_t> increment(const CellColumn& in, const Last& last, std::size_t row) const;

  const catalog::Source& source_;
  // The kernel's counters wrap and step back one by one (32-bit milliseconds of disks, iowait); a server's restart together.
  const bool counters_stand_alone_;
  std::vector<std::size_t> keys_;
  std::vector<std::uint8_t> key_is_text_;               // per key column
  std::vector<std::size_t> tracked_;                    // columns whose last value is kept: counters, gauges, resets_with, deviations
  std::vector<std::optional<std::size_t>> tracked_at_;  // by column: its place in tracked_
  std::optional<std::size_t> resets_with_;              // in tracked_
  bool has_gauges_ = false;

  // By slot, which a key keeps as long as it is known:
  std::vector<std::vector<std::int64_t>> key_values_;  // per key column, unused for texts
  std::vector<std::vector<std::string>> key_texts_;    // per key column, unused for numbers
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint64_t> seen_in_;   // pass; 0: the slot is free
  std::vector<std::uint32_t> entry_of_;  // the entry with the last values
  std::vector<std::uint32_t> free_slots_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> slot_of_hash_;
  // By entry: the rows of the last reading in its order, then those that it left out under a limit.
  std::vector<std::uint32_t> entries_;  // their slots
  std::vector<Last> last_;              // per tracked column
  std::vector<std::int64_t> marks_;     // one per entry, or none: the source has none, or not all rows are known
  std::vector<std::uint32_t> gone_;     // entries that the reading at hand, of moved rows only, says are gone

  // Of the reading at hand, by row:
  std::vector<std::uint32_t> slots_;   // kNone: the same key came before
  std::vector<std::uint32_t> before_;  // the entry; kNone: new
  std::vector<std::uint8_t> flags_;
  std::vector<std::uint64_t> differs_;  // bits in which something changed; the highest: a counter went down
  std::vector<Span> spans_;
  std::vector<std::uint32_t> chosen_;        // rows that travel
  std::vector<std::uint32_t> counted_from_;  // per chosen row: the entry that counters are measured against; kNone: zero
  bool all_can_be_told_ = false;             // every chosen row has an increment in each counter that it has now and had then
  bool repeats_ = false;                     // a key came twice
  bool full_ = false;                        // every row and cell travels
  std::uint64_t pass_ = 0;
  std::int64_t last_us_ = 0;  // start of the last reading that counted; 0: none
  std::int64_t last_full_us_ = 0;
  bool last_complete_ = false;
  std::vector<std::int64_t> new_first_keys_;
};

}  // namespace pga::collect
