#include "collect/row_writer.h"

#include <bit>

#include "base/check.h"

namespace pga::collect {

RowWriter::RowWriter(const catalog::Source& source, Cells& cells) : source_(source), cells_(cells) {
  cells_.columns.resize(source.columns.size());
}

void RowWriter::row() {
  ++cells_.rows;
  for (std::size_t i = 0; i < source_.columns.size(); ++i) {
    cells_.columns[i].values.push_back(0);
    cells_.columns[i].present.push_back(0);
    if (source_.columns[i].wire_type == wire::ColumnType::kString) cells_.columns[i].texts.emplace_back();
  }
}

CellColumn& RowWriter::at(std::string_view column) {
  const catalog::Column* declared = source_.find(column);
  PGA_CHECK(declared != nullptr && cells_.rows > 0);
  CellColumn& out = cells_.columns[static_cast<std::size_t>(declared - source_.columns.data())];
  out.present.back() = 1;
  return out;
}

void RowWriter::set(std::string_view column, std::int64_t value) { at(column).values.back() = value; }
void RowWriter::set_double(std::string_view column, double value) { at(column).values.back() = std::bit_cast<std::int64_t>(value); }
void RowWriter::set_text(std::string_view column, std::string value) {
  at(column).texts.back() = cells_.storage.emplace_back(std::move(value));
}

}  // namespace pga::collect
