// Strings of a frame or of a dictionary, each named by a small number. Id 0 is the empty string.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace pga::wire {

// One block of text and where each string ends in it: adding allocates only when the block grows. Views from at() hold until the
// next intern() or add().
class StringTable {
 public:
  StringTable() : ends_{0} {}

  std::uint32_t intern(std::string_view text);  // the id that the text has, or a new one
  std::uint32_t add(std::string_view text);     // a new id; the text may be there already
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view text) const;
  [[nodiscard]] std::string_view at(std::size_t id) const {  // id < size()
    const std::size_t begin = id == 0 ? 0 : ends_[id - 1];
    return {text_.data() + begin, ends_[id] - begin};
  }
  [[nodiscard]] std::size_t size() const { return ends_.size(); }  // the empty string counts
  [[nodiscard]] std::size_t bytes() const { return text_.size(); }
  void truncate(std::size_t size);  // forgets the ids from `size` on; at least the empty string stays
  void clear() { truncate(1); }

 private:
  void index() const;  // puts what was added since into the buckets

  std::vector<char> text_;
  std::vector<std::uint32_t> ends_;
  // Open addressing over ids, 0 is free (the empty string is never looked up); made when first asked for, since most tables of
  // decoded frames are only read.
  mutable std::vector<std::uint32_t> buckets_;
  mutable std::size_t indexed_ = 1;  // ids below are in the buckets
};

}  // namespace pga::wire
