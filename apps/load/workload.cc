#include "workload.h"

#include <array>
#include <bit>

namespace pga::load {
namespace {

constexpr std::array kNames = {"cpu_usage_percent", "memory_usage_percent", "disk_usage_percent",
                               "connection_count",  "queries_per_second",   "transactions_per_second",
                               "cache_hit_ratio",   "index_scan_count",     "sequential_scan_count"};

}  // namespace

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

std::size_t Metrics::read(collect::Outbox& outbox, WallTime now) {
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
  return kRows;
}

}  // namespace pga::load
