#include "wire/string_table.h"

#include <bit>
#include <cstring>

namespace pga::wire {
namespace {

// Names are short: eight bytes at a time, the last ones overlapping. Not against an adversary: who sends texts can at worst make
// his own frames slow.
std::uint64_t hash_of(std::string_view text) {
  const auto load = [&](std::size_t at, std::size_t n) {
    std::uint64_t value = 0;
    std::memcpy(&value, text.data() + at, n);
    return value;
  };
  std::uint64_t hash = text.size() * 0x9e3779b97f4a7c15;
  const auto mix = [&](std::uint64_t value) {
    hash = (hash ^ value) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  };
  std::size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) mix(load(at, 8));
  if (at < text.size()) mix(text.size() >= 8 ? load(text.size() - 8, 8) : load(at, text.size() - at));
  return hash * 0x9e3779b97f4a7c15 >> 20;
}

}  // namespace

std::uint32_t StringTable::add(std::string_view text) {
  text_.insert(text_.end(), text.begin(), text.end());
  ends_.push_back(static_cast<std::uint32_t>(text_.size()));
  return static_cast<std::uint32_t>(ends_.size() - 1);
}

std::uint32_t StringTable::intern(std::string_view text) {
  const auto found = find(text);
  return found ? *found : add(text);
}

std::optional<std::uint32_t> StringTable::find(std::string_view text) const {
  if (text.empty()) return 0;
  index();
  const std::size_t mask = buckets_.size() - 1;
  for (std::size_t at = hash_of(text) & mask; buckets_[at] != 0; at = (at + 1) & mask) {
    if (this->at(buckets_[at]) == text) return buckets_[at];
  }
  return std::nullopt;
}

void StringTable::index() const {
  if (buckets_.size() < 2 * ends_.size()) {
    buckets_.assign(std::bit_ceil(4 * ends_.size()), 0);
    indexed_ = 1;
  }
  const std::size_t mask = buckets_.size() - 1;
  for (; indexed_ < ends_.size(); ++indexed_) {
    std::size_t at = hash_of(this->at(indexed_)) & mask;
    while (buckets_[at] != 0) at = (at + 1) & mask;
    buckets_[at] = static_cast<std::uint32_t>(indexed_);
  }
}

void StringTable::truncate(std::size_t size) {
  if (size >= ends_.size()) return;
  ends_.resize(size == 0 ? 1 : size);
  text_.resize(ends_.back());
  if (indexed_ <= ends_.size()) return;
  buckets_.clear();
  indexed_ = 1;
}

}  // namespace pga::wire
