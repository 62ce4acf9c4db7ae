#include "samples.h"

#include <bit>
#include <boost/json.hpp>
#include <fstream>
#include <map>

#include "base/files.h"
#include "workload.h"

namespace pga::load {
namespace {

namespace json = boost::json;

struct Series {
  json::array values;
  json::array times_ms;
};

// All series of one collector by their labels.
class SeriesBook {
 public:
  explicit SeriesBook(std::string server) : server_(std::move(server)) {}

  void add(const catalog::Source& source, const wire::Batch& batch, const wire::StringTable& strings, std::int64_t at_ms) {
    const auto& columns = source.schema().columns;
    for (std::size_t row = 0; row < batch.rows; ++row) {
      json::object labels{{"server", server_}};
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (columns[c].kind == wire::ColumnKind::kKey) labels[columns[c].name] = text_of(columns[c], batch.columns[c].values[row], strings);
      }
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (!is_sample(columns[c]) || batch.columns[c].is_null(row)) continue;
        labels["__name__"] = source.name + "." + columns[c].name;
        Series& series = series_[json::serialize(labels)];
        const std::int64_t cell = batch.columns[c].values[row];
        if (columns[c].type == wire::ColumnType::kDouble)
          series.values.emplace_back(std::bit_cast<double>(cell));
        else
          series.values.emplace_back(cell);
        series.times_ms.emplace_back(at_ms);
        ++samples_;
      }
    }
  }

  [[nodiscard]] std::uint64_t samples() const { return samples_; }

  Status write(const std::filesystem::path& file) const {
    std::ofstream out(file, std::ios::binary);
    for (const auto& [labels, series] : series_)
      out << R"({"metric":)" << labels << R"(,"values":)" << series.values << R"(,"timestamps":)" << series.times_ms << "}\n";
    if (!out.flush()) return unavailable("write " + file.string());
    return {};
  }

 private:
  static std::string text_of(const wire::ColumnSchema& column, std::int64_t cell, const wire::StringTable& strings) {
    return column.type == wire::ColumnType::kString ? std::string(strings.at(static_cast<std::size_t>(cell))) : std::to_string(cell);
  }

  const std::string server_;
  std::map<std::string, Series> series_;
  std::uint64_t samples_ = 0;
};

}  // namespace

Result<std::uint64_t> write_samples(const Plan& plan) {
  PGA_TRY(const auto replay, Replay::read(plan.recording, plan.declarations));
  PGA_TRY_STATUS(make_directories(plan.directory));
  std::uint64_t samples = 0;
  const WallTime begin = SystemClock().now() - std::chrono::hours(24);
  for (std::size_t i = 0; i < plan.collectors; ++i) {
    const std::size_t number = plan.first + i;
    SeriesBook book("pg " + std::to_string(number));
    for (std::uint64_t push = 0; push < plan.pushes; ++push) {
      const Replay::Push& recorded = replay->pushes[replay->place(number, push)];
      const std::int64_t now_us = to_micros(begin + push * replay->interval);
      for (const auto& [source, batch] : recorded.batches)
        book.add(*source, batch, recorded.strings, (now_us + batch.started_us - recorded.at_us) / 1'000);
    }
    PGA_TRY_STATUS(book.write(plan.directory / (std::to_string(number) + ".jsonl")));
    samples += book.samples();
  }
  return samples;
}

}  // namespace pga::load
