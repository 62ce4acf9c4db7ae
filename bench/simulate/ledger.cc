#include "ledger.h"

#include <xxhash.h>

#include <algorithm>

#include "machines.h"

namespace pga::simulate {

std::string to_string(const FrameId& id) {
  return "frame " + std::to_string(id.sequence) + " of collector " + std::to_string(id.collector) + ", epoch " + std::to_string(id.epoch);
}

// The order of rows is the encoder's business, so they are added up.
std::uint64_t hash_of(const wire::Frame& frame) {
  const auto hash = [](std::string_view text) { return XXH3_64bits(text.data(), text.size()); };
  const auto line = [](auto... parts) { return ((std::to_string(parts) + ' ') + ...); };
  std::string whole = line(frame.epoch, frame.sequence, frame.sent_us);
  for (const wire::Target& t : frame.targets) whole += t.kind + '/' + t.name + '/' + t.system_identifier + '/' + t.version + ' ';
  for (const wire::Gap& g : frame.gaps) whole += line(g.first_sequence, g.last_sequence, g.from_us, g.to_us, g.bytes) + g.reason + ' ';
  for (const wire::Batch& batch : frame.batches) {
    const wire::Schema& schema = frame.schemas[batch.schema];
    std::uint64_t rows = 0;
    for (std::size_t row = 0; row < batch.rows; ++row) {
      std::string text;
      for (std::size_t i = 0; i < batch.columns.size(); ++i) {
        const wire::Column& column = batch.columns[i];
        const std::int64_t value = column.values[row];
        if (column.is_null(row))
          text += "- ";
        else if (schema.columns[i].type == wire::ColumnType::kString)
          text += std::string(frame.strings.at(static_cast<std::size_t>(value))) + ' ';
        else
          text += line(value);
      }
      rows += hash(text);
    }
    whole += schema.source + ' ' + line(batch.target, batch.started_us, batch.interval_us, batch.rows_seen, batch.rows, rows);
  }
  return hash(whole);
}

void Ledger::spooled(std::uint32_t collector, std::uint64_t epoch, std::uint64_t first, std::uint64_t last,
                     std::vector<std::uint64_t> rows) {
  rows_spooled_ += rows.size();
  spooled_.push_back({collector, epoch, first, last, std::move(rows)});
}

void Ledger::acknowledged(const FrameId& id, std::uint64_t hash, std::int64_t sent_us) {
  acknowledged_.emplace(id, hash);
  std::int64_t& newest = newest_sent_us_[id.collector];
  newest = std::max(newest, sent_us);
}

std::int64_t Ledger::newest_sent_us(std::uint32_t collector) const {
  const auto at = newest_sent_us_.find(collector);
  return at == newest_sent_us_.end() ? 0 : at->second;
}

void Ledger::stored(std::uint32_t collector, const wire::Frame& frame) {
  const FrameId id{collector, frame.epoch, frame.sequence};
  Stored& entry = stored_[id];
  const std::uint64_t hash = hash_of(frame);
  if (entry.times++ > 0) violations_.push_back(to_string(id) + " is stored " + std::to_string(entry.times) + " times");
  if (entry.times > 1 && entry.hash != hash) violations_.push_back(to_string(id) + " is stored with two contents");
  entry.hash = hash;
  for (const std::uint64_t row : rows_of(frame)) {
    if (++rows_[row] > 1) violations_.push_back("row " + std::to_string(row) + " is stored twice, the second time in " + to_string(id));
  }
  entry.rows = rows_of(frame);
  entry.gaps = frame.gaps;
}

void Ledger::lost_by_store(const FrameId& id) {
  const auto at = stored_.find(id);
  if (at == stored_.end()) return;
  for (const std::uint64_t row : at->second.rows) {
    if (--rows_[row] == 0) rows_.erase(row);
  }
  stored_.erase(at);
}

std::map<Ledger::Stream, IntervalSet> Ledger::gaps() const {
  std::map<Stream, IntervalSet> out;
  for (const auto& [id, entry] : stored_) {
    for (const wire::Gap& gap : entry.gaps) out[{id.collector, id.epoch}].add(gap.first_sequence, gap.last_sequence);
  }
  return out;
}

std::uint64_t Ledger::frames_in_gaps() const {
  std::uint64_t frames = 0;
  for (const auto& [stream, set] : gaps()) {
    for (const auto& [first, last] : set.ranges()) frames += last - first + 1;
  }
  return frames;
}

std::vector<std::string> Ledger::judge() const {
  std::vector<std::string> wrong = violations_;
  for (const FrameId& id : server_acknowledged_) {
    if (!stored_.contains(id)) wrong.push_back(to_string(id) + " was acknowledged by the server and is not in the store");
  }
  for (const auto& [id, hash] : acknowledged_) {
    const auto at = stored_.find(id);
    if (at == stored_.end()) {
      wrong.push_back(to_string(id) + " was acknowledged and is not in the store");
    } else if (at->second.hash != hash) {
      wrong.push_back(to_string(id) + " is in the store with another content");
    }
  }
  const auto all_gaps = this->gaps();
  for (const Spooled& s : spooled_) {
    const auto gaps = all_gaps.find({s.collector, s.epoch});
    const bool explained =
        gaps != all_gaps.end() && gaps->second.missing(s.first, s.last) != std::vector<IntervalSet::Range>{{s.first, s.last}};
    const auto lost = std::ranges::count_if(s.rows, [&](std::uint64_t row) { return !rows_.contains(row); });
    if (lost != 0 && !explained) {
      wrong.push_back(std::to_string(lost) + " rows were spooled in frames " + std::to_string(s.first) + " to " + std::to_string(s.last) +
                      " of collector " + std::to_string(s.collector) + "; they are neither in the store nor in a gap");
    }
  }
  return wrong;
}

}  // namespace pga::simulate
