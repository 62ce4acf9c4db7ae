// How often each source is read: as its declaration says unless a person says otherwise, who may do so while it runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "catalog/catalog.h"

namespace pga::collect {

class Intervals {
 public:
  using BySource = std::map<std::string, std::chrono::microseconds>;

  Intervals() = default;
  explicit Intervals(BySource overrides) : overrides_(std::move(overrides)) {}

  void set(BySource overrides) {
    if (overrides == overrides_) return;
    overrides_ = std::move(overrides);
    ++version_;
  }
  [[nodiscard]] std::chrono::microseconds of(const catalog::Source& source) const {
    const auto found = overrides_.find(source.name);
    return found == overrides_.end() ? source.interval : found->second;
  }
  [[nodiscard]] std::uint64_t version() const { return version_; }  // another one: schedules are to be made anew

 private:
  BySource overrides_;
  std::uint64_t version_ = 0;
};

}  // namespace pga::collect
