#include "collect/increments.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "collect/increments_internal.h"

namespace pga::collect {
namespace {

constexpr std::uint64_t kPassesRemembered = 10;
constexpr double kDeviationNoise = 1e-13;  // of the sum of squares: what two doubles with 16 digits leave of a difference

bool is_text(const catalog::Column& column) { return column.wire_type == wire::ColumnType::kString; }

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

void set_absent(wire::Column& out, std::size_t row) {
  if (out.present.empty()) out.present.assign(out.values.size(), 1);
  out.present[row] = 0;
}

}  // namespace

Increments::Increments(const catalog::Source& source)
    : source_(source),
      counters_stand_alone_(source.scope == catalog::Scope::kHost || source.scope == catalog::Scope::kProcesses),
      keys_(source.keys()),
      tracked_at_(source.columns.size()) {
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    const catalog::Column& column = source.columns[i];
    if (column.name == source.resets_with) resets_with_ = tracked_.size();
    const bool is_deviation = !column.deviation_of.empty();
    const bool is_gauge = column.kind == wire::ColumnKind::kGauge && !is_deviation;
    if (is_gauge || column.only_changed) has_gauges_ = true;
    if (column.kind == wire::ColumnKind::kCounter || column.name == source.resets_with || is_deviation || column.only_changed ||
        (is_gauge && !is_text(column))) {
      tracked_at_[i] = tracked_.size();
      tracked_.push_back(i);
    }
  }
  for (const std::size_t key : keys_) key_is_text_.push_back(is_text(source.columns[key]) ? 1 : 0);
  key_values_.resize(keys_.size());
  key_texts_.resize(keys_.size());
  last_.resize(tracked_.size());
}

void Increments::forget() {
  for (auto& column : key_values_) column.clear();
  for (auto& column : key_texts_) column.clear();
  for (Last& last : last_) last = {};
  hashes_.clear();
  seen_in_.clear();
  entry_of_.clear();
  free_slots_.clear();
  slot_of_hash_.clear();
  entries_.clear();
  marks_.clear();
  last_us_ = 0;
  last_full_us_ = 0;
  last_complete_ = false;
}

bool Increments::has_key(std::uint32_t slot, const Cells& cells, std::size_t row) const {
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    const CellColumn& column = cells.columns[keys_[k]];
    if (key_is_text_[k] != 0 ? key_texts_[k][slot] != column.texts[row] : key_values_[k][slot] != column.values[row]) return false;
  }
  return true;
}

std::uint64_t Increments::hash_of(const Cells& cells, std::size_t row) const {
  std::uint64_t hash = 1;
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    const CellColumn& column = cells.columns[keys_[k]];
    hash =
        mix(hash, key_is_text_[k] != 0 ? std::hash<std::string_view>{}(column.texts[row]) : static_cast<std::uint64_t>(column.values[row]));
  }
  return hash;
}

std::uint32_t Increments::take_slot(const Cells& cells, std::size_t row, std::uint64_t hash) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(seen_in_.size()));
    seen_in_.push_back(0);
    hashes_.push_back(0);
    entry_of_.push_back(kNone);
    for (std::size_t k = 0; k < keys_.size(); ++k) {
      if (key_is_text_[k] != 0) {
        key_texts_[k].emplace_back();
      } else {
        key_values_[k].push_back(0);
      }
    }
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  hashes_[slot] = hash;
  slot_of_hash_.emplace(hash, slot);
  for (std::size_t k = 0; k < keys_.size(); ++k) {
    const CellColumn& column = cells.columns[keys_[k]];
    if (key_is_text_[k] != 0) {
      key_texts_[k][slot] = column.texts[row];
    } else {
      key_values_[k][slot] = column.values[row];
    }
  }
  return slot;
}

// Finds each row's slot and entry. Where the last reading had the row before, the row after it is tried first.
void Increments::match(const Cells& cells) {
  const std::size_t rows = cells.rows;
  slots_.resize(rows);
  before_.resize(rows);
  flags_.assign(rows, 0);
  spans_.clear();
  repeats_ = false;
  std::uint32_t expected = 0;
  for (std::uint32_t row = 0; row < rows; ++row) {
    std::uint32_t slot = expected < entries_.size() ? entries_[expected] : kNone;
    std::uint32_t entry = expected;
    if (slot == kNone || !has_key(slot, cells, row)) {
      const std::uint64_t hash = hash_of(cells, row);
      const auto [begin, end] = slot_of_hash_.equal_range(hash);
      const auto found = std::find_if(begin, end, [&](const auto& item) { return has_key(item.second, cells, row); });
      slot = found == end ? take_slot(cells, row, hash) : found->second;
      entry = found == end ? kNone : entry_of_[slot];
    }
    // The same key twice in one reading: the first counts. Also if the first did not move and is therefore not here.
    const bool is_there_unmoved =
        cells.moved_only && entry != kNone && !std::binary_search(cells.gone.begin(), cells.gone.end(), marks_[entry]);
    if (seen_in_[slot] == pass_ || is_there_unmoved) {
      repeats_ = true;
      slots_[row] = before_[row] = kNone;
      continue;
    }
    slots_[row] = slot;
    before_[row] = entry;
    if (entry == kNone) {
      flags_[row] = kNew | kChanged;
      if (!keys_.empty() && key_is_text_[0] == 0) new_first_keys_.push_back(cells.columns[keys_[0]].values[row]);
    } else {
      if (seen_in_[slot] + 1 != pass_) flags_[row] = kMissed | kUncertain;
      if (spans_.empty() || spans_.back().row + spans_.back().count != row || spans_.back().entry + spans_.back().count != entry)
        spans_.push_back({row, entry, 0});
      ++spans_.back().count;
      expected = entry + 1;
    }
    seen_in_[slot] = pass_;
  }
}

// A counter's difference as it is: one that went down has the highest bit.
void Increments::compare_counter(const CellColumn& in, const Last& last) {
  const bool all = last.all_present && all_set(in.present);
  for (const Span& span : spans_) {
    const std::int64_t* const now = in.values.data() + span.row;
    std::uint64_t* const differs = differs_.data() + span.row;
    if (all && last.values.empty()) {
      for (std::uint32_t i = 0; i < span.count; ++i) differs[i] |= static_cast<std::uint64_t>(now[i]);
      continue;
    }
    const std::int64_t* const old = last.values.data() + span.entry;
    if (all) {
      for (std::uint32_t i = 0; i < span.count; ++i) differs[i] |= static_cast<std::uint64_t>(now[i]) - static_cast<std::uint64_t>(old[i]);
      continue;
    }
    for (std::uint32_t i = 0; i < span.count; ++i) {
      const std::uint32_t entry = span.entry + i;
      if (in.present[span.row + i] != 0 && last.is_there(entry))
        differs[i] |= static_cast<std::uint64_t>(now[i]) - static_cast<std::uint64_t>(last.value(entry));
    }
  }
}

// A gauge or a time: whether it is another, or there where it was not.
void Increments::compare_value(const CellColumn& in, const Last& last, bool marks_reset) {
  for (const Span& span : spans_) {
    for (std::uint32_t i = 0; i < span.count; ++i) {
      const std::uint32_t row = span.row + i, entry = span.entry + i;
      const bool there = is_there(in, row), was = last.is_there(entry);
      const bool another = there && was && in.values[row] != last.value(entry);
      if (another || there != was) flags_[row] |= kChanged;
      if (another && marks_reset) flags_[row] |= kReset;
    }
  }
}

// Fills flags_: what has changed, and where counters began again from zero.
void Increments::compare(const Cells& cells, bool first) {
  differs_.assign(cells.rows, 0);
  for (std::size_t t = 0; t < tracked_.size(); ++t) {
    const catalog::Column& declared = source_.columns[tracked_[t]];
    const CellColumn& in = cells.columns[tracked_[t]];
    if (!declared.deviation_of.empty()) continue;
    if (declared.kind != wire::ColumnKind::kCounter) {
      compare_value(in, last_[t], resets_with_ == t);
    } else if (!in.values.empty()) {
      compare_counter(in, last_[t]);
    }
  }
  const CellColumn* const since = resets_with_ ? &cells.columns[tracked_[*resets_with_]] : nullptr;
  for (std::size_t row = 0; row < cells.rows; ++row) {
    std::uint8_t& flags = flags_[row];
    if (slots_[row] == kNone) continue;
    if ((flags & kNew) != 0) {
      const bool began_later = since != nullptr && is_there(*since, row) && since->values[row] > last_us_;
      if (!first && (last_complete_ || began_later)) flags |= kFromZero;
      continue;
    }
    if (differs_[row] != 0) flags |= kChanged;
    const bool went_down = static_cast<std::int64_t>(differs_[row]) < 0;
    if (went_down) flags |= counters_stand_alone_ ? kUncertain : kReset;
    if ((flags & kReset) == 0) continue;
    flags |= kUncertain;
    if (!changed_since_reset(cells, row)) flags &= static_cast<std::uint8_t>(~kChanged);
  }
}

// Of a row whose counters began again: whether there is anything to tell.
bool Increments::changed_since_reset(const Cells& cells, std::size_t row) const {
  for (std::size_t t = 0; t < tracked_.size(); ++t) {
    const catalog::Column& declared = source_.columns[tracked_[t]];
    const CellColumn& in = cells.columns[tracked_[t]];
    const bool there = is_there(in, row);
    if (declared.kind == wire::ColumnKind::kCounter) {
      if (there && in.values[row] != 0) return true;
    } else if (declared.deviation_of.empty()) {
      const Last& last = last_[t];
      if (there != last.is_there(before_[row]) || (there && in.values[row] != last.value(before_[row]))) return true;
    }
  }
  return false;
}

std::optional<std::int64_t> Increments::increment(const CellColumn& in, const Last& last, std::size_t row) const {
  if (!is_there(in, row)) return std::nullopt;
  if ((flags_[row] & (kFromZero | kReset)) != 0) return in.values[row];
  const std::uint32_t entry = before_[row];
  if (entry == kNone || !last.is_there(entry)) return std::nullopt;
  if (in.values[row] < last.value(entry)) return std::nullopt;  // went back alone: how far it went before is not known
  return in.values[row] - last.value(entry);
}

// The standard deviation within the interval, from the ones since the reset before and after it (Chan, Golub and LeVeque, 1979, for the
// sums of squares of two parts of a population). In the unit of the column's declaration; 0 for one call.
void Increments::write_deviation(const Cells& cells, const catalog::Column& declared, std::size_t column, wire::Column& out) const {
  const auto index_of = [&](const std::string& name) { return static_cast<std::size_t>(source_.find(name) - source_.columns.data()); };
  const std::size_t total_at = index_of(declared.deviation_of), count_at = index_of(declared.over);
  const CellColumn& in = cells.columns[column];
  const CellColumn& totals = cells.columns[total_at];
  const CellColumn& counts = cells.columns[count_at];
  const Last& last = last_[*tracked_at_[column]];
  const Last& last_total = last_[*tracked_at_[total_at]];
  const Last& last_count = last_[*tracked_at_[count_at]];
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    const std::uint32_t row = chosen_[i], entry = before_[row];
    const auto calls = increment(counts, last_count, row);
    const auto total = increment(totals, last_total, row);
    const bool from_zero = (flags_[row] & (kFromZero | kReset)) != 0;
    if (!calls || !total || *calls == 0 || !is_there(in, row) || (!from_zero && !last.is_there(entry))) {
      set_absent(out, i);
      continue;
    }
    if (*calls == 1) continue;
    const auto n = static_cast<double>(*calls), n_now = static_cast<double>(counts.values[row]);
    const double s_now = std::bit_cast<double>(in.values[row]) * declared.scale;
    const double squares_now = s_now * s_now * n_now;
    double squares = squares_now;
    if (!from_zero && last_count.value(entry) > 0) {
      const auto n_before = static_cast<double>(last_count.value(entry));
      const double s_before = std::bit_cast<double>(last.value(entry)) * declared.scale;
      const double apart = static_cast<double>(*total) / n - static_cast<double>(last_total.value(entry)) / n_before;
      squares -= s_before * s_before * n_before + apart * apart * n_before * n / n_now;
    }
    if (squares > kDeviationNoise * squares_now) out.values[i] = static_cast<std::int64_t>(std::llround(std::sqrt(squares / n)));
  }
}

void Increments::write_counter(const CellColumn& in, const Last& last, wire::Column& out) const {
  if (all_can_be_told_ && last.all_present && all_set(in.present)) {
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const std::uint32_t entry = counted_from_[i];
      out.values[i] = in.values[chosen_[i]] - (entry == kNone ? 0 : last.value(entry));
    }
    return;
  }
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    const auto increased = increment(in, last, chosen_[i]);
    out.values[i] = increased.value_or(0);
    if (!increased) set_absent(out, i);
  }
}

// The cells of the chosen rows; `out` has a zero for each.
void Increments::write(const Cells& cells, std::size_t column, wire::StringTable& strings, wire::Column& out) const {
  const catalog::Column& declared = source_.columns[column];
  const CellColumn& in = cells.columns[column];
  if (in.present.empty()) {
    out.present.assign(chosen_.size(), 0);
  } else if (!declared.deviation_of.empty()) {
    write_deviation(cells, declared, column, out);
  } else if (declared.kind == wire::ColumnKind::kCounter) {
    write_counter(in, last_[*tracked_at_[column]], out);
  } else if (is_text(declared)) {
    std::string_view before;  // sorted rows often repeat a text
    std::int64_t id = 0;
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const std::uint32_t row = chosen_[i];
      if (in.present[row] == 0) {
        set_absent(out, i);
        continue;
      }
      if (in.texts[row] != before) {
        before = in.texts[row];
        id = strings.intern(before);
      }
      out.values[i] = id;
    }
  } else {
    const Last* last = declared.only_changed && !full_ ? &last_[*tracked_at_[column]] : nullptr;
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const std::uint32_t row = chosen_[i], entry = last == nullptr ? kNone : before_[row];
      const bool unchanged = entry != kNone && last->is_there(entry) && last->value(entry) == in.values[row];
      if (in.present[row] == 0 || unchanged) {
        set_absent(out, i);
      } else {
        out.values[i] = in.values[row];
      }
    }
  }
}

// By slot, whatever order the server answered in: rows that always come in the same order are what the wire writes shortest.
void Increments::sort_chosen() {
  const auto by_slot = [this](std::uint32_t a, std::uint32_t b) { return slots_[a] < slots_[b]; };
  if (std::is_sorted(chosen_.begin(), chosen_.end(), by_slot)) return;
  std::vector<std::uint32_t> row_of(seen_in_.size(), kNone);
  for (const std::uint32_t row : chosen_) row_of[slots_[row]] = row;
  chosen_.clear();
  for (const std::uint32_t row : row_of) {
    if (row != kNone) chosen_.push_back(row);
  }
}

void Increments::apply(Reading& reading, wire::StringTable& strings, wire::Batch& batch) {
  PGA_CHECK(reading.has_rows());
  Cells& cells = reading.cells;
  const bool first = last_us_ == 0;
  const bool series = source_.shape == catalog::Shape::kSeries;
  const bool moved_only = cells.moved_only;
  PGA_CHECK(!moved_only || (series && last_complete_ && marks_.size() == entries_.size()));
  const bool full_due = !moved_only && full_is_due(reading.started_us);
  full_ = !series || full_due;
  new_first_keys_.clear();
  chosen_.clear();
  batch.rows_seen = cells.rows;
  batch.interval_us = series && !first ? reading.started_us - last_us_ : 0;

  if (series) {
    ++pass_;
    std::sort(cells.gone.begin(), cells.gone.end());
    match(cells);
    if (moved_only) keep_unmoved(cells);
    compare(cells, first);
    const bool all = full_ || source_.ship == catalog::Ship::kAll;
    const bool has_counters = source_.has_counters();
    for (std::uint32_t row = 0; row < cells.rows; ++row) {
      const unsigned flags = flags_[row];
      if (slots_[row] == kNone) continue;
      // A row whose counters cannot be told yet travels only for its gauges, and then with the next full reading.
      const bool says_something = (flags & kNew) == 0 || (flags & kFromZero) != 0 || !has_counters;
      if (all || ((flags & kChanged) != 0 && says_something)) chosen_.push_back(row);
    }
    sort_chosen();
    all_can_be_told_ = !counters_stand_alone_;
    counted_from_.clear();
    for (const std::uint32_t row : chosen_) {
      const unsigned flags = flags_[row];
      counted_from_.push_back((flags & kReset) != 0 ? kNone : before_[row]);
      if ((flags & kNew) != 0 && (flags & kFromZero) == 0) all_can_be_told_ = false;
    }
  } else {
    flags_.assign(cells.rows, 0);
    before_.assign(cells.rows, kNone);
    for (std::uint32_t row = 0; row < cells.rows; ++row) chosen_.push_back(row);
  }

  batch.rows = chosen_.size();
  if (chosen_.empty()) {
    batch.columns.clear();
  } else {
    const bool flagged = source_.has_counters();
    batch.columns.resize(source_.columns.size() + (flagged ? 1 : 0));
    for (wire::Column& column : batch.columns) {
      column.values.assign(chosen_.size(), 0);
      column.present.clear();
    }
    for (std::size_t i = 0; i < source_.columns.size(); ++i) write(cells, i, strings, batch.columns[i]);
    if (flagged) {
      batch.columns.back().values.clear();
      for (const std::uint32_t row : chosen_) batch.columns.back().values.push_back((flags_[row] & kUncertain) != 0 ? 1 : 0);
    }
  }

  if (!series) return;
  const bool complete = reading.outcome == wire::Outcome::kComplete;
  if (moved_only) {
    remember_moved(cells);
    batch.rows_seen = entries_.size();
  } else {
    remember(cells, complete ? 0 : kPassesRemembered);
    // A row of a key that came twice has no entry that its mark could stand for.
    if (complete && !repeats_)
      marks_ = std::move(cells.marks);
    else
      marks_.clear();
  }
  if (repeats_) marks_.clear();
  last_us_ = reading.started_us;
  last_complete_ = complete;
  if (full_due) last_full_us_ = reading.started_us;
}

}  // namespace pga::collect
