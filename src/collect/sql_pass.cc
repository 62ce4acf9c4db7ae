#include "collect/sql_pass.h"

#include <charconv>

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kBudget{10};   // of a pass
constexpr std::chrono::seconds kTogether{3};  // of the statement for all
constexpr std::chrono::minutes kAlone{10};

}  // namespace

// False if the statement failed for a reason of one of them.
net::Task<bool> SqlPass::read_together(pg::Connection& connection, Deadline deadline, std::vector<Reading>& readings,
                                       std::vector<bool>& done) {
  const SteadyTime now = clock_.steady_now();
  std::vector<const catalog::ReadPlan*> plans;
  std::vector<std::size_t> members;
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    if (done[i] || alone_until_[i] > now) continue;
    plans.push_back(&*readers_[i]->plan());
    members.push_back(i);
  }
  if (members.size() < 2) co_return true;
  const Deadline together = std::min<Deadline>(deadline, now + kTogether);
  auto answer = co_await connection.query_prepared(catalog::union_sql(plans), together);
  if (!answer && !answer.error().connection_lost) co_return false;
  if (!answer) {
    for (const std::size_t i : members) {
      readings[i] = failed_reading(answer.error());
      done[i] = true;
    }
    co_return true;
  }
  const auto rows = std::make_shared<const pg::Rows>(std::move(*answer));
  std::vector<std::vector<std::uint32_t>> chosen(members.size());
  for (std::uint32_t row = 0; row < rows->size(); ++row) {
    const std::string_view cell = rows->at(row, 0).value_or("");
    std::size_t member = chosen.size();
    std::from_chars(cell.data(), cell.data() + cell.size(), member);
    if (member < chosen.size()) chosen[member].push_back(row);
  }
  for (std::size_t m = 0; m < members.size(); ++m) {
    readings[members[m]] = readers_[members[m]]->convert(rows, chosen[m], 1);
    done[members[m]] = true;
  }
  co_return true;
}

net::Task<std::vector<Reading>> SqlPass::read(pg::Connection& connection) {
  const std::int64_t started_us = to_micros(clock_.now());
  const SteadyTime started = clock_.steady_now();
  const Deadline deadline = started + kBudget;
  std::vector<Reading> readings(readers_.size());
  std::vector<bool> done(readers_.size());
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    auto failed =
        co_await readers_[i]->prepare(connection, std::min<Deadline>(deadline, clock_.steady_now() + readers_[i]->source().timeout));
    if (!failed) continue;
    readings[i] = std::move(*failed);
    done[i] = true;
  }
  const bool together = co_await read_together(connection, deadline, readings, done);
  const auto duration = [&] {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - started).count());
  };
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    readings[i].started_us = started_us;
    readings[i].duration_us = duration();
  }
  std::size_t slowest = readers_.size();
  bool one_failed = false;
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    if (done[i]) continue;
    if (clock_.steady_now() >= deadline) {
      readings[i] =
          Reading::failed(wire::Outcome::kTimeout, "the sources that are read together used up the " + std::to_string(kBudget.count()) +
                                                       " s that they have; this one was not reached");
      readings[i].started_us = started_us;
      readings[i].duration_us = duration();
      continue;
    }
    readings[i] = co_await readers_[i]->read(connection);
    if (together) continue;
    const bool failed = !readings[i].has_rows();
    if (failed) alone_until_[i] = clock_.steady_now() + kAlone;
    one_failed |= failed;
    if (slowest == readers_.size() || readings[i].duration_us > readings[slowest].duration_us) slowest = i;
  }
  if (!one_failed && slowest < readers_.size()) alone_until_[slowest] = clock_.steady_now() + kAlone;  // together they took too long
  co_return readings;
}

}  // namespace pga::collect
