// What the server can say, by class. Found by SQLSTATE first, which no language changes, and by the English message.
#pragma once

#include <span>
#include <string_view>

#include "logs/template.h"

namespace pga::logs {

// One way of saying one thing. Where several begin alike, the longer ones stand first.
struct Saying {
  std::string_view name;      // of the class
  std::string_view sqlstate;  // the event's must begin with it, if the log has SQLSTATEs; empty: any
  std::string_view pattern;   // of the first line, or of the whole message (template.h)
};
std::span<const Saying> sayings();

// Classes of SQLSTATEs whose messages are not, or not always, known: the longest that the event's begins with.
struct StateClass {
  std::string_view sqlstate;
  std::string_view name;
};
std::span<const StateClass> state_classes();

// Lines behind the first one of a message, of details and of contexts.
std::span<const std::string_view> message_lines();
std::span<const std::string_view> detail_lines();
std::span<const std::string_view> context_lines();

}  // namespace pga::logs
