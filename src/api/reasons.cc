#include "api/reasons.h"

#include <algorithm>

namespace pga::api {
namespace {

std::string ago(std::int64_t at_us, WallTime now) { return duration_text(std::chrono::microseconds(to_micros(now) - at_us)) + " ago"; }

// What the collector's silence means, or nothing when it is not silent.
std::optional<std::string> silence(const std::optional<directory::Collector>& collector, WallTime now) {
  if (!collector) return "no collector watches it";
  if (collector->revoked) return "collector " + collector->name + " was revoked";
  if (!collector->last_seen) return "collector " + collector->name + " has enrolled and not pushed anything yet";
  if (now - *collector->last_seen > kFreshFor)
    return "collector " + collector->name + " pushed last " + ago(to_micros(*collector->last_seen), now);
  return std::nullopt;
}

std::string failure(const store::BatchState& state) {
  std::string text(wire::to_string(state.failed_outcome));
  if (!state.failed_detail.empty()) text += ": " + state.failed_detail;
  return text;
}

}  // namespace

std::string duration_text(std::chrono::microseconds duration) {
  const auto seconds = std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(duration).count());
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7'200) return std::to_string(seconds / 60) + " min";
  if (seconds < 172'800) return std::to_string(seconds / 3'600) + " h";
  return std::to_string(seconds / 86'400) + " d";
}

std::string why_empty(const SourceReadings& r, bool filtered) {
  const auto state = std::find_if(r.states.begin(), r.states.end(), [&](const auto& s) { return s.source == r.source.name; });
  if (state != r.states.end()) {
    if (state->complete > 0) {
      const std::string read = r.source.name + " was read " + std::to_string(state->complete) + " times in this window";
      return filtered ? read + ", but nothing matches the filter" : read + " and had nothing to show";
    }
    if (state->failed > 0) {
      return "all " + std::to_string(state->failed) + " readings of " + r.source.name + " in this window failed: " + failure(*state);
    }
    if (state->rows_refused > 0) return std::to_string(state->rows_refused) + " rows of " + r.source.name + " were refused";
  }
  const auto unreachable =
      std::find_if(r.states.begin(), r.states.end(), [](const auto& s) { return s.failed_outcome == wire::Outcome::kUnreachable; });
  if (unreachable != r.states.end() && unreachable->last_us == unreachable->last_failed_us) {
    return r.server.name + " could not be reached: " + (unreachable->failed_detail.empty() ? "no answer" : unreachable->failed_detail);
  }
  const std::string nothing = "no collector has pushed " + r.source.name + " of " + r.server.name + " in this window";
  if (const auto silent = silence(r.collector, r.now)) return nothing + ": " + *silent;
  if (r.states.empty()) return nothing + ", nor anything else of it";
  return nothing + "; it is read every " + duration_text(r.source.interval);
}

bool is_unavailable(const catalog::Source* source, wire::Outcome outcome) {
  if (outcome == wire::Outcome::kPrivilege) return source != nullptr && source->role.empty();
  return outcome == wire::Outcome::kAbsent;
}

std::string_view to_string(Freshness freshness) {
  switch (freshness) {
    case Freshness::kFresh:
      return "fresh";
    case Freshness::kStale:
      return "stale";
    case Freshness::kUnreachable:
      return "unreachable";
    case Freshness::kWaiting:
      return "waiting";
  }
  return "waiting";
}

ServerState server_state(const store::InstanceSummary& summary, const std::optional<directory::Collector>& collector,
                         const std::string& unreachable_detail, WallTime now) {
  const auto silent = silence(collector, now);
  const std::int64_t seen = summary.last_seen_us.value_or(0);
  if (summary.last_unreachable_us.value_or(0) > seen && !silent) {
    return {Freshness::kUnreachable, unreachable_detail.empty() ? "collector " + collector->name + " cannot connect" : unreachable_detail};
  }
  if (seen == 0) {
    if (collector && collector->last_seen && silent) return {Freshness::kStale, silent};
    return {Freshness::kWaiting, silent ? *silent : "nothing has arrived yet"};
  }
  const auto age = std::chrono::microseconds(to_micros(now) - seen);
  if (age <= kFreshFor) return {Freshness::kFresh, std::nullopt};
  return {Freshness::kStale, silent ? *silent : "the newest reading is " + duration_text(age) + " old"};
}

}  // namespace pga::api
