// Answers of the engine: format RowBinaryWithNamesAndTypes, read into typed cells.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "store/queries.h"

namespace pga::store {

// Integers of every width, dates and times (microseconds) are int64; UInt64 beyond 2^63 keeps its bits.
class Rows {
 public:
  static Result<Rows> parse(ByteView bytes);

  [[nodiscard]] std::size_t size() const { return columns_ == 0 ? 0 : cells_.size() / columns_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] const Cell& at(std::size_t row, std::size_t column) const { return cells_[row * columns_ + column]; }
  // The cell as the type asked for; a null, or a cell of another type, is nothing or zero.
  [[nodiscard]] std::optional<std::int64_t> maybe_integer(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::optional<double> maybe_number(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::optional<std::string> maybe_text(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::int64_t integer(std::size_t row, std::size_t column) const { return maybe_integer(row, column).value_or(0); }
  [[nodiscard]] std::uint64_t count(std::size_t row, std::size_t column) const { return static_cast<std::uint64_t>(integer(row, column)); }
  [[nodiscard]] double number(std::size_t row, std::size_t column) const { return maybe_number(row, column).value_or(0); }
  [[nodiscard]] std::string text(std::size_t row, std::size_t column) const { return maybe_text(row, column).value_or(""); }

 private:
  std::size_t columns_ = 0;
  std::vector<Cell> cells_;
};

}  // namespace pga::store
