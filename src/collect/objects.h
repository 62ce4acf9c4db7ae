// Things that exist (settings, columns, roles): what appeared, changed or went between two readings of a source of shape objects.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "wire/frame.h"

namespace pga::collect {

// The first reading, and one every full_every, has every object, `present`. Of the others an object travels when it was `added`,
// when any of its cells but the key `changed`, or when it was `removed`: then with nothing but its key. What a reading did not see
// is removed only if the reading was complete.
class Objects {
 public:
  explicit Objects(const catalog::Source& source) : source_(source), keys_(source.keys()) {}  // outlives this

  // As Increments::apply.
  void apply(const Reading& reading, wire::StringTable& strings, wire::Batch& batch);

  // The next reading is the first one: another server answers.
  void forget() { known_.clear(), last_full_us_ = 0; }

 private:
  struct Known {
    std::uint64_t cells = 0;  // hash
    std::uint64_t pass = 0;
  };
  struct Changed {
    std::string_view key;
    std::size_t row = 0;
    std::string_view how;
  };

  [[nodiscard]] std::string key_of(const Cells& cells, std::size_t row) const;
  [[nodiscard]] std::uint64_t hash_of(const Cells& cells, std::size_t row) const;
  void write_removed_key(std::string_view key, wire::StringTable& strings, wire::Batch& batch, std::size_t row) const;

  const catalog::Source& source_;
  const std::vector<std::size_t> keys_;
  std::unordered_map<std::string, Known> known_;  // by the cells of the key
  std::uint64_t pass_ = 0;
  std::int64_t last_full_us_ = 0;
  std::int64_t last_us_ = 0;
};

}  // namespace pga::collect
