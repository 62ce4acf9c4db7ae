// A recording of PostgreSQL's statistics views as snapshots, in two shapes: the whole reading, and
// what the collector's readers would have answered.
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "collect/cells.h"

namespace pga::load {

enum class CellType : std::uint8_t { kInt, kDouble, kText, kBool, kTime };

// One view as its CSV has it, typed by column: numbers in `integers` (kTime: microseconds since 1970), floats in `doubles`.
struct ViewColumn {
  std::string name;
  CellType type = CellType::kText;
  bool is_key = false;
  std::vector<std::int64_t> integers;
  std::vector<double> doubles;
  std::vector<std::string_view> texts;  // as in the CSV, of every type
  std::vector<std::uint8_t> present;
};
struct View {
  std::string name;
  std::size_t rows = 0;
  std::vector<ViewColumn> columns;
};

struct Snapshot {
  std::int64_t at_us = 0;
  std::vector<View> views;                                                    // activity: all samples of the push
  std::vector<std::pair<const catalog::Source*, collect::Reading>> readings;  // by declaration; activity once per sample
  std::size_t samples = 0;                                                    // cells that are neither null nor key
};

struct Recording {
  std::deque<std::string> files;  // the texts that everything points into
  std::deque<catalog::Source> sources;
  std::vector<Snapshot> snapshots;
};

// Reads `directory` (CSV files, zstd); `declarations` has one YAML file for each. Every `step`-th snapshot is kept.
Result<Recording> read_recording(const std::filesystem::path& directory, const std::filesystem::path& declarations, std::size_t step);

// Seconds between the first two snapshots of a recording.
Result<double> recording_interval(const std::filesystem::path& directory);

}  // namespace pga::load
