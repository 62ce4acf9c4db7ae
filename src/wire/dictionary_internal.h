// What both ends of a stream keep, and what only the sender needs to find it again.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "wire/dictionary.h"
#include "wire/frame.h"

namespace pga::wire {

// The keys of the rows of one source of one target and database: row i of every column is the key that slot i stands for.
// Strings are ids of the dictionary, numbers are numbers.
struct KeyTable {
  std::uint32_t target = 0;
  std::uint32_t schema = 0;
  std::int64_t database = 0;  // id of a string; negative ones are of a frame and have no table
  std::size_t rows = 0;
  std::vector<std::vector<std::int64_t>> columns;
};

struct DictionaryEntries {
  std::uint64_t state = 0;  // check value of the last frame that added something; 0: nothing
  StringTable strings;
  std::vector<std::int64_t> numbers;
  std::vector<Target> targets;
  std::vector<Schema> schemas;
  std::vector<KeyTable> tables;
  std::size_t key_rows = 0;   // of all tables
  std::size_t key_cells = 0;  // of all tables

  [[nodiscard]] std::size_t entries() const { return strings.size() - 1 + numbers.size() + key_rows; }
  [[nodiscard]] std::size_t bytes() const { return strings.bytes() + 8 * (numbers.size() + key_cells); }
  KeyTable* find_table(std::uint32_t target, std::uint32_t schema, std::int64_t database);
};

// How much of the entries there was, to go back to.
class DictionaryMark {
 public:
  explicit DictionaryMark(const DictionaryEntries& entries);
  void restore(DictionaryEntries& entries) const;
  [[nodiscard]] bool is_behind(const DictionaryEntries& entries) const;  // something was added since

  std::size_t strings, numbers, targets, schemas;

 private:
  std::size_t key_rows_, key_cells_;
  std::vector<std::size_t> table_rows_;
};

struct ReceiverDictionary::Impl {
  DictionaryEntries entries;
};

struct SenderDictionary::Impl {
  // Finds the slot of a key in a table: open addressing over slot + 1, 0 is free.
  struct TableIndex {
    std::vector<std::uint32_t> buckets;
    std::vector<std::uint64_t> hashes;      // by slot
    std::vector<std::uint32_t> last_order;  // slots of the rows of the last batch, in its order: most readings answer alike
  };
  // Which earlier column each column is best written against, learnt from the rows of one frame out of several.
  struct References {
    std::vector<std::uint8_t> distance;  // per column without keys; 0: none
    std::uint32_t frames = 0;            // since it was learnt
    bool learnt = false;
  };

  DictionaryEntries entries;
  std::vector<TableIndex> indexes;     // as entries.tables
  std::vector<References> references;  // as entries.schemas
  std::unordered_map<std::int64_t, std::uint32_t> number_ids;
  bool is_full = false;  // no room for what the last frame would have liked to add
  void reset();
};

}  // namespace pga::wire
