// Turns the bytes of a log into the rows of postgres.log_events, within limits: so many of a class, so many in all, so many bytes of text
// at a time. What is beyond is counted by class.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "collect/cells.h"
#include "collect/log_options.h"
#include "collect/logged_plans.h"
#include "logs/event.h"
#include "logs/finding.h"

namespace pga::collect {

class LogFollower {
 public:
  // The plans of auto_explain among the events go to `plans`, which outlives this.
  explicit LogFollower(LoggedPlans& plans) : plans_(plans) {}

  // The next bytes are of another log, or of the same one after a gap.
  void begin(LogFormat format, const std::string& prefix, std::int64_t zone_offset_us);
  void feed(std::string_view bytes);
  void settle();  // nothing came for a while
  void cut();     // what was open will not go on
  void lost(std::uint64_t bytes);
  [[nodiscard]] bool begun() const { return parser_ != nullptr; }
  [[nodiscard]] std::uint64_t open_bytes() const { return parser_ ? parser_->open_bytes() : 0; }

  // The rows since the last call; kLimit when some were left out.
  Reading take_events(const catalog::Source& source);
  // How many rows were added since the start, and whether the first `up_to` of them were taken.
  [[nodiscard]] std::uint64_t added() const { return added_; }
  [[nodiscard]] bool are_taken(std::uint64_t up_to) const { return added_ - findings_.size() >= up_to; }
  // What was counted since the start of the process.
  [[nodiscard]] Reading counts(const catalog::Source& source) const;

 private:
  struct Count {
    std::int64_t events = 0;
    std::int64_t dropped = 0;
    std::int64_t cut_bytes = 0;
  };
  static constexpr std::size_t kRowsMax = 1'000;            // a reading
  static constexpr std::size_t kRowsOfClassMax = 200;       // of them, so that what floods the log hides nothing else
  static constexpr std::size_t kTextBytesMax = 512 * 1024;  // of a reading
  static constexpr std::size_t kCountsMax = 1'000;          // classes times severities

  void add(const logs::Event& event);
  void add_plan(const logs::Event& event, const logs::Finding& finding);
  Count& count(std::string_view name, const std::string& severity);

  LoggedPlans& plans_;
  std::unique_ptr<logs::Parser> parser_;
  std::int64_t zone_offset_us_ = 0;
  std::vector<logs::Finding> findings_;
  std::uint64_t added_ = 0;  // to findings_
  std::map<std::string_view, std::size_t> rows_of_class_;
  std::size_t text_bytes_ = 0;
  std::size_t dropped_ = 0;  // since the last take_events()
  std::map<std::pair<std::string, std::string>, Count> counts_;
};

}  // namespace pga::collect
