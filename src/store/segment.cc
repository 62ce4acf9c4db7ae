#include "store/segment.h"

#include <algorithm>

#include "base/check.h"
#include "store/limits.h"
#include "store/sql.h"

namespace pga::store {
namespace {

using wire::ColumnKind;
using wire::ColumnType;

constexpr std::int64_t kMilli = 1'000;  // of the microseconds that ts does not keep

std::int64_t floor_to(std::int64_t value, std::int64_t step) { return value - ((value % step) + step) % step; }

// Which column of the batch fills a declared one; -1: the frame does not have it.
std::vector<int> map_columns(const wire::Schema& declared, const wire::Schema& sent, std::size_t& unknown) {
  std::vector<int> map(declared.columns.size(), -1);
  unknown = 0;
  for (std::size_t i = 0; i < sent.columns.size(); ++i) {
    const auto at = std::find_if(declared.columns.begin(), declared.columns.end(), [&](const wire::ColumnSchema& c) {
      return c.name == sent.columns[i].name && c.type == sent.columns[i].type;
    });
    if (at == declared.columns.end()) {
      ++unknown;
    } else {
      map[static_cast<std::size_t>(at - declared.columns.begin())] = static_cast<int>(i);
    }
  }
  return map;
}

std::size_t text_bytes(const wire::Frame& frame, const wire::Batch& batch, const wire::Schema& schema) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    if (schema.columns[i].type != ColumnType::kString || schema.columns[i].kind != ColumnKind::kText) continue;
    for (const std::int64_t id : batch.columns[i].values) bytes += frame.strings.at(static_cast<std::size_t>(id)).size();
  }
  return bytes;
}

// Appends rows [first, last) of one column; a null in a column that cannot be null becomes 0 or "".
void append(ColumnData& out, const wire::Frame& frame, const wire::Column* column, ColumnType type, bool nullable, std::size_t first,
            std::size_t last) {
  for (std::size_t row = first; row < last; ++row) {
    const bool null = column == nullptr || column->is_null(row);
    const std::int64_t value = null ? 0 : column->values[row];
    if (type == ColumnType::kString) {
      out.text(null ? std::string_view() : frame.strings.at(static_cast<std::size_t>(value)), null && nullable);
    } else {
      out.integer(type == ColumnType::kBool ? static_cast<std::int64_t>(value != 0) : value, null && nullable);
    }
  }
}

}  // namespace

std::size_t SegmentWriter::Table::bytes() const {
  std::size_t bytes = 0;
  for (const ColumnData& column : columns) bytes += column.bytes();
  return bytes;
}

SegmentWriter::SegmentWriter(const std::vector<catalog::Source>& sources, std::uint64_t segment) : sources_(sources), segment_(segment) {}

SegmentWriter::Table& SegmentWriter::table(const TableDef& definition) {
  const bool header = definition.name == "batches" || definition.name == "gaps";
  Table& table = (header ? headers_ : tables_)[definition.name];
  if (table.columns.empty()) {
    for (const TableDefColumn& c : definition.columns) table.columns.emplace_back(c.name, c.type);
  }
  return table;
}

void SegmentWriter::cut(const std::string& name, Table& table, std::vector<Block>& into) {
  if (table.rows() == 0) return;
  into.push_back({name, table.parts++, table.rows(), write_block(table.columns)});
  for (ColumnData& column : table.columns) column.clear();
}

std::int64_t SegmentWriter::mend_clock(std::int64_t started_us, std::int64_t received_us) {
  constexpr std::int64_t kBehind = std::chrono::microseconds(kClockBehindMax).count(),
                         kAhead = std::chrono::microseconds(kClockAheadMax).count();
  if (started_us >= received_us - kBehind && started_us <= received_us + kAhead) return started_us;
  ++summary_.clocks_mended;
  return received_us;
}

std::size_t SegmentWriter::add_rows(const StoredFrame& frame, const wire::Batch& batch, std::int64_t ts_us) {
  const wire::Schema& sent = frame.frame.schemas[batch.schema];
  const auto source = std::find_if(sources_.begin(), sources_.end(), [&](const catalog::Source& s) { return s.name == sent.source; });
  if (source == sources_.end() || text_bytes(frame.frame, batch, sent) > kBatchTextBytesMax) return batch.rows;

  const wire::Schema declared = source->schema();
  std::size_t unknown = 0;
  const std::vector<int> map = map_columns(declared, sent, unknown);
  summary_.cells_ignored += unknown * batch.rows;

  const TableDef definition = raw_table(*source);
  Table& into = table(definition);
  const std::size_t own = into.columns.size() - declared.columns.size();
  PGA_CHECK(own == 5);  // tenant, server, ts, interval_us, segment
  for (std::size_t first = 0; first < batch.rows; first += kSliceRows) {
    const std::size_t last = std::min(first + kSliceRows, batch.rows);
    for (std::size_t row = first; row < last; ++row) {
      into.columns[0].integer(frame.tenant);
      into.columns[1].integer(frame.servers[batch.target]);
      into.columns[2].integer(ts_us / kMilli);
      into.columns[3].integer(batch.interval_us);
      into.columns[4].integer(static_cast<std::int64_t>(segment_));
    }
    for (std::size_t i = 0; i < declared.columns.size(); ++i) {
      const bool nullable = i < source->columns.size() && source->columns[i].nullable;
      const wire::Column* column = map[i] < 0 ? nullptr : &batch.columns[static_cast<std::size_t>(map[i])];
      append(into.columns[own + i], frame.frame, column, declared.columns[i].type, nullable, first, last);
    }
    if (into.rows() >= kBlockRowsMax || into.bytes() >= kBlockBytesMax) cut(definition.name, into, full_);
  }
  summary_.rows += batch.rows;
  return 0;
}

void SegmentWriter::add_header(const StoredFrame& frame, const wire::Batch& batch, std::int64_t ts_us, std::size_t refused) {
  static const TableDef definition = batches_table();
  Table& into = table(definition);
  std::size_t i = 0;
  const auto number = [&](auto value) { into.columns[i++].integer(static_cast<std::int64_t>(value)); };
  const auto text = [&](std::string_view value) { into.columns[i++].text(value); };
  number(frame.tenant);
  number(frame.servers[batch.target]);
  number(ts_us / kMilli);
  number(batch.interval_us);
  number(segment_);
  text(frame.frame.schemas[batch.schema].source);
  text(batch.database);
  number(frame.collector);
  number(frame.frame.epoch);
  number(frame.frame.sequence);
  number(frame.received_us);
  number(static_cast<std::uint8_t>(batch.outcome));
  number(batch.duration_us);
  number(batch.rows_seen);
  number(batch.rows);
  number(refused);
  text(batch.sqlstate);
  text(batch.detail);
  text(join(batch.missing, "\n", [](const std::string& name) { return name; }));
  PGA_CHECK(i == into.columns.size());
  if (into.rows() >= kBlockRowsMax || into.bytes() >= kBlockBytesMax) cut(definition.name, into, full_headers_);
}

void SegmentWriter::add_gap(const StoredFrame& frame, const wire::Gap& gap) {
  static const TableDef definition = gaps_table();
  Table& into = table(definition);
  const std::int64_t numbers[] = {frame.tenant,
                                  frame.collector,
                                  frame.received_us / kMilli,
                                  static_cast<std::int64_t>(segment_),
                                  static_cast<std::int64_t>(frame.frame.epoch),
                                  static_cast<std::int64_t>(gap.first_sequence),
                                  static_cast<std::int64_t>(gap.last_sequence),
                                  gap.from_us,
                                  gap.to_us,
                                  static_cast<std::int64_t>(gap.bytes)};
  std::size_t i = 0;
  for (const std::int64_t value : numbers) into.columns[i++].integer(value);
  into.columns[i++].text(gap.reason);
  PGA_CHECK(i == into.columns.size());
}

void SegmentWriter::add(const StoredFrame& frame) {
  PGA_CHECK(frame.servers.size() == frame.frame.targets.size());
  for (const wire::Batch& batch : frame.frame.batches) {
    const std::int64_t ts_us = mend_clock(batch.started_us, frame.received_us);
    const std::size_t refused = batch.rows == 0 ? 0 : add_rows(frame, batch, ts_us);
    add_header(frame, batch, ts_us, refused);
    ++summary_.batches;
    summary_.rows_refused += refused;
    windows_us_.insert(floor_to(ts_us, std::chrono::microseconds(width(Resolution::kFiveMinutes)).count()));
  }
  for (const wire::Gap& gap : frame.frame.gaps) add_gap(frame, gap);
}

std::vector<Block> SegmentWriter::take() { return std::exchange(full_, {}); }

void SegmentWriter::finish() {
  for (auto& [name, table] : tables_) cut(name, table, full_);
  full_.insert(full_.end(), std::make_move_iterator(full_headers_.begin()), std::make_move_iterator(full_headers_.end()));
  full_headers_.clear();
  for (auto& [name, table] : headers_) cut(name, table, full_);
}

InsertSummary SegmentWriter::summary() const {
  InsertSummary summary = summary_;
  summary.windows_us.assign(windows_us_.begin(), windows_us_.end());
  return summary;
}

}  // namespace pga::store
