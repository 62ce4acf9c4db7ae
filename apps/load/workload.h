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

// The readings of one collector.
class Workload {
 public:
  virtual ~Workload() = default;
  // Adds the readings of one push to the outbox. Returns the number of rows.
  virtual std::size_t read(collect::Outbox& outbox, WallTime now) = 0;
};

// W0: 50 metrics of 9 names in rotation, with labels, whose values are random doubles in [0, 100) that nothing can shrink.
class Metrics final : public Workload {
 public:
  static constexpr std::size_t kRows = 50;
  static constexpr const char* kSource = "load.metrics";  // bench/load/load_metrics.yaml
  static Result<std::unique_ptr<Workload>> make(const catalog::Catalog& catalog, std::size_t number);
  Metrics(const catalog::Source& source, std::size_t number);
  std::size_t read(collect::Outbox& outbox, WallTime now) override;

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
  };
  std::vector<Push> pushes;  // without the first snapshot, which counters are measured against

 private:
  std::deque<catalog::Source> sources_;
};

class Recorded final : public Workload {
 public:
  Recorded(std::shared_ptr<const Replay> replay, std::size_t number);
  std::size_t read(collect::Outbox& outbox, WallTime now) override;

 private:
  const std::shared_ptr<const Replay> replay_;
  const wire::Target target_;
  std::size_t next_;
};

}  // namespace pga::load
