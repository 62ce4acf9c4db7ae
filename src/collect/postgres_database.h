// One database of a PostgreSQL target: its connection and what is read on it. For postgres_target.cc only.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "collect/gatherer.h"
#include "collect/postgres_target.h"
#include "collect/sql_pass.h"
#include "collect/strain.h"

namespace pga::collect {

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
    Strain strain;
    bool fresh = true;                       // not read on this connection yet
    std::chrono::microseconds read_every{};  // `interval`, or longer while that is a strain

    // Whether its declaration expects it to take the server some time.
    [[nodiscard]] bool is_dear() const { return !pass && items.front()->gatherer.source().timeout > std::chrono::seconds{2}; }
    [[nodiscard]] std::string names() const;
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
  std::string waits_why;                // for a connection that it needs; empty: it does not
  std::string system_identifier;        // of the server last seen
  std::string identity;                 // and its start time
  std::set<std::int64_t> texts_wanted;  // keys of followed sources whose texts are to be asked for
  std::set<std::int64_t> texts_known;   // asked for, sent, or told that there is none: never again while this server runs

  net::Task<pg::Answer<void>> connect(PostgresTarget& owner);
  void make_groups(const Intervals& intervals, Clock& clock);
  net::Task<> read(PostgresTarget& owner, Group& group);
  net::Task<Reading> read_alone(PostgresTarget& owner, Item& item, std::uint64_t& statements);  // sets it to 0 if nothing is to be asked
  void take(PostgresTarget& owner, Item& item, Reading reading);
  [[nodiscard]] std::size_t strained() const;  // cheap groups that have become a strain
  void observe(PostgresTarget& owner, Group& group, std::chrono::microseconds took, bool timed_out);
  [[nodiscard]] std::string label(const PostgresTarget& owner) const;
  void unreachable(PostgresTarget& owner, Item& item, const pg::Failure& why);
  void not_in_turn(PostgresTarget& owner, Item& item);
};

}  // namespace pga::collect
