#include <doctest/doctest.h>

#include <filesystem>

#include "base/temporary_folder_for_test.h"
#include "directory/audit.h"
#include "directory/fleet.h"
#include "directory/people.h"
#include "directory/rollup_book.h"
#include "directory/stream_ledger.h"

namespace pga::directory {
namespace {

using namespace std::chrono_literals;

constexpr const char* kHash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA";

struct Fixture {
  TemporaryFolder folder;
  FakeClock clock;
  std::unique_ptr<Database> database = open();
  People people{*database, clock};
  Fleet fleet{*database, clock};

  std::unique_ptr<Database> open() {
    auto opened = Database::open(folder.path / "directory.sqlite");
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
    return std::move(*opened);
  }
  CollectorId collector(const std::string& name) {
    REQUIRE(fleet.create_enrolment_token(kDefaultTenant, name, clock.now() + 1h, 1));
    const auto enrolled = fleet.enrol(name, "uuid-" + name, name);
    REQUIRE(enrolled);
    REQUIRE(enrolled->has_value());
    return (*enrolled)->id;
  }
};

TEST_CASE_FIXTURE(Fixture, "a second program may use the same file, and what was committed is there after a restart") {
  const auto other = open();
  CHECK(People(*other, clock).create_user(kDefaultTenant, "admin", "administrator", kHash));
  CHECK(people.find_user("admin")->has_value());
  database.reset();
  CHECK(People(*open(), clock).find_user("admin")->has_value());
}

TEST_CASE_FIXTURE(Fixture, "a failed transaction leaves nothing behind") {
  const Status failed = database->transaction([&]() -> Status {
    PGA_TRY_STATUS(people.create_user(kDefaultTenant, "half", "viewer", kHash));
    return invalid("changed my mind");
  });
  CHECK(!failed);
  CHECK(!people.find_user("half")->has_value());
  CHECK(people.create_user(kDefaultTenant, "half", "viewer", kHash));
}

TEST_CASE_FIXTURE(Fixture, "a transaction within a transaction commits with the outer one") {
  const CollectorId one = collector("one");
  StreamLedger ledger(*database);
  const auto both = [&](bool fail) {
    return database->transaction([&]() -> Status {
      PGA_TRY_STATUS(ledger.store({{one, 1, {{1, 1}}}}));
      return fail ? Status(invalid("changed my mind")) : Status();
    });
  };
  CHECK(!both(true));
  CHECK(ledger.load()->empty());
  CHECK(both(false));
  CHECK(ledger.load()->size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a file of a newer program is refused") {
  REQUIRE(database->run("PRAGMA user_version = 99"));
  const auto again = Database::open(folder.path / "directory.sqlite");
  REQUIRE(!again);
  CHECK(again.error().message.find("has schema 99") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a user name is taken once and names with quotes are only text") {
  const std::string name = "O'Brien\"; DROP TABLE users; --";
  CHECK(people.create_user(kDefaultTenant, name, "viewer", kHash));
  CHECK(!people.create_user(kDefaultTenant, name, "viewer", kHash));
  CHECK((*people.find_user(name))->role == "viewer");
  CHECK(!people.create_user(kDefaultTenant, "plain", "viewer", "secret"));  // not a hash
}

TEST_CASE_FIXTURE(Fixture, "a session ends by idling, by age, and by logging out") {
  const UserId user = *people.create_user(kDefaultTenant, "admin", "administrator", kHash);
  struct Case {
    const char* what;
    std::vector<std::chrono::minutes> uses;  // pauses, each followed by a use that must succeed
    std::chrono::minutes then;
    bool lives;
  };
  const Case cases[] = {
      {"used again after 29 minutes", {}, 29min, true},
      {"idle for 30 minutes", {}, 30min, false},
      {"used every 20 minutes for two hours", std::vector<std::chrono::minutes>(6, 20min), 20min, true},
      {"used all the time, but for twelve hours", std::vector<std::chrono::minutes>(28, 25min), 25min, false},
  };
  int number = 0;
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const std::string token = std::to_string(number++);
    REQUIRE(people.open_session(token, user, "csrf"));
    for (const auto pause : c.uses) {
      clock.advance(pause);
      CHECK(people.use_session(token)->has_value());
    }
    clock.advance(c.then);
    CHECK(people.use_session(token)->has_value() == c.lives);
  }
  REQUIRE(people.open_session("x", user, "csrf"));
  REQUIRE(people.close_session("x"));
  CHECK(!people.use_session("x")->has_value());
}

TEST_CASE_FIXTURE(Fixture, "a user has at most a hundred sessions and the newest stays") {
  const UserId user = *people.create_user(kDefaultTenant, "admin", "administrator", kHash);
  for (int i = 0; i < 103; ++i) {
    REQUIRE(people.open_session(std::to_string(i), user, "csrf"));
    clock.advance(1s);
  }
  CHECK(!people.use_session("0")->has_value());
  CHECK(!people.use_session("2")->has_value());
  CHECK(people.use_session("3")->has_value());
  CHECK(people.use_session("102")->has_value());
}

TEST_CASE_FIXTURE(Fixture, "an enrolment token works as often as it says, until it expires") {
  REQUIRE(fleet.create_enrolment_token(kDefaultTenant, "twice", clock.now() + 1h, 2));
  REQUIRE(fleet.create_enrolment_token(kDefaultTenant, "late", clock.now() + 1h, 1));
  CHECK((*fleet.enrol("twice", "u1", "a"))->name == "a");
  CHECK((*fleet.enrol("twice", "u2", "b"))->tenant == kDefaultTenant);
  CHECK(!fleet.enrol("twice", "u3", "c")->has_value());
  CHECK(!fleet.enrol("unknown", "u3", "c")->has_value());
  REQUIRE(fleet.create_enrolment_token(kDefaultTenant, "once", clock.now() + 1h, 1));
  CHECK(!fleet.enrol("once", "u4", "d", [](const Collector&) -> Result<IssuedCertificate> { return invalid("no"); }));
  CHECK(!fleet.find_collector("u4")->has_value());
  const auto good = [&](const Collector& c) -> Result<IssuedCertificate> { return IssuedCertificate{"of " + c.uuid, clock.now()}; };
  CHECK((*fleet.enrol("once", "u4", "d", good))->certificate_serial == "of u4");  // the failure took no use
  clock.advance(1h);
  CHECK(!fleet.enrol("late", "u3", "c")->has_value());
  CHECK(fleet.collectors()->size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "a collector's totals add up and what is unknown stays") {
  const CollectorId id = collector("db1");
  REQUIRE(
      fleet.record_activity({{.collector = id, .frames = 2, .rows = 30, .last_seen = clock.now(), .clock_skew = 5ms, .version = "0.1.0"}}));
  REQUIRE(fleet.record_activity({{.collector = id, .frames = 1, .duplicates = 1, .refused = 4}}));
  const Collector c = **fleet.find_collector("uuid-db1");
  CHECK(c.frames == 3);
  CHECK(c.rows == 30);
  CHECK(c.duplicates == 1);
  CHECK(c.refused == 4);
  CHECK(c.version == "0.1.0");
  CHECK(c.last_seen == clock.now());
  CHECK(c.clock_skew == 5ms);
  CHECK(!c.revoked);
  REQUIRE(fleet.revoke(id));
  CHECK((*fleet.find_collector("uuid-db1"))->revoked);
}

TEST_CASE_FIXTURE(Fixture, "a server keeps its id through restarts, failover and an unknown identifier") {
  const CollectorId one = collector("one");
  const CollectorId two = collector("two");
  const auto id = [&](CollectorId collector, const char* system, const char* name, const char* version = "18.4") {
    return fleet.identify(kDefaultTenant, collector, {{"postgres", system, name, version}})->at(0);
  };
  const ServerId unknown = id(one, "", "shop");
  const ServerId shop = id(one, "7412", "shop");
  CHECK(shop == unknown);                     // the identifier became known
  CHECK(id(one, "", "shop") == shop);         // and cannot be read for a while
  CHECK(id(two, "7412", "shop") == shop);     // another collector watches the same cluster
  CHECK(id(one, "9999", "shop") != shop);     // a new cluster under an old name
  CHECK(id(one, "7412", "replica") != shop);  // the replica of the same cluster
  CHECK(id(two, "", "other") != shop);
  CHECK((*fleet.find_server(kDefaultTenant, shop))->version == "18.4");
  CHECK(!fleet.find_server(TenantId{2}, shop)->has_value());
  CHECK(fleet.servers(kDefaultTenant)->size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "two live collectors never share a host or a server of unknown identifier") {
  struct Case {
    const char* what;
    TargetIdentity target;
  };
  const Case cases[] = {
      {"a host without machine id", {"host", "", "db1", "6.1"}},
      {"a cloned machine id", {"host", "cloned", "db1", "6.1"}},
      {"a server that cannot be read", {"postgres", "", "shop", ""}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const CollectorId one = collector(std::string("one") + c.what);
    const CollectorId two = collector(std::string("two") + c.what);
    const auto id = [&](CollectorId of) { return fleet.identify(kDefaultTenant, of, {c.target})->at(0); };
    const ServerId first = id(one);
    const ServerId second = id(two);
    CHECK(first != second);
    CHECK(id(one) == first);
    CHECK(id(two) == second);
    CHECK((*fleet.find_server(kDefaultTenant, second))->name == c.target.name + " (two" + c.what + ")");
    clock.advance(2h);
    CHECK(id(two) == second);  // it keeps its own, even when the first is gone
    const CollectorId three = collector(std::string("three") + c.what);
    CHECK(id(three) == first);
    CHECK((*fleet.find_server(kDefaultTenant, first))->collector == three);
    REQUIRE(fleet.revoke(three));
    const CollectorId four = collector(std::string("four") + c.what);
    CHECK(id(four) == first);
    clock.advance(2h);
  }
}

TEST_CASE_FIXTURE(Fixture, "stream ranges come back as they were stored, replaced stream by stream") {
  const CollectorId one = collector("one");
  StreamLedger ledger(*database);
  const std::uint64_t epoch = 0xfedcba9876543210;
  REQUIRE(ledger.store({{one, epoch, {{1, 3}, {5, 5}}}, {one, 7, {{1, 1}}}}));
  REQUIRE(ledger.store({{one, epoch, {{1, 9}}}}));
  const auto streams = *ledger.load();
  REQUIRE(streams.size() == 2);
  CHECK(streams[0].epoch == 7);
  CHECK(streams[1].epoch == epoch);
  CHECK(streams[1].ranges == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{1, 9}});
}

TEST_CASE_FIXTURE(Fixture, "a window is due again when a later segment touches it, and an intended step survives a restart") {
  RollupBook book(*database);
  REQUIRE(book.touch(1, {0, 300}, 7));
  REQUIRE(book.touch(1, {300, 600}, 8));
  REQUIRE(book.touch(2, {0}, 8));
  const RollupStep first{1, 0, 0, 7}, second{1, 300, 0, 8};
  CHECK(book.due(1, 300, 10).value() == std::vector{first, second});
  CHECK(book.due(1, 600, 1).value() == std::vector{first});
  REQUIRE(book.intend({first, second}));
  REQUIRE(book.intend({first}));
  CHECK(book.unfinished().value() == std::vector{first, second});
  REQUIRE(book.finish(first));
  const auto again = open();
  CHECK(RollupBook(*again).unfinished().value() == std::vector{second});
  REQUIRE(book.finish(second));
  CHECK(book.due(1, 300, 10)->empty());
  REQUIRE(book.touch(1, {0}, 9));
  CHECK(book.due(1, 300, 10).value() == std::vector{RollupStep{1, 0, 7, 9}});
  REQUIRE(book.forget_before(1'000));
  CHECK(book.due(1, 1'000, 10)->size() == 2);  // only finished windows are forgotten
}

TEST_CASE_FIXTURE(Fixture, "a segment that comes after later ones were rolled up becomes a step of its own") {
  RollupBook book(*database);
  REQUIRE(book.touch(1, {0, 300}, 9));
  REQUIRE(book.intend({{1, 0, 0, 9}}));
  REQUIRE(book.finish({1, 0, 0, 9}));
  REQUIRE(book.touch(1, {0, 300}, 7));
  REQUIRE(book.touch(1, {0, 300}, 7));
  const RollupStep late{1, 0, 6, 7};
  CHECK(book.unfinished().value() == std::vector{late});
  CHECK(book.due(1, 300, 10).value() == std::vector{RollupStep{1, 300, 0, 9}});  // not rolled up yet: its first step takes both
  REQUIRE(book.finish(late));
  CHECK(book.unfinished()->empty());
  CHECK(book.due(1, 0, 10)->empty());
  REQUIRE(book.touch(1, {0}, 10));
  CHECK(book.due(1, 0, 10).value() == std::vector{RollupStep{1, 0, 9, 10}});  // rolled_through did not go back
}

TEST_CASE_FIXTURE(Fixture, "the audit trail keeps a year, newest first") {
  Audit audit(*database, clock);
  REQUIRE(audit.record({.tenant = kDefaultTenant, .actor = "admin", .action = "login", .outcome = "ok", .address = "127.0.0.1"}));
  clock.advance(std::chrono::days{200});
  REQUIRE(audit.record({.actor = "nobody", .action = "login", .outcome = "refused", .address = "127.0.0.1"}));
  CHECK(audit.newest(10)->size() == 2);
  CHECK(audit.newest(10)->front().actor == "nobody");
  clock.advance(std::chrono::days{200});
  REQUIRE(audit.delete_old());
  CHECK(audit.newest(10)->size() == 1);
}

}  // namespace
}  // namespace pga::directory
