// What a reader answered, before increments: columns in the order of the declaration.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "wire/frame.h"

namespace pga::collect {

struct CellColumn {
  std::vector<std::int64_t> values;     // one per row, canonical (scaled, microseconds, 0/1, bits of a double); unused for text
  std::vector<std::string_view> texts;  // one per row, only for text columns; points into what Cells owns
  std::vector<std::uint8_t> present;    // one per row
};

struct Cells {
  std::size_t rows = 0;
  std::vector<CellColumn> columns;    // one per column of the declaration; empty vectors: the target does not have it
  std::deque<std::string> storage;    // texts that the reader made; a deque, because columns point into it
  std::shared_ptr<const void> owner;  // of the other texts
  std::vector<std::int64_t> marks;    // one per row, of a source that has them (catalog::ReadPlan::moved_sql)
  // Only rows that are new or moved are here: those of the reading before whose marks are not in `gone` are as they were.
  bool moved_only = false;
  std::vector<std::int64_t> gone;
};

// One reading of one source, also a failed one.
struct Reading {
  wire::Outcome outcome = wire::Outcome::kComplete;
  std::string sqlstate;
  std::string detail;
  std::vector<std::string> missing;
  std::int64_t started_us = 0;  // wall clock, microseconds since 1970
  std::uint64_t duration_us = 0;
  Cells cells;

  // Whether anything was read. Who waited too long for a lock at the first row says kLock, as who left rows out does, but has none.
  [[nodiscard]] bool has_rows() const { return wire::has_rows(outcome) && !cells.columns.empty(); }

  static Reading failed(wire::Outcome outcome, std::string detail, std::string sqlstate = "");
};

// Reads one cell of a declared column. Fails with kCorrupt if the text is not what was asked for.
Result<std::int64_t> parse_cell(const catalog::Column& column, std::string_view text);

}  // namespace pga::collect
