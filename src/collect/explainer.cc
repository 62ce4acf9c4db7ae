#include "collect/explainer.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "collect/row_writer.h"
#include "collect/sql_reader.h"
#include "sql/plan.h"
#include "sql/text.h"

namespace pga::collect {
namespace {

constexpr std::size_t kWantedMax = 20;         // chosen in one reading
constexpr std::size_t kWaitingMax = 50;        // of one database
constexpr std::size_t kChosenMax = 20'000;     // remembered; beyond, everything is forgotten and explained again within the budget
constexpr std::size_t kKnownMax = 20'000;      // the same
constexpr std::size_t kTextBytesMax = 65'536;  // longer statements are not explained

std::string quote_literal(std::string_view text) {
  std::string out = " E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

// A setting of search_path with the role of the statement in the place of "$user", which would be ours.
std::string path_of(std::string_view setting, std::string_view role) {
  std::string path(setting);
  for (const std::string_view user : {"\"$user\"", "$user"}) {
    if (const auto at = path.find(user); at != std::string::npos) path.replace(at, user.size(), catalog::quote_identifier(role));
  }
  return path;
}

const CellColumn* column_of(const catalog::Source& source, const Reading& reading, std::string_view name) {
  const catalog::Column* column = source.find(name);
  if (column == nullptr) return nullptr;
  const CellColumn& cells = reading.cells.columns[static_cast<std::size_t>(column - source.columns.data())];
  return cells.present.empty() ? nullptr : &cells;
}

}  // namespace

void Explainer::forget() {
  wanted_.clear();
  waiting_.clear();
  chosen_.clear();
  known_.clear();
  extension_schema_.clear();
}

void Explainer::observe(const catalog::Source& statements, const Reading& reading) {
  if (!reading.has_rows()) return;
  const CellColumn* id = column_of(statements, reading, "queryid");
  const CellColumn* database = column_of(statements, reading, "datname");
  const CellColumn* calls = column_of(statements, reading, "calls");
  const CellColumn* total = column_of(statements, reading, "total_exec_time");
  if (id == nullptr || database == nullptr || calls == nullptr || total == nullptr) return;
  const SteadyTime now = clock_.steady_now();
  const std::int64_t mean_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(options_.mean_min).count();
  struct Slow {
    std::int64_t total_ns;
    std::size_t row;
  };
  std::vector<Slow> slow;
  for (std::size_t row = 0; row < reading.cells.rows; ++row) {
    if (calls->values[row] <= 0 || total->values[row] / calls->values[row] < mean_ns) continue;
    slow.push_back({total->values[row], row});
  }
  std::sort(slow.begin(), slow.end(), [](const Slow& a, const Slow& b) { return a.total_ns > b.total_ns; });
  if (chosen_.size() > kChosenMax) chosen_.clear();
  for (const Slow& entry : slow) {
    if (wanted_.size() >= kWantedMax) break;
    const Key key{std::string(database->texts[entry.row]), id->values[entry.row]};
    const auto before = chosen_.find(key);
    if (before != chosen_.end() && now - before->second < options_.again) continue;
    chosen_[key] = now;
    wanted_.push_back(key);
  }
}

// What PostgreSQL keeps of the statements, with the search_path that their role has in their database.
net::Task<pg::Answer<void>> Explainer::fetch_texts(pg::Connection& connection, Deadline deadline) {
  if (extension_schema_.empty()) {
    ++statements_;
    auto rows = co_await connection.query(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'",
        deadline);
    if (!rows) co_return tl::unexpected(std::move(rows).error());
    if (rows->size() == 0) co_return pg::Answer<void>{};
    extension_schema_ = catalog::quote_identifier(rows->at(0, 0).value_or(""));
  }
  std::string keys;
  for (const auto& [database, id] : wanted_) keys += (keys.empty() ? "" : ",") + std::to_string(id);
  ++statements_;
  auto rows = co_await connection.query(
      "SELECT s.queryid, d.datname, pg_get_userbyid(s.userid), s.query, coalesce((SELECT substr(c.setting, 13) FROM (SELECT r.setdatabase, "
      "r.setrole, "
      "unnest(r.setconfig) AS setting FROM pg_db_role_setting r WHERE r.setdatabase IN (0, s.dbid) AND r.setrole IN (0, s.userid)) c WHERE "
      "c.setting LIKE "
      "'search_path=%' ORDER BY c.setrole <> 0 DESC, c.setdatabase <> 0 DESC LIMIT 1), '\"$user\", public') FROM " +
          extension_schema_ + ".pg_stat_statements(true) s JOIN pg_database d ON d.oid = s.dbid WHERE s.queryid = ANY ('{" + keys +
          "}'::bigint[]) AND length(s.query) <= " + std::to_string(kTextBytesMax) +
          " AND s.userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user) LIMIT 100",  // not what the collector itself runs
      deadline);
  if (!rows) {
    extension_schema_.clear();
    co_return tl::unexpected(std::move(rows).error());
  }
  std::set<Key> asked(wanted_.begin(), wanted_.end());
  wanted_.clear();
  for (std::size_t row = 0; row < rows->size(); ++row) {
    const auto cell = [&](std::size_t column) { return rows->at(row, column).value_or(""); };
    const std::string database(cell(1));
    std::int64_t id = 0;
    for (const auto& [wanted_database, wanted_id] : asked) {
      if (wanted_database == database && std::to_string(wanted_id) == cell(0)) id = wanted_id;
    }
    if (asked.erase({database, id}) == 0) continue;  // another database's, or a second role's
    auto text = sql::explainable(cell(3));
    if (!text) continue;  // a utility statement
    auto& waiting = waiting_[database];
    if (waiting.size() < kWaitingMax)
      waiting.push_back({id, std::move(*text), sql::scan_sql(cell(3)).fingerprint, path_of(cell(4), cell(2))});
  }
  co_return pg::Answer<void>{};
}

// Whether this is a time and a role to explain at all; if not, `failures` says why.
net::Task<pg::Answer<bool>> Explainer::may_explain(pg::Connection& connection, Deadline deadline, Failures& failures) {
  ++statements_;
  auto rows = co_await connection.query(
      "SELECT current_setting('is_superuser'), EXISTS (SELECT FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' "
      "AND database = "
      "(SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid())",
      deadline);
  if (!rows) co_return tl::unexpected(std::move(rows).error());
  const bool superuser = rows->at(0, 0).value_or("") == "on";
  const bool locked = rows->at(0, 1).value_or("") == "t";
  if (superuser) ++failures.by_reason["the role is a superuser, with whose rights functions of others would run"];
  if (locked && !superuser) ++failures.by_reason["a relation is locked exclusively"];
  co_return !superuser && !locked;
}

// The plan as JSON. The session is as it was before, whatever happens.
net::Task<pg::Answer<std::string>> Explainer::explain(pg::Connection& connection, const Statement& statement, Deadline deadline) {
  const sql::Explainable& wanted = statement.text;
  const bool prepare = wanted.parameters > 0 && connection.server_version() < 160'000;
  std::string begin = "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan; SELECT set_config('search_path'," +
                      quote_literal(statement.search_path) + ", true)";
  ++statements_;
  auto begun = co_await connection.query(std::move(begin), deadline);
  std::optional<pg::Failure> failure;
  if (!begun) failure = std::move(begun).error();
  bool prepared = false;
  if (!failure && prepare) {
    std::string text = "PREPARE pganalytics_plan AS " + wanted.text;
    ++statements_;
    auto made = co_await connection.query(std::move(text), deadline);
    prepared = made.has_value();
    if (!made) failure = std::move(made).error();
  }
  std::string json;
  if (!failure) {
    std::string text = "EXPLAIN (FORMAT JSON";
    if (prepare) {
      text += ") EXECUTE pganalytics_plan (NULL";
      for (std::size_t i = 1; i < wanted.parameters; ++i) text += ", NULL";
      text += ")";
    } else {
      text += (wanted.parameters > 0 ? ", GENERIC_PLAN) " : ") ") + wanted.text;
    }
    ++statements_;
    auto plan = co_await connection.query(std::move(text), deadline);
    if (plan)
      json = plan->at(0, 0).value_or("");
    else
      failure = std::move(plan).error();
  }
  if (connection.alive()) {
    std::string end = prepared ? "ROLLBACK; DEALLOCATE pganalytics_plan" : "ROLLBACK";
    ++statements_;
    auto ended = co_await connection.query(std::move(end), clock_.steady_now() + std::chrono::seconds{2});
    if (!ended && !failure) failure = std::move(ended).error();
  }
  if (failure) co_return tl::unexpected(std::move(*failure));
  co_return json;
}

std::vector<Explainer::Statement> Explainer::take(const std::string& database) {
  std::vector<Statement> out;
  const SteadyTime now = clock_.steady_now();
  while (!spent_.empty() && now - spent_.front() > std::chrono::hours{1}) spent_.pop_front();
  const auto found = waiting_.find(database);
  if (found == waiting_.end()) return out;
  while (!found->second.empty() && out.size() < options_.per_reading && spent_.size() < options_.per_hour) {
    out.push_back(std::move(found->second.front()));
    found->second.pop_front();
    spent_.push_back(now);
  }
  return out;
}

bool Explainer::is_new(std::int64_t query_id, std::uint64_t fingerprint) {
  if (known_.size() >= kKnownMax) known_.clear();
  return known_.insert({query_id, fingerprint}).second;
}

net::Task<Reading> Explainer::read(const catalog::Source& source, pg::Connection& connection, std::string database, bool main) {
  const std::int64_t started_us = to_micros(clock_.now());
  const SteadyTime started = clock_.steady_now();
  const Deadline deadline = started + source.timeout;
  const auto finish = [&](Reading reading) {
    reading.started_us = started_us;
    reading.duration_us =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - started).count());
    return reading;
  };
  if (main && !wanted_.empty()) {
    auto fetched = co_await fetch_texts(connection, deadline);
    if (!fetched) co_return finish(Reading::failed(outcome_of(fetched.error()), fetched.error().message, fetched.error().sqlstate));
  }
  Reading reading;
  reading.cells.columns.resize(source.columns.size());
  const auto waits = waiting_.find(database);
  if (waits == waiting_.end() || waits->second.empty()) co_return finish(std::move(reading));

  Failures failures;
  auto may = co_await may_explain(connection, deadline, failures);
  if (!may) co_return finish(Reading::failed(outcome_of(may.error()), may.error().message, may.error().sqlstate));
  std::vector<Statement> statements;
  if (*may) statements = take(database);
  RowWriter rows(source, reading.cells);
  for (const Statement& statement : statements) {
    auto answer = co_await explain(connection, statement, deadline);
    if (!answer) {
      const pg::Failure& why = answer.error();
      ++failures.by_reason[why.sqlstate.empty() ? (why.deadline          ? "timeout"
                                                   : why.connection_lost ? "connection lost"
                                                                         : why.message)
                                                : why.sqlstate];
      if (failures.first_sqlstate.empty()) failures.first_sqlstate = why.sqlstate;
      if (!connection.alive()) break;
      continue;
    }
    auto plan = sql::parse_plan(*answer);
    if (!plan) {
      ++failures.by_reason[plan.error().message];
      continue;
    }
    if (!is_new(statement.query_id, plan->fingerprint)) continue;
    rows.row();
    rows.set("queryid", statement.query_id);
    rows.set("plan_fingerprint", static_cast<std::int64_t>(plan->fingerprint));
    rows.set("fingerprint", static_cast<std::int64_t>(statement.fingerprint));
    rows.set_text("origin", "explain");
    rows.set_double("total_cost", plan->total_cost);
    rows.set_double("plan_rows", plan->rows);
    rows.set("nodes", static_cast<std::int64_t>(plan->nodes));
    rows.set_text("plan", std::move(plan->redacted));
  }
  for (const auto& [reason, count] : failures.by_reason)
    reading.detail += (reading.detail.empty() ? "not explained: " : ", ") + std::to_string(count) + " for " + reason;
  reading.sqlstate = failures.first_sqlstate;
  co_return finish(std::move(reading));
}

}  // namespace pga::collect
