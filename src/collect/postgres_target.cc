#include "collect/postgres_target.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "collect/log_target.h"
#include "collect/postgres_database.h"
#include "collect/schedule.h"
#include "collect/server_connections.h"
#include "net/retry.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kAskTimeout{5};
constexpr std::chrono::hours kConnectionAgeMax{1};  // backends of long-lived sessions only grow
constexpr std::chrono::seconds kDatabasesInterval{60};
constexpr std::size_t kDatabasesMax = 100;
constexpr std::chrono::milliseconds kAskAgain{100};         // who waits for a connection
constexpr std::chrono::milliseconds kMainStart{1'000};      // collectors and targets that start together do not connect together,
constexpr std::chrono::milliseconds kDatabaseStart{5'000};  // and neither do databases
constexpr std::uint32_t kStretchOfDear = 4;                 // while the server suffers
constexpr net::RetryOptions kRetry{std::chrono::milliseconds{500}, std::chrono::milliseconds{15'000}};
constexpr net::RetryOptions kRetryWhenFull{std::chrono::milliseconds{10'000}, std::chrono::milliseconds{60'000}};

}  // namespace

PostgresTarget::PostgresTarget(PostgresTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals,
                               LocalServers& local_servers, net::Loop& loop, Outbox& outbox, SelfStats& stats, Clock& clock, Random& random)
    : options_(std::move(options)),
      catalog_(catalog),
      intervals_(intervals),
      local_servers_(local_servers),
      loop_(loop),
      outbox_(outbox),
      stats_(stats),
      clock_(clock),
      random_(random),
      explainer_({}, clock),
      gate_(options_.connections_max, clock),
      wanted_(loop) {
  target_.kind = "postgres";
  target_.name = options_.name;
  logs_ = std::make_unique<LogTarget>(options_.logs, options_.beat, options_.name, target_, catalog, intervals, loop, outbox, stats, clock);
  add_database("", true);
}

PostgresTarget::~PostgresTarget() = default;

PostgresTarget::Database& PostgresTarget::add_database(const std::string& name, bool main) {
  auto database = std::make_unique<Database>(clock_);
  database->name = name;
  database->main = main;
  // Texts after the sources that they follow, so that the first pass finds new keys already.
  for (const bool texts : {false, true}) {
    for (const catalog::Source& source : catalog_.sources()) {
      if ((source.shape == catalog::Shape::kTexts) != texts || is_log_source(source)) continue;
      if (source.scope != catalog::Scope::kDatabase && !(main && source.scope == catalog::Scope::kInstance)) continue;
      if (!source.reader.empty() && source.reader != Explainer::kReader) continue;
      database->items.push_back(std::make_unique<Database::Item>(
          Database::Item{Gatherer(source, name, outbox_, stats_), SqlReader(source, database->facts, clock_)}));
    }
  }
  database->make_groups(intervals_, clock_);
  return *databases_.emplace_back(std::move(database));
}

net::Task<> PostgresTarget::run() {
  databases_.front()->running = true;
  loop_.spawn(logs_->run());
  co_await run_database(*databases_.front());
}

net::Task<> PostgresTarget::hand_over() { co_await logs_->hand_over(); }

// Whether the database may connect now; if not, database.waits_why says why, or nothing where the server cannot be reached at all.
net::Task<bool> PostgresTarget::may_connect(Database& database, std::chrono::milliseconds& again) {
  if (database.main) co_return true;
  if (!databases_.front()->connection) {
    again = kAskAgain;
    database.waits_why = main_failure_.message.empty() ? "the server was not reached yet" : "";
    co_return false;
  }
  const ConnectionGate::Answer answer = gate_.ask(&database, database.name);
  again = answer.again;
  if (gate_.wants_server()) wanted_.set();
  if (!answer.open) {
    database.waits_why = answer.why;
    co_return false;
  }
  for (const auto& other : databases_) {
    if (other.get() != answer.instead_of) continue;
    auto connection = std::move(other->connection);
    if (connection) co_await pg::Connection::close(std::move(connection));
    break;
  }
  co_return true;
}

net::Task<> PostgresTarget::let_go(Database& database) {
  gate_.leave(&database);
  auto connection = std::move(database.connection);
  if (connection) co_await pg::Connection::close(std::move(connection));
}

net::Task<> PostgresTarget::ask_for_connections(Database& main) {
  wanted_.reset();
  auto server = co_await server_connections(*main.connection, clock_.steady_now() + kAskTimeout);
  stats_.count_statements(target_, 1, 0);
  if (!main.connection->alive()) main.connection.reset();
  if (server)
    gate_.told(std::move(*server));
  else
    gate_.refused("it is not known how many connections the server has left: " + server.error().message);
}

net::Task<> PostgresTarget::run_database(Database& database) {
  net::Backoff backoff(kRetry, random_);
  net::Backoff patience(kRetryWhenFull, random_);
  const std::string label = database.label(*this);
  const SteadyTime begun = clock_.steady_now() + std::chrono::duration_cast<SteadyTime::duration>(
                                                     (database.main ? kMainStart : kDatabaseStart) * random_.next_unit());
  const double lead = random_.next_unit() / 2;  // of an interval, by which the second reading comes earlier: in the end few coincide
  // Each database has a beat of its own, so that one server is not read over many connections at once.
  const SteadyTime beat =
      options_.beat + std::chrono::duration_cast<SteadyTime::duration>(Schedule::kBeat * (database.main ? 0.0 : random_.next_unit()));
  Schedule schedule(beat);
  std::uint64_t intervals_seen = intervals_.version();
  std::size_t list_entry = SIZE_MAX;
  std::size_t logs_entry = SIZE_MAX;
  const auto plan = [&] {
    schedule = Schedule(beat);
    for (auto& group : database.groups) {
      SteadyTime read_at{};  // other intervals make other groups: what was read lately is not due at once
      for (const Database::Item* item : group.items) read_at = std::max(read_at, item->read_at);
      const bool first = read_at == SteadyTime{};
      schedule.add(group.interval, first ? std::max(begun, clock_.steady_now()) : read_at + group.interval,
                   first ? std::chrono::duration_cast<std::chrono::microseconds>(group.interval * lead) : std::chrono::microseconds{0});
    }
    if (!database.main) return;
    list_entry = schedule.add(kDatabasesInterval, begun);
    logs_entry = schedule.add(LogTarget::kTendInterval, begun);
  };
  const auto stretch = [&] {
    for (std::size_t i = 0; i < database.groups.size(); ++i) {
      Database::Group& group = database.groups[i];
      const auto every = group.strain.stretched(group.interval, suffering_ > 0 && group.is_dear() ? kStretchOfDear : 1);
      if (every == group.read_every) continue;
      group.read_every = every;
      schedule.set_interval(i, every, clock_.steady_now());
    }
  };
  plan();
  SteadyTime connect_again = begun;
  pg::Failure failure;
  bool failed = false;

  while (database.wanted && !outbox_.closed() && !loop_.stopping() && !schedule.empty()) {
    if (!database.connection) gate_.leave(&database);
    if (intervals_seen != intervals_.version()) {
      intervals_seen = intervals_.version();
      suffering_ -= database.strained();
      database.make_groups(intervals_, clock_);
      plan();
    }
    stretch();
    const Schedule::Due due = schedule.next();
    const bool is_due = due.at <= clock_.steady_now();
    if (!is_due) database.waits_why.clear();
    // The main connection is there all the time; another database's when something is due.
    if (!database.connection && clock_.steady_now() >= connect_again && (database.main || is_due)) {
      std::chrono::milliseconds again{};
      const bool may = co_await may_connect(database, again);
      if (may) {
        auto connected = co_await database.connect(*this);
        if (connected) {
          if (failed) log_info(label, "connected again");
          failed = false;
          failure = {};
          database.waits_why.clear();
          backoff.succeeded();
          patience.succeeded();
        } else {
          gate_.leave(&database);
          if (!failed || failure.message != connected.error().message) log_warning(label, connected.error().message);
          failed = true;
          failure = std::move(connected).error();
          const bool full = failure.sqlstate == kTooManyConnections;
          if (full) gate_.refused(failure.message);
          connect_again = clock_.steady_now() + (full ? std::max(kRetryWhenFull.first / 2, patience.next()) : backoff.next());
          database.waits_why.clear();
        }
        if (database.main) main_failure_ = failure;
      } else {
        if (database.waits_why.empty()) failure = main_failure_;
        connect_again = clock_.steady_now() + again;
      }
    }
    if (database.main && database.connection && gate_.wants_server()) {
      co_await ask_for_connections(database);
      continue;
    }
    if (is_due && !database.connection && !database.waits_why.empty()) {
      // Who waits for its turn leaves a reading out only when the next one is due.
      for (std::size_t i = 0; i < database.groups.size(); ++i) {
        if (clock_.steady_now() - schedule.due_at(i) < database.groups[i].read_every) continue;
        for (Database::Item* item : database.groups[i].items) database.not_in_turn(*this, *item);
        schedule.done(i, clock_.steady_now());
      }
      const auto nap = std::max<SteadyTime::duration>(connect_again - clock_.steady_now(), std::chrono::milliseconds{1});
      const Status slept = co_await loop_.sleep(std::chrono::duration_cast<std::chrono::microseconds>(nap));
      if (!slept) break;
      continue;
    }
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(due.at - clock_.steady_now());
    if (pause.count() > 0) {
      const bool reconnects = !database.connection && (database.main || failed);
      const auto nap = reconnects ? std::min<std::chrono::microseconds>(pause, std::chrono::milliseconds{250}) : pause;
      gate_.rests(&database, due.at);
      auto sleep = database.main ? wanted_.wait(clock_.steady_now() + nap) : loop_.sleep(nap);
      const Status slept = co_await std::move(sleep);
      if (!slept && slept.error().code == ErrorCode::kCancelled) break;
      if (slept && database.main) wanted_.reset();
      if (nap < pause || outbox_.closed() || (slept && database.main)) continue;
      if (!database.main) continue;  // its connection may be another's by now
    }
    gate_.works(&database);
    if (due.entry == list_entry) {
      if (database.connection) co_await follow_databases(database);
    } else if (due.entry == logs_entry) {
      if (database.connection) co_await logs_->tend(*database.connection);
      if (database.connection && !database.connection->alive()) database.connection.reset();
    } else if (database.connection) {
      if (clock_.steady_now() - database.connected_at > kConnectionAgeMax) {
        co_await let_go(database);
        continue;
      }
      co_await database.read(*this, database.groups[due.entry]);
      stretch();
    } else if (clock_.steady_now() >= connect_again) {
      continue;  // it became due just now, and nobody has tried to connect
    } else {
      for (Database::Item* item : database.groups[due.entry].items) database.unreachable(*this, *item, failure);
    }
    schedule.done(due.entry, clock_.steady_now());
    if (outbox_.is_full()) static_cast<void>(co_await outbox_.flush());
  }
  database.connection.reset();
  gate_.forget(&database);
  suffering_ -= database.strained();
  database.running = false;
}

TargetState PostgresTarget::state() const {
  TargetState state;
  state.name = options_.name;
  state.databases = databases_.size();
  state.connections_max = options_.connections_max;
  for (const auto& database : databases_) {
    const std::string name = to_valid_utf8(database->main && database->name.empty() ? main_database_ : database->name);
    if (database->connection) ++state.connections;
    if (!database->waits_why.empty()) state.waiting.push_back({name, database->waits_why});
    for (const Database::Group& group : database->groups) {
      if (group.read_every == group.interval) continue;
      state.stretched.push_back({name, group.names(), group.read_every, group.interval,
                                 group.strain.stretch() > 1 ? group.strain.why() : "the server suffers: " + suffers_why_});
    }
  }
  return state;
}

// Starts watching the databases that are there and stops with those that are gone.
net::Task<> PostgresTarget::follow_databases(Database& main) {
  std::vector<std::string> names = options_.databases;
  if (options_.all_databases) {
    auto rows = co_await main.connection->query("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY oid",
                                                clock_.steady_now() + kAskTimeout);
    stats_.count_statements(target_, 1, 0);
    if (!rows) {
      log_warning(options_.name, "cannot list databases: " + rows.error().message);
      if (!main.connection->alive()) main.connection.reset();
      co_return;
    }
    for (std::size_t i = 0; i < rows->size(); ++i) names.emplace_back(rows->at(i, 0).value_or(""));
    if (names.size() > kDatabasesMax) {
      log_warning(options_.name, std::to_string(names.size()) + " databases exceed the limit of " + std::to_string(kDatabasesMax) +
                                     "; name those to watch under databases:");
      names.resize(kDatabasesMax);
    }
  }
  std::erase(names, main_database_);  // the main connection reads it
  std::erase_if(databases_, [&](const auto& database) { return !database->main && !database->wanted && !database->running; });
  for (const auto& database : databases_) {
    if (!database->main) database->wanted = std::find(names.begin(), names.end(), database->name) != names.end();
  }
  for (const std::string& name : names) {
    const bool known = std::any_of(databases_.begin(), databases_.end(), [&](const auto& database) { return database->name == name; });
    if (known) continue;
    Database& database = add_database(name, false);
    database.running = true;
    if (watching_) loop_.spawn(run_database(database));
  }
}

net::Task<bool> PostgresTarget::read_once() {
  watching_ = false;
  Database& main = *databases_.front();
  for (std::size_t i = 0; i < databases_.size(); ++i) {
    Database& database = *databases_[i];
    if (!database.connection) {
      auto connected = co_await database.connect(*this);
      if (!connected) {
        log_error(options_.name, connected.error().message);
        for (const auto& item : database.items) database.unreachable(*this, *item, connected.error());
        if (database.main) co_return false;
        continue;
      }
    }
    if (database.main && databases_.size() == 1) co_await follow_databases(main);
    if (database.main && database.connection) {
      co_await logs_->tend(*database.connection);
      co_await logs_->read_once();
    }
    for (Database::Group& group : database.groups) {
      if (database.connection) co_await database.read(*this, group);
    }
    if (!database.main && databases_.size() > options_.connections_max) co_await let_go(database);
  }
  co_return true;
}

}  // namespace pga::collect
