#include "collect/connection_gate.h"

#include <algorithm>

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kFresh{2};          // of what the server said
constexpr std::chrono::seconds kSoon{1};           // who has a reading due within keeps its connection
constexpr std::chrono::seconds kTurn{5};           // and loses it all the same after so long, where others wait
constexpr std::chrono::seconds kForgotten{5};      // who did not ask for so long waits no more
constexpr std::chrono::seconds kPatience{10};      // after the server had none
constexpr std::chrono::milliseconds kAgain{100};   // whose turn is next asks so often,
constexpr std::chrono::milliseconds kLater{1000};  // and who has to wait for longer so often
constexpr std::int64_t kLeftMin = 3;               // connections that stay for everybody else,
constexpr std::int64_t kLeftPart = 20;             // or one of so many

}  // namespace

// The one that rests and has had its connection longest.
const ConnectionGate::Holder* ConnectionGate::to_give_way(SteadyTime now) const {
  const Holder* best = nullptr;
  for (const Holder& holder : holders_) {
    if (holder.works || (holder.due <= now + kSoon && now - holder.since < kTurn)) continue;
    if (best == nullptr || holder.since < best->since) best = &holder;
  }
  return best;
}

std::int64_t ConnectionGate::kept_for_others(std::int64_t max) { return std::max(kLeftMin, max / kLeftPart); }

// Why nothing is opened, whoever's turn it is.
ConnectionGate::Answer ConnectionGate::not_now(const std::string& database, SteadyTime now) {
  Answer answer;
  answer.again = kLater;
  if (now < patient_until_) {
    answer.why = patient_why_;
    return answer;
  }
  if (!is_told_ || now - told_at_ > kFresh) {
    wants_server_ = true;
    answer.why = "the server is being asked how many connections it has left";
    answer.again = kAgain;
    return answer;
  }
  const std::int64_t left = server_.max - server_.kept_back - server_.used - opened_since_;
  const std::int64_t keep = kept_for_others(server_.max);
  if (left <= keep) {
    answer.why = "of " + std::to_string(server_.max) + " connections of the server " + std::to_string(std::max<std::int64_t>(left, 0)) +
                 " are left for everybody; none is opened while they are no more than " + std::to_string(keep);
  } else if (server_.held.contains(database)) {
    answer.why = "somebody holds or awaits the database in ACCESS EXCLUSIVE mode: connecting would wait for it";
  }
  return answer;
}

ConnectionGate::Answer ConnectionGate::ask(Id who, const std::string& database) {
  const SteadyTime now = clock_.steady_now();
  std::erase_if(waiting_, [&](const Waiting& w) { return w.id != who && now - w.asked_at > kForgotten; });
  auto place = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& w) { return w.id == who; });
  if (place == waiting_.end()) place = waiting_.insert(waiting_.end(), {who, now});
  place->asked_at = now;
  const auto ahead = static_cast<std::size_t>(place - waiting_.begin());
  const std::size_t free = places_ - std::min(places_, holders_.size());
  Answer answer;
  if (ahead >= free) {
    const Holder* holder = ahead == free ? to_give_way(now) : nullptr;
    if (holder == nullptr) {
      answer.why = "waits for its turn: connections_max of the target is " + std::to_string(places_ + 1) + ", and " +
                   std::to_string(waiting_.size()) + " databases wait for a connection";
      answer.again = std::min(kAgain * static_cast<int>(ahead - free + 1), kLater);
      return answer;
    }
    answer.instead_of = holder->id;
  }
  Answer refusal = not_now(database, now);
  if (!refusal.why.empty()) return refusal;
  if (answer.instead_of != nullptr) leave(answer.instead_of);
  waiting_.erase(place);
  holders_.push_back({who, now});
  ++opened_since_;
  answer.open = true;
  return answer;
}

void ConnectionGate::rests(Id who, SteadyTime due) {
  for (Holder& holder : holders_) {
    if (holder.id != who) continue;
    holder.works = false;
    holder.due = due;
  }
}

void ConnectionGate::works(Id who) {
  for (Holder& holder : holders_) {
    if (holder.id == who) holder.works = true;
  }
}

void ConnectionGate::leave(Id who) {
  std::erase_if(holders_, [&](const Holder& holder) { return holder.id == who; });
}

void ConnectionGate::forget(Id who) {
  leave(who);
  std::erase_if(waiting_, [&](const Waiting& w) { return w.id == who; });
}

void ConnectionGate::told(Server server) {
  server_ = std::move(server);
  told_at_ = clock_.steady_now();
  is_told_ = true;
  wants_server_ = false;
  opened_since_ = 0;
}

void ConnectionGate::refused(std::string why) {
  patient_until_ = clock_.steady_now() + kPatience;
  patient_why_ = std::move(why);
  wants_server_ = false;
}

}  // namespace pga::collect
