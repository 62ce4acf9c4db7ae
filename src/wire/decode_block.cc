// The rows of a run of batches: docs/wire.md, section "Block".
#include <algorithm>
#include <bit>
#include <cmath>

#include "wire/decode_internal.h"
#include "wire/limits.h"

namespace pga::wire {
namespace {

bool is_number(ColumnType type) { return type == ColumnType::kInt || type == ColumnType::kTime; }

Column slice(const Column& column, std::size_t first, std::size_t rows) {
  const auto part = [&](const auto& all) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    return std::remove_cvref_t<decltype(all)>(begin, begin + static_cast<std::ptrdiff_t>(rows));
  };
  Column out;
  out.values = part(column.values);
  if (!column.present.empty()) out.present = part(column.present);
  if (std::ranges::find(out.present, 0) == out.present.end()) out.present.clear();
  return out;
}

}  // namespace

Status PayloadDecoder::read_plain_column(std::span<std::int64_t> values) {
  const std::size_t at = in_.at();
  PGA_TRY(const auto head, in_.fixed<std::uint8_t>());
  if (head >= kEncodingCount || head == 0)
    return at_offset(at, "encoding " + std::to_string(head) + " is not one of a column without nulls");
  const auto encoding = static_cast<Encoding>(head);
  if (encoded_bytes_min(encoding, values.size()) > in_.left())
    return at_offset(in_.at(), std::to_string(values.size()) + " cells cannot be in the " + std::to_string(in_.left()) + " bytes left");
  return decode_values(in_, encoding, values);
}

Status PayloadDecoder::read_column(Column& column, ColumnType type, std::span<const Column> before,
                                   std::span<const ColumnType> types_before, std::size_t rows) {
  const std::size_t at = in_.at();
  PGA_TRY(const auto head, in_.fixed<std::uint8_t>());
  const unsigned encoding_number = head & kEncodingMask;
  if (encoding_number >= kEncodingCount) return at_offset(at, "encoding " + std::to_string(encoding_number) + " is not known");
  const auto encoding = static_cast<Encoding>(encoding_number);
  const bool presence = (head & kPresenceBit) != 0, reference = (head & kReferenceBit) != 0, numbers = (head & kNumbersBit) != 0;
  if (encoding == Encoding::kAllNull) {
    if (head != 0) return at_offset(at, "a column of nulls has the flags " + std::to_string(head));
    column.values.assign(rows, 0);
    column.present.assign(rows, 0);
    return {};
  }
  if ((reference || numbers) && (!is_number(type) || (reference && numbers)))
    return at_offset(at, "a column of this type cannot have the flags " + std::to_string(head));
  const Column* base = nullptr;
  if (reference) {
    const std::size_t distance_at = in_.at();
    PGA_TRY(const auto distance, in_.fixed<std::uint8_t>());
    if (distance == 0 || distance > before.size())
      return at_offset(distance_at, "a reference to the column " + std::to_string(distance) + " before");
    if (!is_number(types_before[before.size() - distance])) return at_offset(distance_at, "a reference to a column that is no number");
    base = &before[before.size() - distance];
  }
  std::size_t count = rows;
  if (presence) {
    if (bitmap_bytes(rows) > in_.left()) return at_offset(in_.at(), "a bitmap of " + std::to_string(rows) + " rows is cut short");
    column.present.resize(rows);
    PGA_TRY(count, decode_bitmap(in_, column.present));
    if (count == 0 || count == rows)
      return at_offset(at, "a presence bitmap with " + std::to_string(count) + " of " + std::to_string(rows) + " cells");
  }
  if (encoded_bytes_min(encoding, count) > in_.left())
    return at_offset(in_.at(), std::to_string(count) + " cells cannot be in the " + std::to_string(in_.left()) + " bytes left");
  column.values.resize(rows);
  const std::size_t data_at = in_.at();
  const auto cells = std::span(column.values).first(count);
  PGA_TRY_STATUS(decode_values(in_, encoding, cells));
  if (numbers) {
    PGA_TRY_STATUS(within(data_at, cells, entries_.numbers.size(), "number"));
    for (std::int64_t& cell : cells) cell = entries_.numbers[static_cast<std::size_t>(cell)];
  }
  if (presence) {  // spread the values over the rows, from behind
    for (std::size_t row = rows, from = count; row-- > 0;) column.values[row] = column.present[row] != 0 ? column.values[--from] : 0;
  }
  if (base != nullptr) {
    for (std::size_t row = 0; row < rows; ++row) {
      if (!presence || column.present[row] != 0) column.values[row] = wrapping_sum(column.values[row], base->values[row]);
    }
  }
  return {};
}

Status PayloadDecoder::read_keys(const Schema& schema, KeyTable& table) {
  const std::size_t at = in_.at();
  PGA_TRY(const std::size_t added, in_.count(0, kDictionaryEntriesMax - entries_.entries(), "new keys"));
  if (added == 0) return {};
  if (entries_.bytes() + 8 * added * table.columns.size() > kDictionaryBytesMax)
    return too_large("offset " + std::to_string(at) + ": the keys exceed the limit of " + std::to_string(kDictionaryBytesMax) + " bytes");
  Column column;
  std::size_t key = 0;
  for (const ColumnSchema& declared : schema.columns) {
    if (declared.kind != ColumnKind::kKey) continue;
    const std::size_t column_at = in_.at();
    column.present.clear();
    PGA_TRY_STATUS(read_column(column, declared.type, {}, {}, added));
    if (!column.present.empty()) return at_offset(column_at, "a key is null");
    if (declared.type == ColumnType::kString) PGA_TRY_STATUS(within(column_at, column.values, entries_.strings.size(), "string"));
    if (declared.type == ColumnType::kBool) PGA_TRY_STATUS(within(column_at, column.values, 2, "bool"));
    table.columns[key].insert(table.columns[key].end(), column.values.begin(), column.values.end());
    ++key;
  }
  table.rows += added;
  entries_.key_rows += added;
  entries_.key_cells += added * table.columns.size();
  return {};
}

Status PayloadDecoder::read_slots(std::size_t table_rows, std::span<std::int64_t> slots) {
  const std::size_t at = in_.at();
  PGA_TRY(const auto form, small(3, "form of slots"));
  switch (static_cast<SlotForm>(form)) {
    case SlotForm::kAll:
      if (slots.size() != table_rows)
        return at_offset(at, std::to_string(slots.size()) + " rows for all of " + std::to_string(table_rows) + " keys");
      for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<std::int64_t>(i);
      return {};
    case SlotForm::kBitmap: {
      if (bitmap_bytes(table_rows) > in_.left())
        return at_offset(in_.at(), "a bitmap of " + std::to_string(table_rows) + " keys is cut short");
      std::vector<std::uint8_t> bits(table_rows);
      PGA_TRY(const std::size_t ones, decode_bitmap(in_, bits));
      if (ones != slots.size()) return at_offset(at, std::to_string(ones) + " keys for " + std::to_string(slots.size()) + " rows");
      std::size_t next = 0;
      for (std::size_t slot = 0; slot < table_rows; ++slot) {
        if (bits[slot] != 0) slots[next++] = static_cast<std::int64_t>(slot);
      }
      return {};
    }
    case SlotForm::kColumn: {
      PGA_TRY_STATUS(read_plain_column(slots));
      return within(at, slots, table_rows, "key");
    }
  }
  return {};
}

// The reference of a string becomes the id that the string has in the frame.
Status PayloadDecoder::take_frame_string(std::size_t at, std::int64_t& reference) {
  const bool own = reference < 0;
  const std::uint64_t id = own ? 0 - static_cast<std::uint64_t>(reference) : static_cast<std::uint64_t>(reference);
  auto& ids = own ? frame_text_ids_ : frame_ids_;
  const StringTable& strings = own ? texts_ : entries_.strings;
  if (id >= strings.size()) return text_of(at, reference).error();
  if (ids.size() < strings.size()) ids.resize(strings.size());
  std::uint32_t& known = ids[static_cast<std::size_t>(id)];
  if (known == 0 && id != 0) known = frame_.strings.add(strings.at(static_cast<std::size_t>(id)));
  reference = known;
  return {};
}

// From what the wire has to the canonical cells of a frame, and whether they can be what the schema says.
Status PayloadDecoder::finish_column(const ColumnSchema& declared, std::size_t at, Column& column) {
  switch (declared.type) {
    case ColumnType::kInt:
      return {};
    case ColumnType::kTime:
      if (declared.kind == ColumnKind::kKey) return {};
      for (std::size_t row = 0; row < column.values.size(); ++row) {
        if (!column.is_null(row)) column.values[row] = wrapping_sum(column.values[row], frame_.sent_us);
      }
      return {};
    case ColumnType::kBool:
      return within(at, column.values, 2, "bool");
    case ColumnType::kString:
      for (std::int64_t& value : column.values) PGA_TRY_STATUS(take_frame_string(at, value));
      return {};
    case ColumnType::kDouble:
      for (std::int64_t& value : column.values) {
        value = static_cast<std::int64_t>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
        if (!std::isfinite(std::bit_cast<double>(value))) return at_offset(at, "a double that is not finite");
      }
      return {};
  }
  return {};
}

Status PayloadDecoder::read_block(const Run& run) {
  const Schema& schema = entries_.schemas[run.schema];
  const std::size_t width = schema.columns.size();
  PGA_TRY(const auto mode, small(2, "mode of a block"));
  const bool keyed = mode == 1;
  std::vector<Column> columns(width);  // as in the schema
  if (keyed) {
    KeyTable* table = entries_.find_table(run.target, run.schema, run.database);
    if (table == nullptr) {
      const auto keys =
          static_cast<std::size_t>(std::ranges::count_if(schema.columns, [](const ColumnSchema& c) { return c.kind == ColumnKind::kKey; }));
      if (keys == 0) return at_offset(in_.at() - 1, "a source without keys has a block with keys");
      table =
          &entries_.tables.emplace_back(KeyTable{run.target, run.schema, run.database, 0, std::vector<std::vector<std::int64_t>>(keys)});
    }
    PGA_TRY_STATUS(read_keys(schema, *table));
    std::vector<std::int64_t> slots(run.rows);
    std::size_t at = 0;
    for (std::size_t b = run.first; b < run.last; ++b) {
      const std::size_t rows = frame_.batches[b].rows;
      if (rows > 0) PGA_TRY_STATUS(read_slots(table->rows, std::span(slots).subspan(at, rows)));
      at += rows;
    }
    std::size_t key = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (schema.columns[i].kind != ColumnKind::kKey) continue;
      const auto& from = table->columns[key++];
      columns[i].values.resize(run.rows);
      for (std::size_t row = 0; row < run.rows; ++row) columns[i].values[row] = from[static_cast<std::size_t>(slots[row])];
    }
  }
  // The columns that follow, in the order in which they refer to each other.
  std::vector<Column> read;
  std::vector<ColumnType> types;
  std::vector<std::size_t> data_at(width, in_.at());
  read.reserve(width);
  for (std::size_t i = 0; i < width; ++i) {
    const ColumnSchema& declared = schema.columns[i];
    if (keyed && declared.kind == ColumnKind::kKey) continue;
    data_at[i] = in_.at();
    Column column;
    if (auto got = read_column(column, declared.type, read, types, run.rows); !got) return got.error().with_context(declared.name);
    read.push_back(std::move(column));
    types.push_back(declared.type);
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (!keyed || schema.columns[i].kind != ColumnKind::kKey) columns[i] = std::move(read[next++]);
    if (auto got = finish_column(schema.columns[i], data_at[i], columns[i]); !got) return got.error().with_context(schema.columns[i].name);
  }
  std::size_t at = 0;
  for (std::size_t b = run.first; b < run.last; ++b) {
    Batch& batch = frame_.batches[b];
    if (batch.rows == 0) continue;
    if (batch.rows == run.rows) {
      batch.columns = std::move(columns);
      break;
    }
    for (const Column& column : columns) batch.columns.push_back(slice(column, at, batch.rows));
    at += batch.rows;
  }
  return {};
}

}  // namespace pga::wire
