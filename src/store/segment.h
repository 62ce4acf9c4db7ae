// Turns the frames of a segment into blocks for the tables, one frame after the other, cut where a block is full.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/frames.h"
#include "store/native.h"
#include "store/schema.h"

namespace pga::store {

struct Block {
  std::string table;
  std::size_t part = 0;  // 0, 1, … of this table in this segment
  std::size_t rows = 0;
  std::string data;  // Native
};

// The same frames in the same order make the same blocks: that is what deduplication by token rests on.
class SegmentWriter {
 public:
  // `sources` outlives the writer.
  SegmentWriter(const std::vector<catalog::Source>& sources, std::uint64_t segment);

  void add(const StoredFrame& frame);
  // Blocks of sources that are full by now; after finish() the rest too, batch headers and gaps last.
  std::vector<Block> take();
  void finish();
  [[nodiscard]] InsertSummary summary() const;

 private:
  struct Table {
    std::vector<ColumnData> columns;
    std::size_t parts = 0;
    [[nodiscard]] std::size_t rows() const { return columns.front().rows(); }
    [[nodiscard]] std::size_t bytes() const;
  };
  Table& table(const TableDef& definition);
  void cut(const std::string& name, Table& table, std::vector<Block>& into);
  // Returns how many rows were refused.
  std::size_t add_rows(const StoredFrame& frame, const wire::Batch& batch, std::int64_t ts_us);
  void add_header(const StoredFrame& frame, const wire::Batch& batch, std::int64_t ts_us, std::size_t refused);
  void add_gap(const StoredFrame& frame, const wire::Gap& gap);
  std::int64_t mend_clock(std::int64_t started_us, std::int64_t received_us);

  const std::vector<catalog::Source>& sources_;
  const std::uint64_t segment_;
  std::map<std::string, Table, std::less<>> tables_;   // of sources
  std::map<std::string, Table, std::less<>> headers_;  // batches, gaps: sent last
  std::vector<Block> full_, full_headers_;
  std::set<std::int64_t> windows_us_;
  InsertSummary summary_;
};

}  // namespace pga::store
