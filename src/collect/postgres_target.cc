#include "collect/postgres_target.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "collect/gatherer.h"
#include "collect/log_target.h"
#include "collect/schedule.h"
#include "collect/sql_pass.h"
#include "net/retry.h"
#include "sql/text.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::chrono::seconds kIdentityTimeout{5};
constexpr std::chrono::milliseconds kStatementTimeout{15'000};  // the server's own guard behind the deadlines of the declarations
constexpr std::chrono::hours kConnectionAgeMax{1};              // backends of long-lived sessions only grow
constexpr std::chrono::seconds kDatabasesInterval{60};
constexpr std::chrono::seconds kUnreachableInterval{10};  // an unreachable server is not reported every second
constexpr std::size_t kDatabasesMax = 100;
constexpr const char* kNotAllowed = "plans are asked for only where \"explain: true\" stands for the target";
constexpr std::size_t kCellsLarge = 10'000;      // in one reading: megabytes, most of which are free afterwards
constexpr std::size_t kNewKeysMax = 5'000;       // in one question
constexpr std::size_t kTextsKnownMax = 100'000;  // beyond, new statements stay without a text

std::string array_literal(const std::set<std::int64_t>& keys) {
  std::string out = "{";
  for (const std::int64_t key : keys) out += (out.size() > 1 ? "," : "") + std::to_string(key);
  return out + "}";
}

std::size_t text_bytes(const Cells& cells) {
  std::size_t bytes = 0;
  for (const CellColumn& column : cells.columns) {
    for (const std::string_view text : column.texts) bytes += text.size();
  }
  return bytes;
}

// The texts of a kTexts reading redacted, each key once, fingerprints filled in.
void finish_texts(const catalog::Source& source, Reading& reading) {
  Cells in = std::move(reading.cells);
  Cells out;
  out.owner = in.owner;
  out.columns.resize(source.columns.size());
  std::set<std::int64_t> seen;
  const std::size_t key = source.keys()[0];
  for (std::size_t row = 0; row < in.rows; ++row) {
    if (!seen.insert(in.columns[key].values[row]).second) continue;
    ++out.rows;
    std::uint64_t fingerprint = 0;
    for (std::size_t i = 0; i < source.columns.size(); ++i) {
      if (in.columns[i].values.empty()) continue;
      CellColumn& column = out.columns[i];
      column.values.push_back(in.columns[i].values[row]);
      column.present.push_back(in.columns[i].present[row]);
      if (in.columns[i].texts.empty()) continue;
      sql::SqlText text = sql::scan_sql(in.columns[i].texts[row]);
      fingerprint = text.fingerprint;
      column.texts.push_back(out.storage.emplace_back(std::move(text.redacted)));
    }
    if (const catalog::Column* column = source.find("fingerprint")) {
      CellColumn& cells = out.columns[static_cast<std::size_t>(column - source.columns.data())];
      if (!cells.values.empty()) cells.values.back() = static_cast<std::int64_t>(fingerprint);
    }
  }
  reading.cells = std::move(out);
}

}  // namespace

// One database of the target with its connection and the sources that are read on it.
class PostgresTarget::Database {
 public:
  struct Item {
    Gatherer gatherer;
    SqlReader reader;
    SteadyTime unreachable_at{};
    SteadyTime read_at{};
  };
  // What is read at one time: a source with a statement of its own, or the small ones of one interval.
  struct Group {
    std::chrono::microseconds interval{};
    std::vector<Item*> items;
    std::unique_ptr<SqlPass> pass;  // only where there are several
  };

  explicit Database(Clock& clock) : facts(clock) {}

  std::string name;  // empty: whatever the connection's own parameters say
  bool main = false;
  bool running = false;
  bool wanted = true;
  ServerFacts facts;
  std::vector<std::unique_ptr<Item>> items;
  std::vector<Group> groups;
  std::unique_ptr<pg::Connection> connection;
  SteadyTime connected_at{};
  std::string system_identifier;        // of the server last seen
  std::string identity;                 // and its start time
  std::set<std::int64_t> texts_wanted;  // keys of followed sources whose texts are to be asked for
  std::set<std::int64_t> texts_known;   // asked for, sent, or told that there is none: never again while this server runs

  net::Task<pg::Answer<void>> connect(PostgresTarget& owner);
  void make_groups(const Intervals& intervals, Clock& clock);
  net::Task<> read(PostgresTarget& owner, Group& group);
  net::Task<Reading> read_alone(PostgresTarget& owner, Item& item, std::uint64_t& statements);  // sets it to 0 if nothing is to be asked
  void take(PostgresTarget& owner, Item& item, Reading reading);
  void unreachable(PostgresTarget& owner, Item& item, const std::string& why);
};

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
      explainer_({}, clock) {
  target_.kind = "postgres";
  target_.name = options_.name;
  logs_ = std::make_unique<LogTarget>(options_.logs, options_.name, target_, catalog, intervals, loop, outbox, stats, clock);
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

void PostgresTarget::Database::make_groups(const Intervals& intervals, Clock& clock) {
  groups.clear();
  for (const auto& item : items) {
    const catalog::Source& source = item->gatherer.source();
    const auto interval = intervals.of(source);
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      return group.interval == interval && group.items.front()->gatherer.source().is_small();
    });
    if (source.is_small() && same != groups.end()) {
      same->items.push_back(item.get());
    } else {
      groups.push_back({interval, {item.get()}, nullptr});
    }
  }
  for (Group& group : groups) {
    if (group.items.size() == 1) continue;
    std::vector<SqlReader*> readers;
    for (Item* item : group.items) readers.push_back(&item->reader);
    group.pass = std::make_unique<SqlPass>(std::move(readers), clock);
  }
}

net::Task<pg::Answer<void>> PostgresTarget::Database::connect(PostgresTarget& owner) {
  pg::ConnectOptions options = owner.options_.connect;
  if (!name.empty()) options.parameters["dbname"] = name;
  const SteadyTime now = owner.clock_.steady_now();
  auto made = co_await pg::Connection::connect(owner.loop_, std::move(options), kStatementTimeout, now + kConnectTimeout);
  if (!made) co_return tl::unexpected(std::move(made).error());
  connection = std::move(*made);
  connected_at = now;
  owner.stats_.count_statements(owner.target_, 2, 0);

  // Another server under the same address, or a restarted one, counts from somewhere else.
  std::int64_t asked_us = 0;
  const auto ask = [&](const char* expression) {
    asked_us = to_micros(owner.clock_.now());
    return connection->query(std::string("SELECT ") + expression +
                                 ", current_setting('server_version'), pg_postmaster_start_time()::text, current_database(), "
                                 "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
                             owner.clock_.steady_now() + kIdentityTimeout);
  };
  auto rows = co_await ask("(SELECT system_identifier::text FROM pg_control_system())");
  if (!rows && rows.error().sqlstate == "42501") rows = co_await ask("''");
  owner.stats_.count_statements(owner.target_, 1, 0);
  if (!rows) {
    connection.reset();
    co_return tl::unexpected(std::move(rows).error());
  }
  const auto cell = [&](std::size_t i) { return std::string(rows->at(0, i).value_or("")); };
  const std::string seen = cell(0) + " " + cell(2);
  if (seen != identity) {
    for (const auto& item : items) {
      item->gatherer.forget(cell(0) != system_identifier);
      item->reader.forget();
    }
    if (main) owner.explainer_.forget();
    if (main && cell(0) != system_identifier) owner.logs_->other_server();
    identity = seen;
    system_identifier = cell(0);
    facts.forget();
    texts_wanted.clear();
    texts_known.clear();
  }
  if (main) {
    std::string version = cell(1);
    version.resize(std::min(version.find(' '), version.size()));  // "15.18 (Debian …)"
    owner.target_.system_identifier = cell(0);
    owner.target_.version = version;
    owner.main_database_ = cell(3);
    const std::string server_us = cell(4);
    std::int64_t at_us = 0;
    std::from_chars(server_us.data(), server_us.data() + server_us.size(), at_us);
    owner.stats_.set_clock(owner.target_, at_us - (asked_us + to_micros(owner.clock_.now())) / 2);
    owner.local_servers_.set(owner.options_.name, owner.target_, connection->local_postmaster());
  }
  co_return pg::Answer<void>{};
}

net::Task<> PostgresTarget::Database::read(PostgresTarget& owner, Group& group) {
  const SteadyTime started = owner.clock_.steady_now();
  std::uint64_t statements = 1;
  std::size_t cells = 0;
  for (Item* item : group.items) item->read_at = started;
  if (group.pass) {
    auto readings = co_await group.pass->read(*connection);
    for (std::size_t i = 0; i < readings.size(); ++i) take(owner, *group.items[i], std::move(readings[i]));
  } else {
    auto reading = co_await read_alone(owner, *group.items.front(), statements);
    cells = reading.cells.rows * reading.cells.columns.size();
    take(owner, *group.items.front(), std::move(reading));
  }
  if (cells > kCellsLarge) let_go_of_memory();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(owner.clock_.steady_now() - started);
  owner.stats_.count_statements(owner.target_, statements, static_cast<std::uint64_t>(took.count()));
  if (!connection->alive()) connection.reset();
}

net::Task<Reading> PostgresTarget::Database::read_alone(PostgresTarget& owner, Item& item, std::uint64_t& statements) {
  const catalog::Source& source = item.gatherer.source();
  if (source.reader == Explainer::kReader && !owner.options_.explain) {
    Reading none = Reading::failed(wire::Outcome::kAbsent, kNotAllowed);  // so that whoever looks for plans learns why there are none
    none.started_us = to_micros(owner.clock_.now());
    statements = 0;
    co_return none;
  }
  if (source.reader == Explainer::kReader) {
    auto plans = co_await owner.explainer_.read(source, *connection, main ? owner.main_database_ : name, main);
    owner.stats_.statements += owner.explainer_.take_statements();
    --owner.stats_.statements;  // it was counted as one
    co_return plans;
  }
  if (source.shape != catalog::Shape::kTexts)
    co_return co_await item.reader.read(*connection, "", item.gatherer.marks(to_micros(owner.clock_.now())));

  std::set<std::int64_t> asked = std::move(texts_wanted);
  texts_wanted.clear();
  while (asked.size() > kNewKeysMax) texts_wanted.insert(asked.extract(std::prev(asked.end())));
  Reading reading;
  if (asked.empty()) {
    reading.started_us = to_micros(owner.clock_.now());
    reading.cells.columns.resize(source.columns.size());
    statements = 0;
  } else {
    reading = co_await item.reader.read(*connection, array_literal(asked));
  }
  bool all = reading.outcome == wire::Outcome::kComplete;
  if (wire::has_rows(reading.outcome)) {
    all = all && text_bytes(reading.cells) < catalog::kTextsBytesCut;
    finish_texts(source, reading);
    for (const std::int64_t key : reading.cells.columns[source.keys()[0]].values) asked.erase(key);
  }
  if (!all) texts_wanted.merge(asked);  // what was cut off or not read is asked for again
  co_return reading;
}

void PostgresTarget::Database::take(PostgresTarget& owner, Item& item, Reading reading) {
  const bool has_rows = wire::has_rows(reading.outcome);
  if (owner.options_.explain && item.gatherer.source().name == Explainer::kFollows)
    owner.explainer_.observe(item.gatherer.source(), reading);
  item.gatherer.add(owner.target_, std::move(reading));
  const std::string& source = item.gatherer.source().name;
  for (const std::int64_t key : item.gatherer.new_first_keys()) {
    const bool followed =
        std::any_of(items.begin(), items.end(), [&](const auto& other) { return other->gatherer.source().follows == source; });
    if (followed && has_rows && texts_known.size() < kTextsKnownMax && texts_known.insert(key).second) texts_wanted.insert(key);
  }
}

net::Task<> PostgresTarget::run() {
  databases_.front()->running = true;
  loop_.spawn(logs_->run());
  co_await run_database(*databases_.front());
}

void PostgresTarget::hand_over() { logs_->hand_over(); }

net::Task<> PostgresTarget::run_database(Database& database) {
  net::Backoff backoff({std::chrono::milliseconds{500}, std::chrono::milliseconds{15'000}}, random_);
  const std::string label = options_.name + (database.name.empty() ? "" : "/" + to_valid_utf8(database.name));
  Schedule schedule;
  std::uint64_t intervals_seen = intervals_.version();
  std::size_t list_entry = SIZE_MAX;
  std::size_t logs_entry = SIZE_MAX;
  const auto plan = [&] {
    schedule = {};
    for (const auto& group : database.groups) {
      SteadyTime read_at{};  // other intervals make other groups: what was read lately is not due at once
      for (const Database::Item* item : group.items) read_at = std::max(read_at, item->read_at);
      schedule.add(group.interval, read_at == SteadyTime{} ? clock_.steady_now() : read_at + group.interval);
    }
    if (!database.main) return;
    list_entry = schedule.add(kDatabasesInterval, clock_.steady_now());
    logs_entry = schedule.add(LogTarget::kTendInterval, clock_.steady_now());
  };
  plan();
  SteadyTime connect_again{};
  std::string failure;

  while (database.wanted && !outbox_.closed() && !loop_.stopping() && !schedule.empty()) {
    if (!database.connection && clock_.steady_now() >= connect_again) {
      auto connected = co_await database.connect(*this);
      if (connected) {
        if (!failure.empty()) log_info(label, "connected again");
        failure.clear();
        backoff.succeeded();
      } else {
        if (failure != connected.error().message) log_warning(label, connected.error().message);
        failure = connected.error().message;
        connect_again = clock_.steady_now() + backoff.next();
      }
    }
    if (intervals_seen != intervals_.version()) {
      intervals_seen = intervals_.version();
      database.make_groups(intervals_, clock_);
      plan();
    }
    const Schedule::Due due = schedule.next();
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(due.at - clock_.steady_now());
    if (pause.count() > 0) {
      const auto nap = database.connection ? pause : std::min<std::chrono::microseconds>(pause, std::chrono::milliseconds{250});
      const Status slept = co_await loop_.sleep(nap);
      if (!slept) break;
      if (nap < pause || outbox_.closed()) continue;
    }
    if (due.entry == list_entry) {
      if (database.connection) co_await follow_databases(database);
    } else if (due.entry == logs_entry) {
      if (database.connection) co_await logs_->tend(*database.connection);
      if (database.connection && !database.connection->alive()) database.connection.reset();
    } else if (database.connection) {
      if (clock_.steady_now() - database.connected_at > kConnectionAgeMax) {
        database.connection.reset();
        continue;
      }
      co_await database.read(*this, database.groups[due.entry]);
    } else {
      for (Database::Item* item : database.groups[due.entry].items) database.unreachable(*this, *item, failure);
    }
    schedule.done(due.entry, clock_.steady_now());
    if (outbox_.is_full()) static_cast<void>(co_await outbox_.flush());
  }
  database.connection.reset();
  database.running = false;
}

void PostgresTarget::Database::unreachable(PostgresTarget& owner, Item& item, const std::string& why) {
  const SteadyTime now = owner.clock_.steady_now();
  if (now - item.unreachable_at < kUnreachableInterval) return;
  item.unreachable_at = now;
  Reading reading = Reading::failed(wire::Outcome::kUnreachable, why);
  reading.started_us = to_micros(owner.clock_.now());
  item.gatherer.add(owner.target_, std::move(reading));
}

// Starts watching the databases that are there and stops with those that are gone.
net::Task<> PostgresTarget::follow_databases(Database& main) {
  std::vector<std::string> names = options_.databases;
  if (options_.all_databases) {
    auto rows = co_await main.connection->query("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY oid",
                                                clock_.steady_now() + kIdentityTimeout);
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
        for (const auto& item : database.items) database.unreachable(*this, *item, connected.error().message);
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
  }
  co_return true;
}

}  // namespace pga::collect
