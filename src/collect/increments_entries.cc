// What is kept of a reading for the next one: after one of all rows these, after one of moved rows those that it changed.
#include <algorithm>

#include "collect/increments.h"
#include "collect/increments_internal.h"

namespace pga::collect {

namespace {

// A vector that grows by itself doubles, and here few entries come.
template <class T>
void make_room(std::vector<T>& values, std::size_t size) {
  if (size > values.capacity()) values.reserve(size + size / 16 + 8);
  values.resize(size);
}

template <class T>
void give_back_room(std::vector<T>& values) {
  if (values.capacity() > values.size() + values.size() / 4 + 64) values.shrink_to_fit();
}

}  // namespace

void Increments::Last::pack() {
  all_present = all_set(present);
  const bool none = std::find(present.begin(), present.end(), 1) == present.end();
  if (all_present || none) std::vector<std::uint8_t>().swap(present);
  const bool zero = std::all_of(values.begin(), values.end(), [](std::int64_t value) { return value == 0; });
  if (zero) std::vector<std::int64_t>().swap(values);
}

// The cells of moved and new rows; what stays as it was for all entries takes no room.
void Increments::Last::take(const CellColumn& in, const std::vector<std::uint32_t>& entry_of_row, std::size_t entries_before,
                            std::size_t entries) {
  const auto of_any_row = [&](const auto& holds) {
    for (std::size_t row = 0; row < entry_of_row.size(); ++row) {
      if (entry_of_row[row] != kNone && holds(row)) return true;
    }
    return false;
  };
  const auto there = [&](std::size_t row) { return collect::is_there(in, row); };
  bool each_present = !present.empty(), each_value = !values.empty();
  if (!each_present && entries_before == 0) all_present = true;
  if (!each_present && of_any_row([&](std::size_t row) { return there(row) != all_present; })) {
    present.assign(entries_before, all_present ? 1 : 0);
    each_present = true;
  }
  if (!each_value && of_any_row([&](std::size_t row) { return there(row) && in.values[row] != 0; })) {
    values.assign(entries_before, 0);
    each_value = true;
  }
  if (each_present) make_room(present, entries);
  if (each_value) make_room(values, entries);
  for (std::size_t row = 0; row < entry_of_row.size(); ++row) {
    const std::uint32_t entry = entry_of_row[row];
    if (entry == kNone) continue;
    if (each_present) present[entry] = there(row) ? 1 : 0;
    if (each_value) values[entry] = there(row) ? in.values[row] : 0;
  }
}

// `end`, the last entry, takes the place of `entry`.
void Increments::Last::drop(std::uint32_t entry, std::uint32_t end) {
  if (!values.empty()) {
    values[entry] = values[end];
    values.pop_back();
  }
  if (!present.empty()) {
    present[entry] = present[end];
    present.pop_back();
  }
}

bool Increments::full_is_due(std::int64_t now_us) const {
  return has_gauges_ && (last_us_ == 0 || now_us - last_full_us_ >= source_.full_every.count());
}

std::vector<std::int64_t> Increments::marks(std::int64_t now_us) const {
  if (!last_complete_ || source_.ship == catalog::Ship::kAll || full_is_due(now_us)) return {};
  return marks_;
}

void Increments::free_slot(std::uint32_t slot) {
  seen_in_[slot] = 0;
  const auto [begin, end] = slot_of_hash_.equal_range(hashes_[slot]);
  slot_of_hash_.erase(std::find_if(begin, end, [&](const auto& item) { return item.second == slot; }));
  free_slots_.push_back(slot);
}

// The entries that a reading of moved rows does not have count as seen, unless it says that they are gone.
void Increments::keep_unmoved(const Cells& cells) {
  gone_.clear();
  for (std::uint32_t entry = 0; entry < entries_.size(); ++entry) {
    std::uint64_t& seen_in = seen_in_[entries_[entry]];
    if (seen_in == pass_) continue;
    if (std::binary_search(cells.gone.begin(), cells.gone.end(), marks_[entry])) {
      gone_.push_back(entry);
    } else {
      seen_in = pass_;
    }
  }
}

// The moved rows replace their entries and the new ones follow; a gone entry gives its place to the last one.
void Increments::remember_moved(const Cells& cells) {
  const std::size_t entries_before = entries_.size();
  std::vector<std::uint32_t> entry_of_row(cells.rows, kNone);
  for (std::uint32_t row = 0; row < cells.rows; ++row) {
    if (slots_[row] == kNone) continue;
    std::uint32_t entry = before_[row];
    if (entry == kNone) {
      entry = static_cast<std::uint32_t>(entries_.size());
      entries_.push_back(slots_[row]);
      entry_of_[slots_[row]] = entry;
      marks_.push_back(0);
    }
    marks_[entry] = cells.marks[row];
    entry_of_row[row] = entry;
  }
  for (std::size_t t = 0; t < tracked_.size(); ++t)
    last_[t].take(cells.columns[tracked_[t]], entry_of_row, entries_before, entries_.size());
  for (auto gone = gone_.rbegin(); gone != gone_.rend(); ++gone) {
    const std::uint32_t entry = *gone, end = static_cast<std::uint32_t>(entries_.size() - 1);
    free_slot(entries_[entry]);
    for (Last& last : last_) last.drop(entry, end);
    marks_[entry] = marks_[end];
    marks_.pop_back();
    entries_[entry] = entries_[end];
    entries_.pop_back();
    if (entry != end) entry_of_[entries_[entry]] = entry;
  }
  for (Last& last : last_) {
    if (!last.present.empty()) last.all_present = all_set(last.present);
  }
}

// The rows of this reading become the entries. After a complete reading an entry that was not seen is gone; if it comes back it starts
// from zero. After a cut one it may only have been left out, and is remembered for a while.
void Increments::remember(Cells& cells, std::uint64_t passes_kept) {
  std::vector<std::uint32_t> kept;  // entries that this reading does not have
  for (std::uint32_t entry = 0; entry < entries_.size(); ++entry) {
    const std::uint32_t slot = entries_[entry];
    if (seen_in_[slot] == pass_) continue;
    if (seen_in_[slot] + passes_kept >= pass_) {
      kept.push_back(entry);
      continue;
    }
    free_slot(slot);
  }
  for (std::size_t t = 0; t < tracked_.size(); ++t) {
    CellColumn& in = cells.columns[tracked_[t]];
    Last& last = last_[t];
    Last carried;
    for (const std::uint32_t entry : kept) {
      carried.values.push_back(last.value(entry));
      carried.present.push_back(last.is_there(entry) ? 1 : 0);
    }
    if (in.values.empty()) {
      last.values.assign(cells.rows, 0);
      last.present.assign(cells.rows, 0);
    } else {
      last.values = std::move(in.values);
      last.present = std::move(in.present);
    }
    if (repeats_) {
      std::size_t to = 0;
      for (std::size_t row = 0; row < cells.rows; ++row) {
        if (slots_[row] == kNone) continue;
        last.values[to] = last.values[row];
        last.present[to++] = last.present[row];
      }
      last.values.resize(to);
      last.present.resize(to);
    }
    last.values.insert(last.values.end(), carried.values.begin(), carried.values.end());
    last.present.insert(last.present.end(), carried.present.begin(), carried.present.end());
    last.pack();
  }
  std::vector<std::uint32_t> entries;
  entries.reserve(cells.rows + kept.size());
  for (const std::uint32_t slot : slots_) {
    if (slot != kNone) entries.push_back(slot);
  }
  for (const std::uint32_t entry : kept) entries.push_back(entries_[entry]);
  entries_ = std::move(entries);
  for (std::uint32_t entry = 0; entry < entries_.size(); ++entry) entry_of_[entries_[entry]] = entry;

  for (auto& column : key_values_) give_back_room(column);
  for (auto& column : key_texts_) give_back_room(column);
  give_back_room(hashes_);
  give_back_room(seen_in_);
  give_back_room(entry_of_);
  give_back_room(new_first_keys_);
}

}  // namespace pga::collect
