#include "collect/postgres_database.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "collect/log_target.h"
#include "sql/text.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::chrono::seconds kIdentityTimeout{5};
constexpr std::chrono::milliseconds kStatementTimeout{15'000};  // the server's own guard behind the deadlines of the declarations
constexpr std::chrono::seconds kUnreachableInterval{10};        // an unreachable server is not reported every second
constexpr const char* kNotAllowed = "plans are asked for only where \"explain: true\" stands for the target";
constexpr std::size_t kCellsLarge = 10'000;      // in one reading: megabytes, most of which are free afterwards
constexpr std::size_t kNewKeysMax = 5'000;       // in one question
constexpr std::size_t kTextsKnownMax = 100'000;  // beyond, new statements stay without a text

std::string in_seconds(std::chrono::microseconds time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

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

std::string PostgresTarget::Database::label(const PostgresTarget& owner) const {
  return owner.options_.name + (name.empty() ? "" : "/" + to_valid_utf8(name));
}

std::string PostgresTarget::Database::Group::names() const {
  std::string out = items.front()->gatherer.source().name;
  if (items.size() > 1) out += " and " + std::to_string(items.size() - 1) + " that are read with it";
  return out;
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
      groups.emplace_back();
      groups.back().interval = groups.back().read_every = interval;
      groups.back().items = {item.get()};
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
  for (Group& group : groups) group.fresh = true;
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
  const Outbox::Expecting expecting(owner.outbox_);
  const SteadyTime started = owner.clock_.steady_now();
  std::uint64_t statements = 1;
  bool timed_out = false;
  std::size_t cells = 0;
  for (Item* item : group.items) item->read_at = started;
  if (group.pass) {
    auto readings = co_await group.pass->read(*connection);
    for (std::size_t i = 0; i < readings.size(); ++i) take(owner, *group.items[i], std::move(readings[i]));
  } else {
    auto reading = co_await read_alone(owner, *group.items.front(), statements);
    timed_out = reading.outcome == wire::Outcome::kTimeout;
    cells = reading.cells.rows * reading.cells.columns.size();
    take(owner, *group.items.front(), std::move(reading));
  }
  if (cells > kCellsLarge) let_go_of_memory();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(owner.clock_.steady_now() - started);
  owner.stats_.count_statements(owner.target_, statements, static_cast<std::uint64_t>(took.count()));
  const bool fresh = std::exchange(group.fresh, false);
  if ((!fresh || timed_out) && statements > 0) observe(owner, group, took, timed_out);
  if (!connection->alive()) connection.reset();
}

std::size_t PostgresTarget::Database::strained() const {
  return static_cast<std::size_t>(
      std::count_if(groups.begin(), groups.end(), [](const Group& group) { return !group.is_dear() && group.strain.stretch() > 1; }));
}

// What is small takes long only when the server suffers, and then the dear sources of all databases are read less often, too.
void PostgresTarget::Database::observe(PostgresTarget& owner, Group& group, std::chrono::microseconds took, bool timed_out) {
  const bool was_strained = group.strain.stretch() > 1;
  if (!group.strain.observe(took, timed_out)) return;
  const bool strained = group.strain.stretch() > 1;
  const std::string every = in_seconds(group.strain.stretched(group.interval));
  if (!strained)
    log_info(label(owner), group.names() + ": is read every " + every + " again");
  else
    log_warning(label(owner), group.names() + ": " + group.strain.why() + "; it is read every " + every + " instead of every " +
                                  in_seconds(group.interval));
  if (group.is_dear() || strained == was_strained) return;
  if (!strained)
    --owner.suffering_;
  else if (++owner.suffering_ == 1)
    owner.suffers_why_ = group.names() + ": " + group.strain.why();
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
  if (reading.has_rows()) {
    all = all && text_bytes(reading.cells) < catalog::kTextsBytesCut;
    finish_texts(source, reading);
    for (const std::int64_t key : reading.cells.columns[source.keys()[0]].values) asked.erase(key);
  }
  if (!all) texts_wanted.merge(asked);  // what was cut off or not read is asked for again
  co_return reading;
}

void PostgresTarget::Database::take(PostgresTarget& owner, Item& item, Reading reading) {
  const bool has_rows = reading.has_rows();
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

void PostgresTarget::Database::unreachable(PostgresTarget& owner, Item& item, const pg::Failure& why) {
  const SteadyTime now = owner.clock_.steady_now();
  if (now - item.unreachable_at < kUnreachableInterval) return;
  item.unreachable_at = now;
  Reading reading = Reading::failed(wire::Outcome::kUnreachable, why.message, why.sqlstate);
  reading.started_us = to_micros(owner.clock_.now());
  item.gatherer.add(owner.target_, std::move(reading));
}

// The server can be reached, but this database has no connection to it yet.
void PostgresTarget::Database::not_in_turn(PostgresTarget& owner, Item& item) {
  const SteadyTime now = owner.clock_.steady_now();
  if (now - item.unreachable_at < kUnreachableInterval) return;
  item.unreachable_at = now;
  Reading reading = Reading::failed(wire::Outcome::kError, waits_why, kTooManyConnections);
  reading.started_us = to_micros(owner.clock_.now());
  item.gatherer.add(owner.target_, std::move(reading));
}

}  // namespace pga::collect
