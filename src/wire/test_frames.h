// Frames for tests, benches and fuzz seeds.
#pragma once

#include <bit>
#include <random>

#include "wire/frame.h"

namespace pga::wire {

// The frame of docs/wire.md and testdata/example.hex.
inline Frame example_frame() {
  Frame frame;
  frame.epoch = 0x0123456789abcdef;
  frame.sequence = 42;
  frame.sent_us = 1'763'927'436'500'000;
  frame.targets = {{"postgres", "shop", "7561234567890123456", "18.4"}};
  frame.schemas = {{"postgres.tables",
                    {{"table", ColumnKind::kKey, ColumnType::kString},
                     {"rows_inserted", ColumnKind::kCounter, ColumnType::kInt},
                     {"last_vacuum", ColumnKind::kTime, ColumnType::kTime}}}};
  Batch batch;
  batch.started_us = frame.sent_us - 120'000;
  batch.interval_us = 10'000'000;
  batch.duration_us = 3'500;
  batch.rows_seen = 120;
  batch.outcome = Outcome::kLock;
  batch.database = "shop";
  batch.sqlstate = "55P03";
  batch.detail = "canceling statement due to lock timeout";
  batch.missing = {"rows_newpage_updated"};
  batch.rows = 4;
  const auto id = [&](std::string_view text) { return static_cast<std::int64_t>(frame.strings.intern(text)); };
  batch.columns = {{{id("orders"), id("order_items"), id("customers"), id("stück")}, {}},
                   {{1500, 0, 0, 70'000}, {}},
                   {{frame.sent_us - 60'000'000, 0, frame.sent_us - 59'000'000, 0}, {1, 0, 1, 0}}};
  frame.batches = {batch};
  frame.gaps = {{40, 41, frame.sent_us - 900'000'000, frame.sent_us - 880'000'000, 26'400, "spool full"}};
  return frame;
}

// Any consistent frame; small and ugly values are likely.
inline Frame random_frame(std::mt19937_64& random) {
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const auto any = [&]() -> std::int64_t {
    switch (below(6)) {
      case 0:
        return 0;
      case 1:
        return static_cast<std::int64_t>(below(100));
      case 2:
        return -static_cast<std::int64_t>(below(100));
      case 3:
        return static_cast<std::int64_t>((std::uint64_t{1} << below(64)) - 1);
      case 4:
        return static_cast<std::int64_t>(std::uint64_t{1} << below(64));
      default:
        return static_cast<std::int64_t>(random());
    }
  };
  const auto text = [&] {
    static const std::string kWords[] = {"",
                                         "a",
                                         "orders",
                                         "\"quoted\"",
                                         "new\nline\ttab",
                                         "stück",
                                         "表",
                                         "back\\slash",
                                         std::string("\x01\x1f", 2),
                                         "\xF0\x9F\x98\x80",
                                         "/slash"};
    std::string out = kWords[below(std::size(kWords))];
    if (below(3) == 0) out += std::to_string(below(50));
    return out;
  };
  Frame frame;
  frame.epoch = random();
  frame.sequence = random() >> below(64);
  frame.sent_us = any();
  for (std::uint64_t i = below(4); i-- > 0;) frame.targets.push_back({text(), text(), text(), text()});
  for (std::uint64_t i = below(5); i-- > 0;) {
    Schema schema{"source" + text(), {}};
    for (std::uint64_t c = below(8); c-- > 0;) {
      schema.columns.push_back({"c" + std::to_string(c) + text(), static_cast<ColumnKind>(below(5)), static_cast<ColumnType>(below(5))});
    }
    frame.schemas.push_back(std::move(schema));
  }
  for (std::uint64_t i = frame.targets.empty() || frame.schemas.empty() ? 0 : below(6); i-- > 0;) {
    Batch batch;
    batch.target = static_cast<std::uint32_t>(below(frame.targets.size()));
    batch.schema = static_cast<std::uint32_t>(below(frame.schemas.size()));
    batch.started_us = any();
    batch.interval_us = any();
    batch.duration_us = static_cast<std::uint64_t>(any());
    batch.rows_seen = static_cast<std::uint64_t>(any());
    batch.outcome = static_cast<Outcome>(below(8));
    batch.database = text();
    batch.sqlstate = text();
    batch.detail = text();
    for (std::uint64_t m = below(3); m-- > 0;) batch.missing.push_back(text());
    const Schema& schema = frame.schemas[batch.schema];
    batch.rows = schema.columns.empty() ? 0 : below(3) == 0 ? 0 : below(40);
    for (const ColumnSchema& declared : schema.columns) {
      if (batch.rows == 0) break;
      Column column;
      column.values.resize(batch.rows);
      if (below(2) == 0) column.present.resize(batch.rows, 1);
      const std::uint64_t style = below(5);
      std::int64_t walk = any();
      for (std::size_t row = 0; row < batch.rows; ++row) {
        std::int64_t& value = column.values[row];
        value = style == 0   ? walk
                : style == 1 ? (below(8) == 0 ? any() : 0)
                : style == 2 ? walk = static_cast<std::int64_t>(static_cast<std::uint64_t>(walk) + below(9))
                             : any();
        if (declared.type == ColumnType::kBool) value &= 1;
        if (declared.type == ColumnType::kString) value = frame.strings.intern(text());
        if (declared.type == ColumnType::kDouble) {
          const double d = style < 3 ? static_cast<double>(value) / 8 : std::bit_cast<double>(random());
          value = std::bit_cast<std::int64_t>(d - d == 0 ? d : -0.0);
        }
        if (!column.present.empty() && (style == 4 || below(3) == 0)) {
          column.present[row] = 0;
          value = 0;
        }
      }
      batch.columns.push_back(std::move(column));
    }
    frame.batches.push_back(std::move(batch));
  }
  for (std::uint64_t i = below(3); i-- > 0;) {
    const std::uint64_t first = 1 + (random() >> (1 + below(62)));
    frame.gaps.push_back({first, first + below(1000), any(), any(), static_cast<std::uint64_t>(any()), text()});
  }
  return frame;
}

}  // namespace pga::wire
