// A segment goes in, once however often it is asked for.
#include <algorithm>
#include <map>

#include "base/log.h"
#include "base/text.h"
#include "store/segment.h"
#include "store/store_internal.h"

namespace pga::store {
namespace {

// What a segment has for a table, and when that happened.
struct Expected {
  std::map<std::string, std::uint64_t> rows;  // by table
  std::int64_t first_us = INT64_MAX;
  std::int64_t last_us = 0;
};

Expected expect(const std::vector<catalog::Source>& sources, std::uint64_t segment, std::span<const StoredFrame> frames) {
  Expected out;
  SegmentWriter writer(sources, segment);
  const auto count = [&] {
    for (const Block& block : writer.take()) out.rows[block.table] += block.rows;
  };
  for (const StoredFrame& frame : frames) {
    writer.add(frame);
    count();
  }
  writer.finish();
  count();
  constexpr std::int64_t kWindow = std::chrono::microseconds(width(Resolution::kFiveMinutes)).count();
  for (const std::int64_t window : writer.summary().windows_us) {
    out.first_us = std::min(out.first_us, window);
    out.last_us = std::max(out.last_us, window + kWindow);
  }
  return out;
}

}  // namespace

net::Task<Status> Store::Impl::insert_block(std::string token, Block block) {
  const std::string part = block.part == 0 ? "" : "-" + std::to_string(block.part);
  const std::string sql =
      "INSERT INTO " + table(block.table) +
      " SETTINGS async_insert = 0, insert_deduplicate = 1, insert_deduplication_token = " + quote_text(token + block.table + part) +
      " FORMAT Native";
  auto sent = co_await client.insert(sql, std::move(block.data), after(options.insert_timeout));
  if (sent) co_return Status{};
  Error error = std::move(sent).error().with_context("insert into " + block.table);
  // A block is bounded, so memory that lacks now is there later.
  if (error.code == ErrorCode::kTooLarge) error.code = ErrorCode::kUnavailable;
  co_return error;
}

net::Task<Result<std::map<std::string, std::string>>> Store::Impl::settle_earlier(SegmentKey key, std::span<const StoredFrame> frames) {
  const Expected expected = expect(sources, key.segment, frames);
  std::map<std::string, std::string> tokens;  // by table; empty: all is there
  for (const auto& [name, rows] : expected.rows) {
    const bool texts = std::ranges::any_of(sources, [&](const auto& s) { return s.table() == name && s.shape == catalog::Shape::kTexts; });
    int& deleted = deletions[std::to_string(key.segment) + " " + name];
    std::string where = " WHERE segment = " + std::to_string(key.segment);
    if (name != "gaps" && expected.last_us > 0) {
      constexpr std::int64_t kMilli = 1'000;
      where += " AND ts >= fromUnixTimestamp64Milli(" + std::to_string(expected.first_us / kMilli) +
               ", 'UTC') AND ts < fromUnixTimestamp64Milli(" + std::to_string(expected.last_us / kMilli) + ", 'UTC')";
    }
    PGA_CO_TRY(const Rows there, co_await select("SELECT count() FROM " + table(name) + where, {}));
    const std::uint64_t found = texts ? 0 : there.count(0, 0);  // a text that stands there twice becomes one
    if (found == rows) {
      tokens[name] = "";
      continue;
    }
    if (found != 0) {
      log_warning("store", "segment " + std::to_string(key.segment) + " has " + std::to_string(found) + " of its " + std::to_string(rows) +
                               " rows in table " + name + ": they are replaced");
      const std::string sql = "ALTER TABLE " + table(name) + " DELETE" + where + " SETTINGS mutations_sync = 1";
      ++deleted;  // also if its end stays unknown
      PGA_CO_TRY_STATUS(co_await client.execute(sql, {}, after(options.insert_timeout)));
    }
    tokens[name] = segment_token(key);
    if (deleted > 0) tokens[name] += std::to_string(started_us) + "-" + std::to_string(deleted) + "-";
  }
  co_return tokens;
}

net::Task<Result<InsertSummary>> Store::insert(SegmentKey key, std::span<const StoredFrame> frames, Earlier earlier) {
  const std::string run = impl_->engine_run();
  const auto begun = impl_->begun.emplace(key.segment, run).first;
  if (begun->second != run) earlier = Earlier::kPerhaps;
  std::map<std::string, std::string> tokens;
  if (earlier == Earlier::kPerhaps) {
    PGA_CO_TRY(tokens, co_await impl_->settle_earlier(key, frames));
  }
  SegmentWriter writer(impl_->sources, key.segment);
  const auto send = [&]() -> net::Task<Status> {
    for (Block& block : writer.take()) {
      const auto settled = tokens.find(block.table);
      if (settled != tokens.end() && settled->second.empty()) continue;
      std::string token = settled == tokens.end() ? impl_->segment_token(key) : settled->second;
      PGA_CO_TRY_STATUS(co_await impl_->insert_block(std::move(token), std::move(block)));
    }
    co_return Status{};
  };
  for (const StoredFrame& frame : frames) {
    writer.add(frame);
    PGA_CO_TRY_STATUS(co_await send());
  }
  writer.finish();
  PGA_CO_TRY_STATUS(co_await send());
  impl_->begun.erase(key.segment);
  co_return writer.summary();
}

}  // namespace pga::store
