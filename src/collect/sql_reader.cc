#include "collect/sql_reader.h"

#include <charconv>
#include <numeric>

#include "base/text.h"
#include "logs/finding.h"
#include "sql/text.h"
#include "wire/limits.h"

namespace pga::collect {
namespace {

constexpr std::chrono::minutes kRefusedFor{10};
constexpr std::chrono::hours kProbeAgain{1};  // a view that this version does not have; rights and extensions are the facts' business

// A mark, which the server answers as a number or not at all.
std::int64_t number_of(std::string_view cell) {
  std::int64_t number = 0;
  std::from_chars(cell.data(), cell.data() + cell.size(), number);
  return number;
}

}  // namespace

wire::Outcome outcome_of(const pg::Failure& failure) {
  if (failure.deadline) return wire::Outcome::kTimeout;
  if (failure.sqlstate == "42P01" || failure.sqlstate == "42883" || failure.sqlstate == "42703" || failure.sqlstate == "3F000" ||
      failure.sqlstate == "55000") {
    return wire::Outcome::kAbsent;  // no such table, function, column, schema; library not loaded
  }
  if (failure.sqlstate == "42501") return wire::Outcome::kPrivilege;
  if (failure.sqlstate == "57014") return wire::Outcome::kTimeout;
  if (failure.sqlstate == "55P03") return wire::Outcome::kLock;
  if (failure.connection_lost) return wire::Outcome::kUnreachable;
  return wire::Outcome::kError;
}

Reading failed_reading(const pg::Failure& failure) {
  const std::string_view state = failure.sqlstate;
  if (!state.starts_with("22") && !state.starts_with("23") && !state.starts_with("P0"))
    return Reading::failed(outcome_of(failure), failure.message, failure.sqlstate);
  // What the data was not good for has the data in its words.
  logs::Event event;
  event[logs::Field::kSqlstate] = failure.sqlstate;
  event[logs::Field::kMessage] = failure.message;
  const logs::Finding said = logs::find(event);
  return Reading::failed(outcome_of(failure),
                         said.message.empty() ? std::string(said.name) + ", in words that may have a value in them" : said.message,
                         failure.sqlstate);
}

void SqlReader::forget() {
  ask_again();
  refused_.clear();
}

void SqlReader::ask_again() {
  plan_.reset();
  absent_.reset();
  absent_until_ = {};
}

// Whether there is another alternative to that one, whose reading was refused.
bool SqlReader::set_aside(const Reading& failure) {
  if (failure.outcome != wire::Outcome::kPrivilege || alternative_ + 1 >= source_.from.size()) return false;
  refused_.insert_or_assign(alternative_, failure);
  refused_until_ = clock_.steady_now() + kRefusedFor;
  refused_facts_ = facts_.version();
  ask_again();
  return true;
}

net::Task<std::optional<Reading>> SqlReader::probe(pg::Connection& connection, Deadline deadline) {
  std::string schema;
  if (!source_.role.empty() && !facts_.has_role(source_.role)) {
    co_return Reading::failed(wire::Outcome::kPrivilege, "the role has no rights of " + source_.role +
                                                             ", so rows of other users would be missing: GRANT pg_monitor TO it");
  }
  if (!source_.extension.empty()) {
    const auto found = facts_.extension(source_.extension);
    if (!found)
      co_return Reading::failed(wire::Outcome::kAbsent, "the extension " + source_.extension +
                                                            " is not installed in this database: CREATE EXTENSION " + source_.extension);
    schema = *found;
  }
  std::optional<Reading> why;  // a right that is missing says more than what is not there
  for (std::size_t alternative = 0; alternative < source_.from.size(); ++alternative) {
    if (const auto refused = refused_.find(alternative); refused != refused_.end()) {
      why = refused->second;
      continue;
    }
    auto rows = co_await connection.query(catalog::probe_sql(source_, alternative, schema), deadline);
    if (!rows) {
      Reading failed = failed_reading(rows.error());
      const bool denied = failed.outcome == wire::Outcome::kPrivilege;
      if (!denied && failed.outcome != wire::Outcome::kAbsent) co_return failed;
      if (!why || denied) why = std::move(failed);
      continue;
    }
    std::vector<std::string> available;
    for (std::size_t i = 0; i < rows->columns(); ++i) available.emplace_back(rows->name(i));
    auto plan = catalog::read_plan(source_, alternative, schema, available);
    if (plan) {
      plan_ = std::move(*plan);
      alternative_ = alternative;
      plan_facts_ = facts_.version();
      co_return std::nullopt;
    }
    if (!why) why = Reading::failed(wire::Outcome::kAbsent, plan.error().message);
  }
  co_return why;
}

net::Task<std::optional<Reading>> SqlReader::prepare(pg::Connection& connection, Deadline deadline) {
  auto unknown = co_await facts_.refresh(connection, deadline);
  if (unknown) co_return failed_reading(*unknown);
  const SteadyTime now = clock_.steady_now();
  if (!refused_.empty() && (now >= refused_until_ || refused_facts_ != facts_.version())) forget();
  if (plan_ && plan_facts_ == facts_.version()) co_return std::nullopt;
  plan_.reset();  // an alternative that stands before the one in use may have become possible
  if (absent_ && absent_facts_ == facts_.version() && now < absent_until_) co_return absent_;
  auto failed = co_await probe(connection, deadline);
  absent_.reset();
  if (failed && (failed->outcome == wire::Outcome::kAbsent || failed->outcome == wire::Outcome::kPrivilege)) {
    absent_ = failed;
    absent_until_ = now + kProbeAgain;
    absent_facts_ = facts_.version();
  }
  co_return failed;
}

net::Task<Reading> SqlReader::read(pg::Connection& connection, std::string new_keys, std::vector<std::int64_t> marks) {
  const std::int64_t started_us = to_micros(clock_.now());
  const SteadyTime started = clock_.steady_now();
  const Deadline deadline = started + source_.timeout;
  const auto finish = [&](Reading reading) {
    reading.started_us = started_us;
    reading.duration_us =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - started).count());
    return reading;
  };
  auto failed = co_await prepare(connection, deadline);
  if (failed) co_return finish(std::move(*failed));
  if (!marks.empty() && !plan_->moved_sql.empty()) {
    const std::size_t known = marks.size();
    std::string asked = plan_->moved_sql;
    auto asking = connection.query_prepared(std::move(asked), std::move(marks), deadline);
    auto moved = co_await std::move(asking);
    if (!moved) {
      Reading failure = failed_reading(moved.error());
      if (failure.outcome == wire::Outcome::kAbsent) ask_again();
      co_return finish(std::move(failure));
    }
    auto reading = convert_moved(std::move(*moved), known);
    if (reading) co_return finish(std::move(*reading));
  }
  std::string sql = plan_->sql;
  const auto at = sql.find("{new_keys}");
  const bool repeats = at == std::string::npos;
  if (!repeats) sql.replace(at, std::string_view("{new_keys}").size(), new_keys);
  auto running = repeats ? connection.query_prepared(std::move(sql), deadline) : connection.query(std::move(sql), deadline);
  auto rows = co_await std::move(running);
  if (!rows) {
    Reading failure = failed_reading(rows.error());
    if (failure.outcome == wire::Outcome::kAbsent) ask_again();  // it was there when we asked: dropped or upgraded since
    if (!set_aside(failure)) co_return finish(std::move(failure));
    auto other = co_await read(connection, new_keys);  // one alternative fewer
    if (other.outcome == wire::Outcome::kAbsent) co_return finish(std::move(failure));
    other.started_us = started_us;
    co_return other;
  }
  std::vector<std::uint32_t> all(rows->size());
  std::iota(all.begin(), all.end(), 0U);
  co_return finish(convert(std::make_shared<const pg::Rows>(std::move(*rows)), all, 0));
}

// Nothing if there are more rows by now than a reading may have: which of them are left out, only a reading of all can say.
std::optional<Reading> SqlReader::convert_moved(pg::Rows rows, std::size_t known) const {
  const std::size_t gone_at = plan_->columns.size() + 1;
  std::vector<std::uint32_t> moved;
  std::vector<std::int64_t> gone;
  for (std::uint32_t row = 0; row < rows.size(); ++row) {
    if (const auto mark = rows.at(row, gone_at)) {
      gone.push_back(number_of(*mark));
    } else {
      moved.push_back(row);
    }
  }
  if (known - gone.size() + moved.size() > source_.rows_max) return std::nullopt;
  Reading reading = convert(std::make_shared<const pg::Rows>(std::move(rows)), moved, 0);
  reading.cells.moved_only = true;
  reading.cells.gone = std::move(gone);
  return reading;
}

Reading SqlReader::convert(std::shared_ptr<const pg::Rows> rows, std::span<const std::uint32_t> chosen, std::size_t first) const {
  Reading reading;
  reading.missing = plan_->missing;
  Cells& cells = reading.cells;
  cells.rows = std::min(chosen.size(), source_.rows_max);
  if (chosen.size() > source_.rows_max) {
    reading.outcome = wire::Outcome::kLimit;
    reading.detail = "more than " + std::to_string(source_.rows_max) + " rows; the rest was left out";
  }
  cells.columns.resize(source_.columns.size());
  for (std::size_t i = 0; i < plan_->columns.size(); ++i) {
    const catalog::Column& declared = source_.columns[plan_->columns[i]];
    CellColumn& out = cells.columns[plan_->columns[i]];
    const bool text = declared.wire_type == wire::ColumnType::kString;
    out.values.resize(cells.rows);
    out.present.resize(cells.rows);
    if (text) out.texts.resize(cells.rows);
    for (std::size_t row = 0; row < cells.rows; ++row) {
      const auto cell = rows->at(chosen[row], first + i);
      if (!cell) continue;
      if (text) {
        // A database in SQL_ASCII answers any bytes; whatever it is, what travels is UTF-8 and bounded.
        out.texts[row] = *cell;
        if (declared.redact_sql) {
          std::string& kept = cells.storage.emplace_back(sql::scan_sql(*cell).redacted);
          out.texts[row] = kept;
        } else if (!is_utf8(*cell) || cell->size() > wire::kStringBytesMax) {
          std::string& kept = cells.storage.emplace_back(to_valid_utf8(cell->substr(0, wire::kStringBytesMax / 4)));
          out.texts[row] = kept;
        }
      } else {
        const auto value = parse_cell(declared, *cell);
        if (!value) {
          if (reading.detail.empty()) reading.detail = value.error().message;  // this cell alone is null
          continue;
        }
        out.values[row] = *value;
      }
      out.present[row] = 1;
    }
  }
  if (!plan_->moved_sql.empty()) {
    for (std::size_t row = 0; row < cells.rows; ++row)
      cells.marks.push_back(number_of(rows->at(chosen[row], first + plan_->columns.size()).value_or("")));
  }
  // The count stands in every row; without one there is nothing that was left out of.
  const auto locked = plan_->counts_locked && !chosen.empty() ? rows->at(chosen[0], first + plan_->columns.size()) : std::nullopt;
  if (locked && *locked != "0" && reading.outcome == wire::Outcome::kComplete) {
    reading.outcome = wire::Outcome::kLock;
    reading.detail = std::string(*locked) + " rows were left out, because somebody holds or awaits their relation in ACCESS EXCLUSIVE mode";
  }
  cells.owner = std::move(rows);
  return reading;
}

}  // namespace pga::collect
