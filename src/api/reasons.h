// Why there is nothing to see: derived from what the readings and the collectors said, so that no panel is empty without a sentence.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "directory/fleet.h"
#include "store/queries.h"

namespace pga::api {

inline constexpr std::chrono::seconds kFreshFor{60};  // without anything new for longer, a server or collector is stale

// "3 s", "5 min", "2 h", "4 d"
std::string duration_text(std::chrono::microseconds duration);

// What is known about one source of one server in a window.
struct SourceReadings {
  const catalog::Source& source;
  const directory::Server& server;
  std::optional<directory::Collector> collector;  // that watches the server
  std::vector<store::BatchState> states;          // of the server in the window, all sources
  WallTime now{};
};

// The sentence for an answer without rows. `filtered`: the request narrows what would be there.
std::string why_empty(const SourceReadings& readings, bool filtered);

// Whether that outcome says that something optional is not there, which is no failure: a view of another version, an extension that is not
// installed, a right that nobody has to grant. The rights of pg_monitor are not optional.
bool is_unavailable(const catalog::Source* source, wire::Outcome outcome);

enum class Freshness : std::uint8_t { kFresh, kStale, kUnreachable, kWaiting };
std::string_view to_string(Freshness freshness);

struct ServerState {
  Freshness freshness = Freshness::kWaiting;
  std::optional<std::string> reason;
};
// `unreachable_detail`: the words of the newest failure to connect, may be empty.
ServerState server_state(const store::InstanceSummary& summary, const std::optional<directory::Collector>& collector,
                         const std::string& unreachable_detail, WallTime now);

}  // namespace pga::api
