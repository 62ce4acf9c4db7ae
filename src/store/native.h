// ClickHouse's Native format: one block of columns. Written here, never read.
//
//   block   = varint columns, varint rows, column*
//   column  = string name, string type, data           strings are varint length + bytes
//   data    integers, floats      rows * width, little-endian
//           String                string*
//           Nullable(T)           rows * u8 (1: null), then T with a default where null
//           LowCardinality(String) u64 1, u64 flags (width of an index, 0x200 additional keys, 0x400 new dictionary), u64 keys, string*,
//           u64 rows, index*
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"

namespace pga::store {

// Cells of one column. The caller appends with the function that fits the type it named; a null is any append with `null` set.
class ColumnData {
 public:
  // `type` as in CREATE TABLE. A nullable LowCardinality is sent as Nullable(String), which the server converts.
  ColumnData(std::string name, std::string_view type);

  void integer(std::int64_t value, bool null = false);  // integers of 1, 4 or 8 bytes, times, Bool; also the bits of a Float64
  void text(std::string_view value, bool null = false);
  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }  // about; for cutting blocks
  [[nodiscard]] bool is_text() const { return encoding_ == Encoding::kText || encoding_ == Encoding::kDictionary; }
  void write(ByteWriter& out) const;
  void clear();

 private:
  enum class Encoding : std::uint8_t { kFixed, kText, kDictionary };
  void note(bool null);

  std::string name_;
  std::string type_;  // as sent
  Encoding encoding_ = Encoding::kFixed;
  std::size_t width_ = 8;  // of kFixed
  bool nullable_ = false;
  std::size_t rows_ = 0;
  std::size_t bytes_ = 0;
  std::vector<std::uint8_t> nulls_;
  std::vector<std::int64_t> integers_;
  ByteWriter texts_;                    // of kText, as written
  std::vector<std::uint32_t> indices_;  // of kDictionary
  std::vector<std::string> dictionary_;
  std::unordered_map<std::string, std::uint32_t> positions_;
};

// All columns must have the same number of rows, at least one.
std::string write_block(const std::vector<ColumnData>& columns);

}  // namespace pga::store
