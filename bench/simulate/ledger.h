// What must be true in the end, kept outside of everything that may crash.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/interval_set.h"
#include "wire/frame.h"

namespace pga::simulate {

struct FrameId {
  std::uint32_t collector = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
  auto operator<=>(const FrameId&) const = default;
};
std::string to_string(const FrameId& id);
std::uint64_t hash_of(const wire::Frame& frame);  // of its content, whatever its bytes

class Ledger {
 public:
  // The collector's disk has these rows in frames first..last of its stream: flush() said so.
  void spooled(std::uint32_t collector, std::uint64_t epoch, std::uint64_t first, std::uint64_t last, std::vector<std::uint64_t> rows);
  void acknowledged_by_server(const FrameId& id) { server_acknowledged_.insert(id); }  // the answer left the server
  void acknowledged(const FrameId& id, std::uint64_t hash, std::int64_t sent_us);      // the collector forgets it
  void stored(std::uint32_t collector, const wire::Frame& frame);
  [[nodiscard]] bool has(const FrameId& id) const { return stored_.contains(id); }
  void lost_by_store(const FrameId& id);  // before anybody synced it
  // From outside: something that no check at the end would see.
  void violation(std::string what) { violations_.push_back(std::move(what)); }

  // What is wrong, in words; empty if nothing.
  [[nodiscard]] std::vector<std::string> judge() const;
  [[nodiscard]] std::uint64_t rows_spooled() const { return rows_spooled_; }
  [[nodiscard]] std::uint64_t rows_stored() const { return rows_.size(); }
  [[nodiscard]] std::uint64_t frames_acknowledged() const { return acknowledged_.size(); }
  [[nodiscard]] std::uint64_t frames_in_gaps() const;
  [[nodiscard]] std::int64_t newest_sent_us(std::uint32_t collector) const;  // of what was acknowledged; 0: nothing

 private:
  struct Spooled {
    std::uint32_t collector;
    std::uint64_t epoch, first, last;
    std::vector<std::uint64_t> rows;
  };
  struct Stored {
    std::uint64_t hash = 0;
    int times = 0;
    std::vector<std::uint64_t> rows = {};
    std::vector<wire::Gap> gaps = {};
  };
  using Stream = std::pair<std::uint32_t, std::uint64_t>;
  [[nodiscard]] std::map<Stream, IntervalSet> gaps() const;

  std::vector<Spooled> spooled_;
  std::set<FrameId> server_acknowledged_;
  std::map<FrameId, std::uint64_t> acknowledged_;  // hash
  std::map<FrameId, Stored> stored_;
  std::map<std::uint64_t, int> rows_;  // how often each is stored
  std::vector<std::string> violations_;
  std::map<std::uint32_t, std::int64_t> newest_sent_us_;
  std::uint64_t rows_spooled_ = 0;
};

}  // namespace pga::simulate
