// What leaves the host of an event: its class, what is known to be safe of its texts, and the numbers in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "logs/event.h"
#include "logs/template.h"

namespace pga::logs {

inline constexpr std::string_view kUnknownClass = "unknown";    // an event whose message and SQLSTATE say nothing to us
inline constexpr std::string_view kUnparsedClass = "unparsed";  // a line that is no event of the format

struct Finding {
  std::int64_t time_us = 0;  // 0: the event has none
  std::string_view name;     // class
  std::string severity;      // in English, where we know the word; else as it stands there
  std::string sqlstate;      // empty if the log has none
  std::string user, database, application, backend_type, client;
  std::string session;  // start and process id in hexadecimal: with `line` it names the event
  std::optional<std::int64_t> pid, leader_pid, query_id, line;
  std::string message;  // redacted; empty: nothing of it may leave
  std::string detail;   // the same, line by line; "$?" for a line that is not known
  std::string context;
  std::string statement;                    // literals are "$?"
  std::uint64_t statement_fingerprint = 0;  // 0: no statement
  std::uint64_t shape = 0;                  // of the message: equal for messages that differ in numbers and quoted values only
  std::vector<Extracted> fields;
  std::uint64_t cut_bytes = 0;

  [[nodiscard]] const Extracted* field(std::string_view name) const;
};

// Never fails. `zone_offset_us`: of log_timezone, for logs whose times have an abbreviation that is not UTC.
Finding find(const Event& event, std::int64_t zone_offset_us = 0);

// The fields as one JSON object, for those that have no column.
std::string fields_as_json(const std::vector<Extracted>& fields);

}  // namespace pga::logs
