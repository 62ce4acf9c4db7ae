// One event of a server's log as the server wrote it: nothing of it may leave the host before finding.h has looked at it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace pga::logs {

// The columns of csvlog in the order of PostgreSQL 14 and later; the other formats fill the same.
enum class Field : std::uint8_t {
  kTime,
  kUser,
  kDatabase,
  kPid,
  kRemote,
  kSession,
  kLine,
  kCommand,
  kSessionStart,
  kVirtualXid,
  kXid,
  kSeverity,
  kSqlstate,
  kMessage,
  kDetail,
  kHint,
  kInternalQuery,
  kInternalPosition,
  kContext,
  kStatement,
  kPosition,
  kLocation,
  kApplication,
  kBackendType,
  kLeaderPid,
  kQueryId,
  kCount
};
inline constexpr std::size_t kFields = static_cast<std::size_t>(Field::kCount);

struct Event {
  std::array<std::string, kFields> fields;  // bounded by limits.h; any bytes
  std::uint64_t cut_bytes = 0;              // of this event that were not kept
  bool unparsed = false;                    // no event of the format: everything is in kMessage
  bool incomplete = false;                  // the log ended inside of it

  std::string& operator[](Field field) { return fields[static_cast<std::size_t>(field)]; }
  const std::string& operator[](Field field) const { return fields[static_cast<std::size_t>(field)]; }
  void append(Field field, std::string_view bytes);
  void clear();
};

// A format of log. Takes bytes in any pieces and never fails: what is not an event of the format comes out as unparsed.
class Parser {
 public:
  using Sink = std::function<void(Event&)>;
  virtual ~Parser() = default;

  virtual void feed(std::string_view bytes) = 0;
  // Nothing came for a while: an event that is known to be whole only when the next one begins comes out all the same.
  virtual void settle() {}
  // Nothing more will come: what is open comes out, marked incomplete where it cannot be whole.
  virtual void finish() = 0;
  // Bytes fed since the last event that was complete: reading again from there loses and doubles nothing.
  [[nodiscard]] virtual std::uint64_t open_bytes() const = 0;
};

// "2026-11-28 19:12:50.123 UTC" or "… +02". Of the abbreviations of zones only UTC and GMT are known.
struct LogTime {
  std::int64_t us = 0;  // since 1970, as if it were UTC where the zone is not known
  bool zone_known = false;
};
// False if it is no time.
bool parse_log_time(std::string_view text, LogTime& out);

}  // namespace pga::logs
