#include "collect/objects.h"

#include <cstring>

#include "base/check.h"

namespace pga::collect {
namespace {

constexpr std::size_t kGone = SIZE_MAX;

void append(std::string& out, std::int64_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

std::int64_t take(std::string_view& in) {
  std::int64_t value = 0;
  PGA_CHECK(in.size() >= sizeof value);
  std::memcpy(&value, in.data(), sizeof value);
  in.remove_prefix(sizeof value);
  return value;
}

void set_absent(wire::Column& column, std::size_t row) {
  if (column.present.empty()) column.present.assign(column.values.size(), 1);
  column.present[row] = 0;
}

}  // namespace

// Numbers as eight bytes, texts as their length and their bytes; a null is no key.
std::string Objects::key_of(const Cells& cells, std::size_t row) const {
  std::string key;
  for (const std::size_t at : keys_) {
    const CellColumn& in = cells.columns[at];
    if (in.texts.empty()) {
      append(key, in.values[row]);
    } else {
      append(key, static_cast<std::int64_t>(in.texts[row].size()));
      key += in.texts[row];
    }
  }
  return key;
}

std::uint64_t Objects::hash_of(const Cells& cells, std::size_t row) const {
  std::uint64_t hash = 0;
  const auto mix = [&hash](std::uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  for (std::size_t i = 0; i < cells.columns.size(); ++i) {
    const CellColumn& in = cells.columns[i];
    if (in.present.empty() || source_.columns[i].kind == wire::ColumnKind::kKey) continue;
    mix(in.present[row]);
    if (in.present[row] != 0)
      mix(in.texts.empty() ? static_cast<std::uint64_t>(in.values[row]) : std::hash<std::string_view>{}(in.texts[row]));
  }
  return hash;
}

void Objects::write_removed_key(std::string_view key, wire::StringTable& strings, wire::Batch& batch, std::size_t row) const {
  for (std::size_t i = 0; i < source_.columns.size(); ++i) {
    if (source_.columns[i].kind != wire::ColumnKind::kKey) set_absent(batch.columns[i], row);
  }
  for (const std::size_t at : keys_) {
    const std::int64_t value = take(key);
    if (source_.columns[at].wire_type != wire::ColumnType::kString) {
      batch.columns[at].values[row] = value;
    } else {
      batch.columns[at].values[row] = strings.intern(key.substr(0, static_cast<std::size_t>(value)));
      key.remove_prefix(static_cast<std::size_t>(value));
    }
  }
}

void Objects::apply(const Reading& reading, wire::StringTable& strings, wire::Batch& batch) {
  const Cells& cells = reading.cells;
  const bool full = last_full_us_ == 0 || reading.started_us - last_full_us_ >= source_.full_every.count();
  // How many rows were left out because of locks stands in the rows: without any it is not known.
  const bool complete = reading.outcome == wire::Outcome::kComplete && (cells.rows > 0 || source_.locked.empty());
  ++pass_;
  std::vector<Changed> changed;
  for (std::size_t row = 0; row < cells.rows; ++row) {
    const auto [entry, is_new] = known_.try_emplace(key_of(cells, row));
    Known& known = entry->second;
    if (known.pass == pass_) continue;  // the same key again
    known.pass = pass_;
    const std::uint64_t hash = hash_of(cells, row);
    const bool differs = known.cells != hash;
    known.cells = hash;
    if (last_full_us_ == 0) {
      changed.push_back({entry->first, row, "present"});
    } else if (is_new) {
      changed.push_back({entry->first, row, "added"});
    } else if (differs) {
      changed.push_back({entry->first, row, "changed"});
    } else if (full) {
      changed.push_back({entry->first, row, "present"});
    }
  }
  std::vector<decltype(known_)::iterator> gone;
  if (complete) {
    for (auto entry = known_.begin(); entry != known_.end(); ++entry) {
      if (entry->second.pass != pass_) gone.push_back(entry);
    }
  }
  for (const auto& entry : gone) changed.push_back({entry->first, kGone, "removed"});

  batch.rows_seen = cells.rows;
  batch.interval_us = last_us_ == 0 ? 0 : reading.started_us - last_us_;
  batch.rows = changed.size();
  batch.columns.resize(changed.empty() ? 0 : source_.columns.size() + 1);
  for (wire::Column& column : batch.columns) {
    column.values.assign(changed.size(), 0);
    column.present.clear();
  }
  for (std::size_t i = 0; i < changed.size(); ++i) {
    batch.columns.back().values[i] = strings.intern(changed[i].how);
    const std::size_t row = changed[i].row;
    if (row == kGone) {
      write_removed_key(changed[i].key, strings, batch, i);
      continue;
    }
    for (std::size_t c = 0; c < source_.columns.size(); ++c) {
      const CellColumn& in = cells.columns[c];
      if (in.present.empty() || in.present[row] == 0) {
        set_absent(batch.columns[c], i);
      } else {
        batch.columns[c].values[i] = in.texts.empty() ? in.values[row] : static_cast<std::int64_t>(strings.intern(in.texts[row]));
      }
    }
  }
  for (const auto& entry : gone) known_.erase(entry);
  last_us_ = reading.started_us;
  if (full && complete) last_full_us_ = reading.started_us;
}

}  // namespace pga::collect
