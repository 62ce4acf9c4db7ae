// What simulated collectors send.
#pragma once

#include <deque>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "base/result.h"
#include "catalog/catalog.h"
#include "collect/outbox.h"

namespace pga::load {

// What one or more pushes have.
struct Amount {
  std::uint64_t rows = 0;
  std::uint64_t samples = 0;

  Amount& operator+=(const Amount& other) {
    rows += other.rows;
    samples += other.samples;
    return *this;
  }
};

// What other stores would call samples: numbers that are no part of a key.
bool is_sample(const wire::ColumnSchema& column);

// The readings of one collector.
class Workload {
 public:
  virtual ~Workload() = default;
  // Adds the readings of one push to the outbox.
  virtual Amount read(collect::Outbox& outbox, WallTime now) = 0;
  // Between two pushes of what this is a picture of.
  [[nodiscard]] virtual std::chrono::microseconds interval() const = 0;
};

// W0: 50 metrics of 9 names in rotation, with labels, whose values are random doubles in [0, 100) that nothing can shrink.
class Metrics final : public Workload {
 public:
  static constexpr std::size_t kRows = 50;
  static constexpr const char* kSource = "load.metrics";  // bench/load/load_metrics.yaml
  static Result<std::unique_ptr<Workload>> make(const catalog::Catalog& catalog, std::size_t number);
  Metrics(const catalog::Source& source, std::size_t number);
  Amount read(collect::Outbox& outbox, WallTime now) override;
  [[nodiscard]] std::chrono::microseconds interval() const override { return std::chrono::minutes(1); }

 private:
  const catalog::Source& source_;
  const std::string name_;
  const std::string instance_;
  std::mt19937_64 random_;
};

// W1: what PostgreSQL really sends. A recording of its statistics as frames have it, each collector from a place of its own and over again.
class Replay {
 public:
  // The CSV files, and the declarations that they follow (which the server needs, too).
  static Result<std::shared_ptr<const Replay>> read(const std::filesystem::path& recording, const std::filesystem::path& declarations);
  struct Push {
    std::int64_t at_us = 0;
    wire::StringTable strings;
    std::vector<std::pair<const catalog::Source*, wire::Batch>> batches;
    Amount amount;
  };
  std::vector<Push> pushes;  // without the first snapshot, which counters are measured against
  std::chrono::microseconds interval{0};
  // Which of `pushes` is the n-th of a collector: each begins elsewhere.
  [[nodiscard]] std::size_t place(std::size_t collector, std::uint64_t n) const { return (collector * 7 + n) % pushes.size(); }

 private:
  std::deque<catalog::Source> sources_;
};

class Recorded final : public Workload {
 public:
  Recorded(std::shared_ptr<const Replay> replay, std::size_t number);
  Amount read(collect::Outbox& outbox, WallTime now) override;
  [[nodiscard]] std::chrono::microseconds interval() const override { return replay_->interval; }

 private:
  const std::shared_ptr<const Replay> replay_;
  const wire::Target target_;
  const std::size_t number_;
  std::uint64_t made_ = 0;
};

}  // namespace pga::load
