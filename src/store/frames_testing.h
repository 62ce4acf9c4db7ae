// For tests: frames written by column name.
#pragma once

#include <algorithm>
#include <bit>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"
#include "catalog/catalog.h"
#include "store/frames.h"

namespace pga::store::testing {

using TestCell = std::variant<std::monostate, std::int64_t, double, bool, std::string>;
using TestRow = std::vector<std::pair<std::string, TestCell>>;

inline TestCell num(std::int64_t value) { return value; }
inline TestCell txt(std::string value) { return value; }

class FrameBuilder {
 public:
  explicit FrameBuilder(std::uint32_t server = 7, std::uint32_t collector = 3) {
    stored_.tenant = 1;
    stored_.collector = collector;
    stored_.collector_uuid = "00000000-0000-0000-0000-000000000003";
    stored_.servers = {server};
    stored_.frame.epoch = 9;
    stored_.frame.sequence = 1;
    stored_.frame.targets = {{"postgres", "shop", "7412345678901234567", "18.4"}};
  }

  wire::Batch& batch(const wire::Schema& schema, std::int64_t started_us, std::int64_t interval_us,
                     wire::Outcome outcome = wire::Outcome::kComplete) {
    auto& schemas = stored_.frame.schemas;
    auto at = std::find(schemas.begin(), schemas.end(), schema);
    if (at == schemas.end()) at = schemas.insert(schemas.end(), schema);
    wire::Batch batch;
    batch.schema = static_cast<std::uint32_t>(at - schemas.begin());
    batch.started_us = started_us;
    batch.interval_us = interval_us;
    batch.outcome = outcome;
    stored_.frame.batches.push_back(std::move(batch));
    stored_.received_us = std::max(stored_.received_us, started_us);
    return stored_.frame.batches.back();
  }

  // Appends a row to the newest batch; columns that are not named are null.
  void row(const TestRow& cells) {
    wire::Batch& batch = stored_.frame.batches.back();
    const wire::Schema& schema = stored_.frame.schemas[batch.schema];
    batch.columns.resize(schema.columns.size());
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      const auto at = std::find_if(cells.begin(), cells.end(), [&](const auto& cell) { return cell.first == schema.columns[i].name; });
      const bool null = at == cells.end() || std::holds_alternative<std::monostate>(at->second);
      batch.columns[i].present.push_back(null ? 0 : 1);
      batch.columns[i].values.push_back(null ? 0 : value(at->second));
    }
    for (const auto& cell : cells) {
      PGA_CHECK(std::any_of(schema.columns.begin(), schema.columns.end(), [&](const auto& column) { return column.name == cell.first; }));
    }
    ++batch.rows;
    ++batch.rows_seen;
  }

  StoredFrame& frame() { return stored_; }
  [[nodiscard]] std::vector<StoredFrame> take() { return {std::move(stored_)}; }

 private:
  std::int64_t value(const TestCell& cell) {
    if (const auto* number = std::get_if<std::int64_t>(&cell)) return *number;
    if (const auto* number = std::get_if<double>(&cell)) return std::bit_cast<std::int64_t>(*number);
    if (const auto* flag = std::get_if<bool>(&cell)) return *flag ? 1 : 0;
    return stored_.frame.strings.intern(std::get<std::string>(cell));
  }

  StoredFrame stored_;
};

inline catalog::Column column(std::string name, wire::ColumnKind kind, wire::ColumnType type, bool nullable, std::string unit = {}) {
  catalog::Column c;
  c.name = std::move(name);
  c.kind = kind;
  c.wire_type = type;
  c.nullable = nullable;
  c.unit = std::move(unit);
  return c;
}

// A small source with one column of each kind.
inline catalog::Source small_source() {
  using Kind = wire::ColumnKind;
  using Type = wire::ColumnType;
  catalog::Source source;
  source.name = "test.things";
  source.file = "things.yaml";
  source.interval = std::chrono::seconds{60};
  source.columns = {column("name", Kind::kKey, Type::kString, false),          column("id", Kind::kKey, Type::kInt, false),
                    column("hits", Kind::kCounter, Type::kInt, false, "hits"), column("size", Kind::kGauge, Type::kInt, true, "bytes"),
                    column("ratio", Kind::kGauge, Type::kDouble, true),        column("open", Kind::kGauge, Type::kBool, true),
                    column("since", Kind::kTime, Type::kTime, true),           column("note", Kind::kText, Type::kString, true),
                    column("state", Kind::kGauge, Type::kString, true)};
  return source;
}

}  // namespace pga::store::testing
