#include "collect/connection_gate.h"

#include <doctest/doctest.h>

namespace pga::collect {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Databases {
  FakeClock clock;
  int ids[8] = {};
  ConnectionGate::Id id(int i) const { return &ids[i]; }
};

ConnectionGate::Server plenty() { return {100, 3, 10, {}}; }

TEST_CASE("nothing is opened before the server was asked, and again when its answer is old") {
  Databases d;
  ConnectionGate gate(10, d.clock);
  CHECK(!gate.wants_server());
  CHECK(!gate.ask(d.id(0), "a").open);
  CHECK(gate.wants_server());
  gate.told(plenty());
  CHECK(!gate.wants_server());
  CHECK(gate.ask(d.id(0), "a").open);
  d.clock.advance(seconds{3});
  const auto late = gate.ask(d.id(1), "b");
  CHECK(!late.open);
  CHECK(late.why == "the server is being asked how many connections it has left");
  CHECK(gate.wants_server());
}

TEST_CASE("nothing is opened when few connections are left for others") {
  struct Case {
    const char* what;
    ConnectionGate::Server server;
    const char* why;
  };
  const Case cases[] = {
      {"plenty", plenty(), ""},
      {"one more than is kept", {100, 3, 91, {}}, ""},
      {"five of a hundred",
       {100, 3, 92, {}},
       "of 100 connections of the server 5 are left for everybody; none is opened while they are no more than 5"},
      {"three of few",
       {20, 3, 14, {}},
       "of 20 connections of the server 3 are left for everybody; none is opened while they are no more than 3"},
      {"reserved ones are used already",
       {100, 13, 90, {}},
       "of 100 connections of the server 0 are left for everybody; none is opened while they are no more than 5"},
      {"another database is held", {100, 3, 10, {"b"}}, ""},
      {"the database is held",
       {100, 3, 10, {"a", "b"}},
       "somebody holds or awaits the database in ACCESS EXCLUSIVE mode: connecting would wait for it"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Databases d;
    ConnectionGate gate(10, d.clock);
    gate.told(c.server);
    const auto answer = gate.ask(d.id(0), "a");
    CHECK(answer.why == c.why);
    CHECK(answer.open == answer.why.empty());
  }
}

TEST_CASE("what was opened since the server answered counts as used") {
  Databases d;
  ConnectionGate gate(10, d.clock);
  gate.told({100, 3, 90, {}});  // seven left, five kept
  CHECK(gate.ask(d.id(0), "a").open);
  CHECK(gate.ask(d.id(1), "b").open);
  CHECK(!gate.ask(d.id(2), "c").open);
}

TEST_CASE("a server that had no connection left is not asked for one for a while") {
  Databases d;
  ConnectionGate gate(10, d.clock);
  gate.told(plenty());
  gate.refused("sorry, too many clients already");
  CHECK(gate.ask(d.id(0), "a").why == "sorry, too many clients already");
  CHECK(!gate.wants_server());
  d.clock.advance(seconds{11});
  gate.told(plenty());
  CHECK(gate.ask(d.id(0), "a").open);
}

TEST_CASE("more databases than connections take turns, first come, first served") {
  Databases d;
  ConnectionGate gate(3, d.clock);  // one of them the main one's
  gate.told(plenty());
  CHECK(gate.ask(d.id(0), "a").open);
  CHECK(gate.ask(d.id(1), "b").open);
  const auto third = gate.ask(d.id(2), "c");
  CHECK(!third.open);
  CHECK(third.why == "waits for its turn: connections_max of the target is 3, and 1 databases wait for a connection");
  CHECK(!gate.ask(d.id(3), "d").open);

  gate.rests(d.id(1), d.clock.steady_now() + seconds{60});
  CHECK(!gate.ask(d.id(3), "d").open);  // the third came first
  const auto turn = gate.ask(d.id(2), "c");
  CHECK(turn.open);
  CHECK(turn.instead_of == d.id(1));
  CHECK(gate.holders() == 2);

  CHECK(!gate.ask(d.id(3), "d").open);  // nobody rests
  gate.leave(d.id(0));
  const auto free = gate.ask(d.id(3), "d");
  CHECK(free.open);
  CHECK(free.instead_of == nullptr);
}

TEST_CASE("who has a reading due at once keeps its connection, but not for ever") {
  Databases d;
  ConnectionGate gate(2, d.clock);
  gate.told(plenty());
  CHECK(gate.ask(d.id(0), "a").open);
  gate.rests(d.id(0), d.clock.steady_now() + milliseconds{100});
  CHECK(!gate.ask(d.id(1), "b").open);
  d.clock.advance(seconds{6});
  gate.told(plenty());
  gate.rests(d.id(0), d.clock.steady_now() + milliseconds{100});
  CHECK(gate.ask(d.id(1), "b").instead_of == d.id(0));
}

TEST_CASE("nobody gives way to one that may not connect") {
  Databases d;
  ConnectionGate gate(2, d.clock);
  gate.told(plenty());
  CHECK(gate.ask(d.id(0), "a").open);
  gate.rests(d.id(0), d.clock.steady_now() + seconds{60});
  gate.told({100, 3, 97, {}});
  const auto answer = gate.ask(d.id(1), "b");
  CHECK(!answer.open);
  CHECK(answer.instead_of == nullptr);
  CHECK(gate.holders() == 1);
}

TEST_CASE("who does not ask any more holds nobody up") {
  Databases d;
  ConnectionGate gate(2, d.clock);
  gate.told(plenty());
  CHECK(gate.ask(d.id(0), "a").open);
  CHECK(!gate.ask(d.id(1), "b").open);
  CHECK(gate.waiting() == 1);
  d.clock.advance(seconds{6});
  gate.told(plenty());
  gate.leave(d.id(0));
  CHECK(gate.ask(d.id(2), "c").open);
}

}  // namespace
}  // namespace pga::collect
