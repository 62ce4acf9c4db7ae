#include "workload.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>

#include "collect/increments.h"
#include "recording.h"

namespace pga::load {
namespace {

constexpr std::array kNames = {"cpu_usage_percent", "memory_usage_percent", "disk_usage_percent",
                               "connection_count",  "queries_per_second",   "transactions_per_second",
                               "cache_hit_ratio",   "index_scan_count",     "sequential_scan_count"};

std::uint64_t samples_of(const catalog::Source& source, const wire::Batch& batch) {
  const auto& columns = source.schema().columns;
  std::uint64_t samples = 0;
  for (std::size_t c = 0; c < batch.columns.size(); ++c) {
    if (!is_sample(columns[c])) continue;
    const wire::Column& column = batch.columns[c];
    samples += column.present.empty() ? column.values.size() : static_cast<std::uint64_t>(std::ranges::count(column.present, 1));
  }
  return samples;
}

}  // namespace

bool is_sample(const wire::ColumnSchema& column) {
  return column.kind != wire::ColumnKind::kKey && column.type != wire::ColumnType::kString;
}

Result<std::unique_ptr<Workload>> Metrics::make(const catalog::Catalog& catalog, std::size_t number) {
  const catalog::Source* source = catalog.find(kSource);
  if (source == nullptr) return invalid(std::string("source ") + kSource + " is not declared: name its directory with --sources-dir");
  std::string columns;
  for (const wire::ColumnSchema& column : source->schema().columns) columns += column.name + " ";
  if (columns != "metric instance job value ") return invalid(std::string("source ") + kSource + " has other columns: " + columns);
  return std::make_unique<Metrics>(*source, number);
}

Metrics::Metrics(const catalog::Source& source, std::size_t number)
    : source_(source), name_("app " + std::to_string(number)), instance_("app-" + std::to_string(number) + ":9187"), random_(number) {}

Amount Metrics::read(collect::Outbox& outbox, WallTime now) {
  wire::Batch batch = outbox.new_batch();
  batch.started_us = to_micros(now);
  batch.rows = batch.rows_seen = kRows;
  batch.columns.resize(source_.schema().columns.size());
  for (wire::Column& column : batch.columns) {
    column.values.clear();
    column.present.clear();
  }
  std::uniform_real_distribution<double> value(0, 100);
  for (std::size_t i = 0; i < kRows; ++i) {
    batch.columns[0].values.push_back(outbox.strings().intern(kNames[i % kNames.size()]));
    batch.columns[1].values.push_back(outbox.strings().intern(instance_));
    batch.columns[2].values.push_back(outbox.strings().intern("postgres"));
    batch.columns[3].values.push_back(std::bit_cast<std::int64_t>(value(random_)));
  }
  outbox.add({"application", name_, "", ""}, source_, std::move(batch));
  return {kRows, kRows};
}

Result<std::shared_ptr<const Replay>> Replay::read(const std::filesystem::path& recording, const std::filesystem::path& declarations) {
  PGA_TRY(Recording recorded, read_recording(recording, declarations, 1));
  if (recorded.snapshots.size() < 2) return invalid(recording.string() + " has fewer than two snapshots");
  auto replay = std::make_shared<Replay>();
  replay->sources_ = std::move(recorded.sources);  // a deque: what points into it stays right
  std::map<const catalog::Source*, collect::Increments> increments;
  for (const catalog::Source& source : replay->sources_) increments.emplace(&source, source);
  for (std::size_t i = 0; i < recorded.snapshots.size(); ++i) {
    Snapshot& snapshot = recorded.snapshots[i];
    Push push;
    push.at_us = snapshot.at_us;
    for (auto& [source, reading] : snapshot.readings) {
      wire::Batch batch;
      batch.started_us = reading.started_us;
      batch.duration_us = reading.duration_us;
      increments.at(source).apply(reading, push.strings, batch);
      push.amount += {batch.rows, samples_of(*source, batch)};
      push.batches.emplace_back(source, std::move(batch));
    }
    if (i > 0) replay->pushes.push_back(std::move(push));
  }
  replay->interval = std::chrono::microseconds((recorded.snapshots.back().at_us - recorded.snapshots.front().at_us) /
                                               static_cast<std::int64_t>(recorded.snapshots.size() - 1));
  return replay;
}

Recorded::Recorded(std::shared_ptr<const Replay> replay, std::size_t number)
    : replay_(std::move(replay)),
      target_{"postgres", "pg " + std::to_string(number), std::to_string(7'561'234'567'890'000'000 + number), "15.18"},
      number_(number) {}

Amount Recorded::read(collect::Outbox& outbox, WallTime now) {
  const Replay::Push& push = replay_->pushes[replay_->place(number_, made_++)];
  for (const auto& [source, recorded] : push.batches) {
    wire::Batch batch = recorded;
    batch.started_us = to_micros(now) + recorded.started_us - push.at_us;
    const auto& columns = source->schema().columns;
    for (std::size_t c = 0; c < batch.columns.size(); ++c) {
      if (columns[c].type != wire::ColumnType::kString) continue;
      for (std::int64_t& id : batch.columns[c].values) id = outbox.strings().intern(push.strings.at(static_cast<std::size_t>(id)));
    }
    outbox.add(target_, *source, std::move(batch));
  }
  return push.amount;
}

}  // namespace pga::load
