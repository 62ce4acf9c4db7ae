#include "wire/frame.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

namespace pga::wire {

std::string_view to_string(Outcome outcome) {
  constexpr std::array<std::string_view, 8> kNames{"complete", "lock", "timeout", "privilege", "absent", "limit", "error", "unreachable"};
  return kNames.at(static_cast<std::size_t>(outcome));
}

namespace {
std::size_t cells_of(const Batch& batch) {
  std::size_t cells = 0;
  for (const Column& column : batch.columns) cells += column.values.capacity();
  return cells;
}
}  // namespace

Batch BatchPool::take() {
  Batch batch;
  if (spare_.empty()) return batch;
  cells_ -= cells_of(spare_.back());
  batch.columns = std::move(spare_.back().columns);
  spare_.pop_back();
  return batch;
}

void BatchPool::give(std::vector<Batch> batches) {
  for (Batch& batch : batches) {
    const std::size_t cells = cells_of(batch);
    if (cells == 0 || spare_.size() >= kBatchesMax || cells_ + cells > kCellsMax) continue;
    cells_ += cells;
    spare_.push_back(std::move(batch));
  }
}

std::size_t Frame::row_count() const {
  std::size_t rows = 0;
  for (const Batch& batch : batches) rows += batch.rows;
  return rows;
}

void Frame::sort_batches() {
  std::vector<std::size_t> order(batches.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
    const Batch &x = batches[a], &y = batches[b];
    return std::tie(x.target, x.schema, x.database, a) < std::tie(y.target, y.schema, y.database, b);
  });
  std::vector<Batch> sorted;
  sorted.reserve(batches.size());
  for (const std::size_t i : order) sorted.push_back(std::move(batches[i]));
  batches = std::move(sorted);
}

namespace {

// Rows of a batch as something that can be compared: strings by text, nulls before everything.
class Rows {
 public:
  Rows(const Frame& frame, const Batch& batch) : frame_(frame), batch_(batch), schema_(frame.schemas.at(batch.schema)), order_(batch.rows) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
  }
  void sort() {
    std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) { return compare(a, *this, b) < 0; });
  }
  [[nodiscard]] bool same(const Rows& other) const {
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (compare(order_[i], other, other.order_[i]) != 0) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] int compare(std::size_t row, const Rows& other, std::size_t other_row) const {
    for (std::size_t i = 0; i < batch_.columns.size(); ++i) {
      const Column& a = batch_.columns[i];
      const Column& b = other.batch_.columns[i];
      if (a.is_null(row) || b.is_null(other_row)) {
        if (a.is_null(row) != b.is_null(other_row)) return a.is_null(row) ? -1 : 1;
        continue;
      }
      const auto x = a.values[row], y = b.values[other_row];
      if (schema_.columns[i].type == ColumnType::kString) {
        const int texts = frame_.strings.at(static_cast<std::size_t>(x)).compare(other.frame_.strings.at(static_cast<std::size_t>(y)));
        if (texts != 0) return texts;
      } else if (x != y) {
        return x < y ? -1 : 1;
      }
    }
    return 0;
  }

  const Frame& frame_;
  const Batch& batch_;
  const Schema& schema_;
  std::vector<std::size_t> order_;
};

bool same_batch(const Frame& a, const Batch& x, const Frame& b, const Batch& y) {
  const auto head = [](const Batch& batch) {
    return std::tie(batch.started_us, batch.interval_us, batch.duration_us, batch.rows_seen, batch.outcome, batch.database, batch.sqlstate,
                    batch.detail, batch.missing, batch.rows);
  };
  if (head(x) != head(y) || x.columns.size() != y.columns.size()) return false;
  if (a.targets.at(x.target) != b.targets.at(y.target) || a.schemas.at(x.schema) != b.schemas.at(y.schema)) return false;
  Rows rows(a, x), others(b, y);
  if (rows.same(others)) return true;
  rows.sort();
  others.sort();
  return rows.same(others);
}

}  // namespace

bool same_content(const Frame& a, const Frame& b) {
  const auto head = [](const Frame& f) { return std::tie(f.epoch, f.sequence, f.sent_us, f.gaps); };
  if (head(a) != head(b)) return false;
  return std::equal(a.batches.begin(), a.batches.end(), b.batches.begin(), b.batches.end(),
                    [&](const Batch& x, const Batch& y) { return same_batch(a, x, b, y); });
}

}  // namespace pga::wire
