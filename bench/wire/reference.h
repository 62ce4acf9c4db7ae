// What a decoded push must say, computed from the recording alone, by subtraction: no line of this is shared with the collector.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "recording.h"
#include "wire/frame.h"

namespace pga::bench {

class Reference {
 public:
  // Compares every row and cell of the push with the snapshot; returns how many differ. The first few are printed to stderr.
  std::size_t mismatches(const Snapshot& snapshot, const wire::Frame& decoded);
  [[nodiscard]] std::size_t cells_compared() const { return cells_compared_; }

 private:
  using Rows = std::map<std::string, std::size_t>;  // key -> row of the reading
  struct Last {
    const collect::Reading* reading = nullptr;
    Rows rows;
  };
  std::size_t compare(const catalog::Source& source, const collect::Reading& reading, const wire::Frame& frame, const wire::Batch& batch);
  void differs(const catalog::Source& source, const std::string& key, const std::string& what);

  std::map<std::string, Last> last_;
  std::size_t differing_ = 0;
  std::size_t cells_compared_ = 0;
};

// The columns that do not travel since they follow from others: how many cells of the recording are not total / count, to 1 ns.
std::size_t means_that_do_not_follow(const Recording& recording);

}  // namespace pga::bench
