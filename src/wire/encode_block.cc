// The rows of a run: which keys they have, and their other columns one after the other. docs/wire.md, section "Block".
#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "wire/codec_internal.h"
#include "wire/encode_internal.h"
#include "wire/limits.h"

namespace pga::wire {
namespace {

constexpr std::size_t kLearnRowsMin = 16;             // fewer say little about how columns go together
constexpr std::size_t kLearnRowsMax = 192;            // more say hardly more
constexpr std::uint32_t kLearnAgainFrames = 64;       // a workload changes
constexpr std::size_t kDictionaryGaugeBytesMax = 64;  // longer values of string gauges are seldom the same again
constexpr std::size_t kNumberBytesMin = 6;            // shorter values are written as they are
constexpr std::size_t kNumberEntryBytes = 8;

std::uint64_t mix(std::uint64_t hash, std::int64_t value) {
  hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

// Short decimals have zeros at the end of their bits, which a varint does not write once they come first.
std::int64_t turned(std::int64_t bits) { return static_cast<std::int64_t>(__builtin_bswap64(static_cast<std::uint64_t>(bits))); }

// Roughly the bits that a value takes behind the compressor, which sees zeros for less than a byte.
std::size_t weight(std::int64_t value) { return value == 0 ? 1 : 2 + static_cast<std::size_t>(std::bit_width(zigzag(value))); }

bool is_number(const ColumnSchema& column) { return column.type == ColumnType::kInt || column.type == ColumnType::kTime; }

}  // namespace

std::int64_t Encoder::Impl::cell_reference(std::size_t id, ColumnKind kind) {
  std::int64_t& known = reference[id];
  if (known != kUnmapped && (known >= 0 || kind == ColumnKind::kText)) return known;
  const std::string_view text = frame->strings.at(id);
  const bool often = kind == ColumnKind::kKey || (kind != ColumnKind::kText && text.size() <= kDictionaryGaugeBytesMax);
  if (often || text.empty()) {
    known = dictionary_string(text);
  } else if (known == kUnmapped) {
    known = text_reference(text);
  }
  return known;
}

// One column of all batches of the run, as canonical integers of the wire; `ordered`: rows as in `order`.
Status Encoder::Impl::gather(const Run& run, std::size_t column, bool ordered, Cells& out) {
  out.present.clear();
  const Batch& first = frame->batches[run.first];
  const ColumnType type = frame->schemas[first.schema].columns[column].type;
  if (type == ColumnType::kInt && !ordered && run.rows == first.rows && first.columns[column].present.empty()) {
    out.values = first.columns[column].values;
    return {};
  }
  out.own.resize(run.rows);
  out.values = out.own;
  std::size_t at = 0;
  bool nulls = false;
  for (std::size_t b = run.first; b < run.last; ++b) {
    const Batch& batch = frame->batches[b];
    if (batch.rows == 0) continue;
    const Column& source = batch.columns[column];
    std::int64_t* const values = out.own.data() + at;
    if (!source.present.empty()) {
      if (!nulls) out.present.assign(run.rows, 1);
      nulls = true;
      for (std::size_t i = 0; i < batch.rows; ++i) out.present[at + i] = source.present[ordered ? order[at + i] : i];
    }
    if (ordered) {
      for (std::size_t i = 0; i < batch.rows; ++i) values[i] = source.values[order[at + i]];
    } else {
      std::copy(source.values.begin(), source.values.end(), values);
    }
    PGA_TRY_STATUS(to_wire(batch, column, at, nulls, out));
    if (nulls) {
      for (std::size_t i = 0; i < batch.rows; ++i) values[i] = out.present[at + i] != 0 ? values[i] : 0;
    }
    at += batch.rows;
  }
  if (nulls && std::ranges::find(out.present, 0) == out.present.end()) out.present.clear();
  return {};
}

// From the cells of a frame to what the wire has of them: rows [at, at + batch.rows) of `out`.
Status Encoder::Impl::to_wire(const Batch& batch, std::size_t column, std::size_t at, bool& nulls, Cells& out) {
  const Schema& schema = frame->schemas[batch.schema];
  const ColumnSchema& declared = schema.columns[column];
  const auto values = std::span(out.own).subspan(at, batch.rows);
  const auto fail = [&](const std::string& what) { return invalid(schema.source + "." + declared.name + ": " + what); };
  const auto is_null = [&](std::size_t i) { return nulls && out.present[at + i] == 0; };
  switch (declared.type) {
    case ColumnType::kInt:
      break;
    case ColumnType::kTime:
      if (declared.kind == ColumnKind::kKey) break;
      for (std::int64_t& value : values) value = wrapping_difference(value, frame->sent_us);
      break;
    case ColumnType::kBool:
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!is_null(i) && values[i] != 0 && values[i] != 1) return fail("bool of value " + std::to_string(values[i]));
      }
      break;
    case ColumnType::kString:
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (is_null(i)) continue;
        if (values[i] < 0 || static_cast<std::size_t>(values[i]) >= frame->strings.size())
          return fail("string " + std::to_string(values[i]) + " of " + std::to_string(frame->strings.size()));
        values[i] = cell_reference(static_cast<std::size_t>(values[i]), declared.kind);
      }
      break;
    case ColumnType::kDouble:
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (!is_null(i) && !std::isfinite(std::bit_cast<double>(values[i]))) {
          if (!nulls) out.present.assign(out.own.size(), 1);
          nulls = true;
          out.present[at + i] = 0;
        }
        values[i] = turned(values[i]);
      }
      break;
  }
  return {};
}

// Fills `slots` by the keys in `block`, adding those that the table does not have; false if the keys cannot be in the dictionary.
bool Encoder::Impl::find_slots(const Run& run, const std::vector<std::size_t>& keys, KeyTable*& table) {
  DictionaryEntries& entries = dictionary->entries;
  for (const std::size_t key : keys) {
    if (!block[key].present.empty()) return false;
  }
  // As if every key were new; half of the bytes stay for the strings that the keys and the rest of the frame bring.
  if (entries.entries() + run.rows > kDictionaryEntriesMax || entries.bytes() + 8 * run.rows * keys.size() > kDictionaryBytesMax / 2) {
    dictionary->is_full = true;
    return false;
  }
  const Batch& batch = frame->batches[run.first];
  const std::uint32_t target = target_ids[batch.target];
  const std::uint32_t schema = schema_ids[batch.schema];
  const std::int64_t database = dictionary_string(batch.database);
  table = entries.find_table(target, schema, database);
  if (table == nullptr) {
    table = &entries.tables.emplace_back(KeyTable{target, schema, database, 0, std::vector<std::vector<std::int64_t>>(keys.size())});
    dictionary->indexes.emplace_back();
  }
  auto& index = dictionary->indexes[static_cast<std::size_t>(table - entries.tables.data())];
  if (index.buckets.size() < 2 * (table->rows + run.rows)) {
    index.buckets.assign(std::bit_ceil(4 * (table->rows + run.rows)), 0);
    for (std::uint32_t slot = 0; slot < table->rows; ++slot) {
      std::size_t at = index.hashes[slot] & (index.buckets.size() - 1);
      while (index.buckets[at] != 0) at = (at + 1) & (index.buckets.size() - 1);
      index.buckets[at] = slot + 1;
    }
  }
  const std::size_t mask = index.buckets.size() - 1;
  const auto is_key = [&](std::uint32_t slot, std::size_t row) {
    for (std::size_t k = 0; k < keys.size(); ++k) {
      if (table->columns[k][slot] != block[keys[k]].values[row]) return false;
    }
    return true;
  };
  slots.resize(run.rows);
  added_rows.clear();
  std::uint32_t expected = 0;  // rows mostly come in the order of their slots, with holes
  for (std::size_t row = 0; row < run.rows; ++row) {
    if (expected < table->rows && is_key(expected, row)) {
      slots[row] = expected++;
      continue;
    }
    std::uint64_t hash = 0;
    for (const std::size_t key : keys) hash = mix(hash, block[key].values[row]);
    std::size_t at = hash & mask;
    while (index.buckets[at] != 0 && !is_key(index.buckets[at] - 1, row)) at = (at + 1) & mask;
    if (index.buckets[at] == 0) {
      index.buckets[at] = static_cast<std::uint32_t>(++table->rows);
      index.hashes.push_back(hash);
      for (std::size_t k = 0; k < keys.size(); ++k) table->columns[k].push_back(block[keys[k]].values[row]);
      added_rows.push_back(static_cast<std::uint32_t>(row));
    }
    slots[row] = index.buckets[at] - 1;
    expected = slots[row] + 1;
  }
  entries.key_rows += added_rows.size();
  entries.key_cells += added_rows.size() * keys.size();
  return true;
}

// Fills `order` so that the rows of each batch come by slot, where no two have the same; slots follow. False: all stay where they are.
bool Encoder::Impl::sort_by_slot(const Run& run, std::size_t table_rows) {
  constexpr std::uint32_t kNone = UINT32_MAX;
  order.resize(run.rows);
  bool moved = false;
  std::size_t at = 0;
  for (std::size_t b = run.first; b < run.last; ++b) {
    const std::size_t rows = frame->batches[b].rows;
    std::uint32_t* const first = slots.data() + at;
    std::uint32_t* const to = order.data() + at;
    for (std::uint32_t i = 0; i < rows; ++i) to[i] = i;
    at += rows;
    if (std::adjacent_find(first, first + rows, std::greater_equal<>()) == first + rows) continue;  // ascending as they are
    row_of_slot.assign(table_rows, kNone);
    bool twice = false;
    for (std::uint32_t i = 0; i < rows && !twice; ++i) {
      twice = row_of_slot[first[i]] != kNone;
      row_of_slot[first[i]] = i;
    }
    if (twice) continue;
    std::size_t next = 0;
    for (std::uint32_t slot = 0; slot < table_rows; ++slot) {
      if (row_of_slot[slot] == kNone) continue;
      to[next] = row_of_slot[slot];
      first[next++] = slot;
    }
    moved = true;
  }
  return moved;
}

void Encoder::Impl::write_slots(std::span<const std::uint32_t> of_batch, std::size_t table_rows) {
  const bool ascending = std::adjacent_find(of_batch.begin(), of_batch.end(), std::greater_equal<>()) == of_batch.end();
  if (ascending && of_batch.size() == table_rows) {
    body.fixed(static_cast<std::uint8_t>(SlotForm::kAll));
    return;
  }
  Cells cells;
  cells.own.assign(of_batch.begin(), of_batch.end());
  cells.values = cells.own;
  if (!ascending || choose_encoding(cells.values, true).bytes < bitmap_bytes(table_rows)) {
    body.fixed(static_cast<std::uint8_t>(SlotForm::kColumn));
    write_column(cells, nullptr, 0, {});
    return;
  }
  body.fixed(static_cast<std::uint8_t>(SlotForm::kBitmap));
  std::vector<std::uint8_t> bits(table_rows, 0);
  for (const std::uint32_t slot : of_batch) bits[slot] = 1;
  write_bitmap(bits, body);
}

// Tries the ids of the dictionary's numbers for the cells; false if they would not be fewer bytes.
bool Encoder::Impl::write_numbers(std::span<const std::int64_t> cells, std::size_t plain_bytes) {
  DictionaryEntries& entries = dictionary->entries;
  if (plain_bytes < cells.size() * kNumberBytesMin) return false;
  // What it would take: an id of about two bytes each, and the numbers that are new.
  auto& ids = dictionary->number_ids;
  std::size_t news = 0;
  difference.resize(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto known = ids.find(cells[i]);
    news += known == ids.end() ? 1 : 0;
    difference[i] = known == ids.end() ? -1 : static_cast<std::int64_t>(known->second);
  }
  if (news * kNumberEntryBytes + 2 * cells.size() - news >= plain_bytes) return false;
  if (entries.entries() + news > kDictionaryEntriesMax) {
    dictionary->is_full = true;
    return false;
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (difference[i] >= 0) continue;
    const auto [id, is_new] = ids.try_emplace(cells[i], static_cast<std::uint32_t>(entries.numbers.size()));
    if (is_new) entries.numbers.push_back(cells[i]);
    difference[i] = id->second;
  }
  const Choice choice = choose_encoding(difference, true);
  body.fixed(static_cast<std::uint8_t>(static_cast<unsigned>(choice.encoding) | kNumbersBit));
  encode_values(difference, choice, body);
  return true;
}

// Writes one column; `base`: the cells of the column `distance` before it, to be tried as reference.
void Encoder::Impl::write_column(const Cells& cells, const Cells* base, std::uint8_t distance, Trials trials) {
  std::span<const std::int64_t> values = cells.values;
  if (!cells.present.empty()) {
    present_values.clear();
    for (std::size_t row = 0; row < cells.values.size(); ++row) {
      if (cells.present[row] != 0) present_values.push_back(cells.values[row]);
    }
    values = present_values;
  }
  Choice choice = choose_encoding(values, trials.delta);
  unsigned flags = !cells.present.empty() && !values.empty() ? kPresenceBit : 0U;
  if (base != nullptr && choice.bytes > 2) {
    difference.clear();
    for (std::size_t row = 0; row < cells.values.size(); ++row) {
      if (cells.present.empty() || cells.present[row] != 0) difference.push_back(wrapping_difference(cells.values[row], base->values[row]));
    }
    const Choice other = choose_encoding(difference, false);
    if (other.bytes + 1 < choice.bytes) {
      choice = other;
      values = difference;
      flags |= kReferenceBit;
    }
  }
  if (trials.numbers && flags == 0 && choice.encoding != Encoding::kConstant && write_numbers(values, choice.bytes)) return;
  body.fixed(static_cast<std::uint8_t>(static_cast<unsigned>(choice.encoding) | flags));
  if ((flags & kReferenceBit) != 0) body.fixed(distance);
  if ((flags & kPresenceBit) != 0) write_bitmap(cells.present, body);
  encode_values(values, choice, body);
}

void Encoder::Impl::write_keys(const Schema& schema, const std::vector<std::size_t>& keys) {
  body.varint(added_rows.size());
  if (added_rows.empty()) return;
  Cells cells;
  for (const std::size_t key : keys) {
    cells.own.clear();
    for (const std::uint32_t row : added_rows) cells.own.push_back(block[key].values[row]);
    cells.values = cells.own;
    write_column(cells, nullptr, 0, {.numbers = is_number(schema.columns[key])});
  }
}

// For which columns the difference to an earlier one is shorter, by the rows at hand: a count of rows against a count of calls,
// one time against another.
const Encoder::Impl::Dictionary::References& Encoder::Impl::references(std::uint32_t schema_id, const Schema& schema,
                                                                       const std::vector<std::size_t>& columns, std::size_t rows) {
  auto& known = dictionary->references[schema_id];
  if (known.distance.size() != columns.size()) known = {std::vector<std::uint8_t>(columns.size(), 0), 0, false};
  if (!in_stream || rows < kLearnRowsMin || (known.learnt && ++known.frames < kLearnAgainFrames)) return known;
  known.learnt = true;
  known.frames = 0;
  const std::size_t step = std::max<std::size_t>(1, rows / kLearnRowsMax);
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    known.distance[i] = 0;
    if (!is_number(schema.columns[columns[i]])) continue;
    const Cells& cells = block[columns[i]];
    std::size_t best = 0;
    for (std::size_t row = 0; row < rows; row += step) best += weight(cells.values[row]);
    if (best == (rows + step - 1) / step) continue;  // nothing but zeros
    for (const std::size_t j : candidates) {
      if (i - j > UINT8_MAX) continue;
      const Cells& base = block[columns[j]];
      std::size_t bytes = 0;
      for (std::size_t row = 0; row < rows; row += step) {
        const bool is_there = cells.present.empty() || cells.present[row] != 0;
        bytes += is_there ? weight(wrapping_difference(cells.values[row], base.values[row])) : 1;
      }
      if (bytes >= best) continue;
      best = bytes;
      known.distance[i] = static_cast<std::uint8_t>(i - j);
    }
    candidates.push_back(i);
  }
  return known;
}

Status Encoder::Impl::write_block(const Run& run) {
  const Batch& any = frame->batches[run.first];
  const Schema& schema = frame->schemas[any.schema];
  std::vector<std::size_t> keys, columns;
  for (std::size_t i = 0; i < schema.columns.size(); ++i) (schema.columns[i].kind == ColumnKind::kKey ? keys : columns).push_back(i);
  if (block.size() < schema.columns.size()) block.resize(schema.columns.size());
  for (const std::size_t key : keys) PGA_TRY_STATUS(gather(run, key, false, block[key]));
  KeyTable* table = nullptr;
  const bool keyed = !keys.empty() && find_slots(run, keys, table);
  body.fixed(static_cast<std::uint8_t>(keyed ? 1 : 0));
  bool reordered = false;
  if (keyed) {
    write_keys(schema, keys);
    reordered = sort_by_slot(run, table->rows);
    std::size_t at = 0;
    for (std::size_t b = run.first; b < run.last; ++b) {
      const std::size_t rows = frame->batches[b].rows;
      if (rows > 0) write_slots(std::span(slots).subspan(at, rows), table->rows);
      at += rows;
    }
  } else {
    columns.clear();
    for (std::size_t i = 0; i < schema.columns.size(); ++i) columns.push_back(i);
  }
  for (const std::size_t i : columns) {
    if (keyed || schema.columns[i].kind != ColumnKind::kKey) PGA_TRY_STATUS(gather(run, i, reordered, block[i]));
  }
  const auto& learnt = keyed ? references(schema_ids[any.schema], schema, columns, run.rows) : Dictionary::References{};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::uint8_t distance = learnt.distance.empty() ? std::uint8_t{0} : learnt.distance[i];
    const Cells* const base = distance == 0 ? nullptr : &block[columns[i - distance]];
    const ColumnSchema& declared = schema.columns[columns[i]];
    // Increments of one row say nothing of those of the next.
    write_column(block[columns[i]], base, distance,
                 {.delta = declared.kind != ColumnKind::kCounter,
                  .numbers = declared.type == ColumnType::kInt && declared.kind != ColumnKind::kCounter});
  }
  return {};
}

}  // namespace pga::wire
