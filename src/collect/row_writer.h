// Fills a reading by the names of the declared columns: for readers that are not SQL.
#pragma once

#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "collect/cells.h"

namespace pga::collect {

// A name that the declaration does not have is our mistake and stops the process.
class RowWriter {
 public:
  RowWriter(const catalog::Source& source, Cells& cells);
  void row();  // begins the next row
  void set(std::string_view column, std::int64_t value);
  void set_double(std::string_view column, double value);
  void set_text(std::string_view column, std::string value);
  [[nodiscard]] std::size_t rows() const { return cells_.rows; }

 private:
  CellColumn& at(std::string_view column);
  const catalog::Source& source_;
  Cells& cells_;
};

}  // namespace pga::collect
