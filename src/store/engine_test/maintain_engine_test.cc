// What must hold over time: stored once, roll-ups equal raw rows, retention, change of declarations, an engine that dies.
#include <signal.h>

#include "lab.h"
#include "store/client.h"

namespace pga::store {

using namespace testing;

namespace {

std::vector<catalog::Source> things() { return {small_source()}; }

// `readings` a minute apart, ten keys each; every counter 1, gauge = minute.
std::vector<StoredFrame> minutes(std::int64_t start, int readings, std::int64_t hits = 1) {
  FrameBuilder builder;
  for (int i = 0; i < readings; ++i) {
    builder.batch(small_source().schema(), start + i * kMinute, kMinute);
    for (int key = 0; key < 10; ++key)
      builder.row({{"name", txt("n" + std::to_string(key))}, {"hits", num(hits)}, {"size", num(start / kMinute + i)}});
  }
  return builder.take();
}

SourceTableQuery table_query(std::int64_t from, std::int64_t to) {
  SourceTableQuery query;
  query.tenant = 1;
  query.server = 7;
  query.source = "test.things";
  query.window = {from, to};
  query.order = "name";
  query.ascending = true;
  return query;
}

net::Task<std::uint64_t> stored_rows(Store& store) {
  std::uint64_t rows = 0;
  for (const SourceTotal& total : co_await must(store.source_totals(1))) {
    CHECK(total.rows_announced == total.rows_stored);
    rows += total.rows_stored;
  }
  co_return rows;
}

}  // namespace

TEST_CASE("a segment is stored once however often it is inserted") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    const auto frames = minutes(kStart, 30);
    for (int i = 0; i < 3; ++i) CHECK((co_await must(lab.store.insert({1, 1}, frames))).rows == 300);
    CHECK(co_await stored_rows(lab.store) == 300);
    co_await must(lab.store.insert({1, 2}, frames));  // another segment is other data, whatever it holds
    CHECK(co_await stored_rows(lab.store) == 600);
    co_await must(lab.store.insert({2, 1}, frames));  // and so is another log
    CHECK(co_await stored_rows(lab.store) == 900);
    const auto midnight = minutes(kStart - kStart % kDay + kDay - 5 * kMinute, 10);  // two partitions
    for (int i = 0; i < 2; ++i) co_await must(lab.store.insert({1, 3}, midnight));
    CHECK(co_await stored_rows(lab.store) == 1'000);
  });
}

TEST_CASE("a segment whose token the engine forgot is stored once all the same, also where only a part of it is there") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    const auto frames = minutes(kStart, 30);
    co_await must(lab.store.insert({1, 1}, frames));
    // Another log has other tokens, so that nothing but the comparison can help.
    co_await must(lab.store.insert({2, 1}, frames, Store::Earlier::kPerhaps));
    CHECK(co_await stored_rows(lab.store) == 300);
    Client client(lab.loop, lab.store_options().client, "", {});
    const std::string part = "ALTER TABLE pganalytics.test_things DELETE WHERE ts < fromUnixTimestamp64Milli(" +
                             std::to_string((kStart + 10 * kMinute) / 1'000) + ", 'UTC') SETTINGS mutations_sync = 1";
    for (const std::string& sql : {part, std::string("TRUNCATE TABLE pganalytics.batches")}) {
      co_await must(client.execute(sql, {}, std::chrono::steady_clock::now() + std::chrono::seconds{20}));
    }
    co_await must(lab.store.insert({3, 1}, frames, Store::Earlier::kPerhaps));
    CHECK(co_await stored_rows(lab.store) == 300);
    // The other way round: it remembers the token, and lost the rows.
    co_await must(client.execute("ALTER TABLE pganalytics.test_things DELETE WHERE 1 SETTINGS mutations_sync = 1", {},
                                 std::chrono::steady_clock::now() + std::chrono::seconds{20}));
    for (int i = 0; i < 2; ++i) {
      co_await must(lab.store.insert({1, 1}, frames, Store::Earlier::kPerhaps));
      CHECK(co_await stored_rows(lab.store) == 300);
    }
  });
}

TEST_CASE("kill -9 of the engine loses and doubles nothing when the segments are inserted again") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    constexpr std::uint64_t kSegments = 12;
    for (int round = 0; round < 3; ++round) {
      const int victim = lab.engine.pid();
      lab.loop.spawn([](Lab& l, int pid, int pause) -> net::Task<> {
        const Status slept = co_await l.loop.sleep(std::chrono::milliseconds{pause});
        if (slept) ::kill(pid, SIGKILL);
      }(lab, victim, 20 + 30 * round));
      for (std::uint64_t segment = 1; segment <= kSegments;) {
        const auto inserted = co_await lab.store.insert({1, segment}, minutes(kStart + static_cast<std::int64_t>(segment) * kMinute, 100));
        if (inserted) {
          ++segment;
        } else {
          CHECK(is_retriable(inserted.error()));
          static_cast<void>(co_await lab.loop.sleep(std::chrono::milliseconds{100}));
        }
      }
      while (true) {
        const Status answers = co_await lab.store.ping();
        if (answers && lab.engine.pid() != victim) break;
        static_cast<void>(co_await lab.loop.sleep(std::chrono::milliseconds{50}));
      }
    }
    for (std::uint64_t segment = 1; segment <= kSegments; ++segment) {
      co_await must(lab.store.insert({1, segment}, minutes(kStart + static_cast<std::int64_t>(segment) * kMinute, 100)));
    }
    CHECK(co_await stored_rows(lab.store) == kSegments * 1'000);
    CHECK(lab.engine.restarts() == 3);
    CHECK(lab.engine.last_end() == "the engine was killed by signal 9");
  });
}

TEST_CASE("what an engine stored before it died is not stored again, although the next one knows nothing of its tokens") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    StoreOptions options = lab.store_options();
    options.engine_directory = lab.directory / "data";
    options.engine_restarts = [&lab] { return lab.engine.restarts(); };
    Store store(lab.loop, lab.sources, lab.clock, options);
    const auto frames = minutes(kStart, 30);
    const int victim = lab.engine.pid();
    ::kill(victim, SIGKILL);
    const auto failed = co_await store.insert({1, 1}, frames);
    CHECK(!failed);
    while (true) {
      const Status answers = co_await lab.store.ping();
      if (answers && lab.engine.pid() != victim) break;
      static_cast<void>(co_await lab.loop.sleep(std::chrono::milliseconds{50}));
    }
    // Stands for the attempt itself: all was stored, and the answer was lost with the engine.
    co_await must(lab.store.insert({1, 1}, frames));
    CHECK(co_await stored_rows(lab.store) == 300);
    co_await must(store.insert({1, 1}, frames));
    CHECK(co_await stored_rows(lab.store) == 300);
  });
}

TEST_CASE("parts whose files are not what the engine believes are found, and what was in them is there again") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    StoreOptions options = lab.store_options();
    options.engine_restarts = [&lab] { return lab.engine.restarts(); };
    options.restart_engine = [&lab] { lab.engine.restart("a part is not whole"); };
    Store store(lab.loop, lab.sources, lab.clock, options);
    Client client(lab.loop, options.client, "", {});
    const auto soon = [] { return std::chrono::steady_clock::now() + std::chrono::seconds{20}; };
    const auto cut = [&](const std::string& table) -> net::Task<> {
      const Rows parts = co_await must(
          client.select("SELECT path FROM system.parts WHERE active AND table = '" + table + "' ORDER BY name DESC LIMIT 1", {}, soon()));
      const std::filesystem::path data = parts.text(0, 0) + "data.bin";
      std::filesystem::resize_file(data, std::filesystem::file_size(data) / 2);
    };
    const auto found_and_started_again = [&]() -> net::Task<> {
      const std::string run = store.engine_run();
      const int victim = lab.engine.pid();
      const Status looked = co_await store.sync();
      CHECK(!looked);
      if (!looked) CHECK_MESSAGE(looked.error().message.starts_with("1 parts of the store are not whole"), looked.error().message);
      const Status refused = co_await store.sync();
      CHECK(!refused);
      while (true) {
        const Status answers = co_await store.ping();
        if (answers && lab.engine.pid() != victim) break;
        static_cast<void>(co_await lab.loop.sleep(std::chrono::milliseconds{50}));
      }
      CHECK(store.engine_run() != run);
    };

    const auto frames = minutes(kStart, 30);
    co_await must(store.insert({1, 1}, frames));
    co_await must(store.sync());
    co_await must(store.insert({1, 2}, frames));
    co_await cut("test_things");
    co_await found_and_started_again();
    co_await must(store.insert({1, 2}, frames, Store::Earlier::kPerhaps));
    CHECK(co_await stored_rows(store) == 600);
    co_await must(store.sync());

    for (int again = 0; again < 2; ++again) {  // the second merge makes a part of the same name
      co_await must(client.execute("OPTIMIZE TABLE pganalytics.batches FINAL", {}, soon()));
      co_await cut("batches");
      co_await found_and_started_again();
      CHECK(co_await stored_rows(store) == 600);
    }
    co_await must(store.sync());
    CHECK(lab.engine.restarts() == 3);

    const std::string broken = "SELECT count() FROM system.detached_parts WHERE database = 'pganalytics' AND reason LIKE 'broken%'";
    co_await must(store.apply_retention(lab.clock.now()));
    CHECK((co_await must(client.select(broken, {}, soon()))).count(0, 0) == 3);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(lab.directory / "data" / "store")) {
      if (entry.path().parent_path().filename() == "detached")
        std::filesystem::last_write_time(entry.path(), std::filesystem::file_time_type::clock::now() - std::chrono::hours{25});
    }
    co_await must(store.apply_retention(lab.clock.now()));
    CHECK((co_await must(client.select(broken, {}, soon()))).count(0, 0) == 0);
  });
}

TEST_CASE("a roll-up answers what raw rows answer, also with rows that come late and steps that are repeated") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    StoreOptions rolled_options = lab.store_options();
    rolled_options.watermarks = std::make_shared<Watermarks>();
    Store rolled(lab.loop, lab.sources, lab.clock, rolled_options);  // lab.store stays on raw rows
    MemoryLedger ledger;
    const auto insert = [&](std::uint64_t segment, std::vector<StoredFrame> frames) -> net::Task<> {
      ledger.touch(co_await must(lab.store.insert({1, segment}, frames)), segment);
    };
    co_await insert(1, minutes(kStart, 300));
    co_await insert(2, minutes(kStart + 5 * kHour, 125));
    lab.clock.advance(std::chrono::microseconds{6 * kHour + 10 * kMinute});  // now: 7:10 after the start
    const auto now = lab.clock.now();
    const auto equal = [&](const char* what, std::int64_t hits) -> net::Task<> {
      CAPTURE(what);
      for (std::int64_t days = 1; days <= 6; days += 5) {  // five minutes and raw; hours, five minutes and raw
        const auto query = table_query(kStart - days * kDay + 8 * kHour, kStart + 8 * kHour);
        const auto raw = co_await must(lab.store.source_table(query)), again = co_await must(rolled.source_table(query));
        CHECK(raw.rows.size() == 10);
        CHECK(raw.rows == again.rows);
        CHECK(raw.rows.at(3).at(2) == Cell{hits});
        const auto states = co_await must(lab.store.batch_states({1, 7, std::nullopt, query.window})),
                   states_again = co_await must(rolled.batch_states({1, 7, std::nullopt, query.window}));
        CHECK(states.size() == 1);
        CHECK(states_again.size() == 1);
        if (states.empty() || states_again.empty()) co_return;
        CHECK(states[0].complete == states_again[0].complete);
        CHECK(states[0].last_us == states_again[0].last_us);
        CHECK(states[0].rows == states_again[0].rows);
      }
    };
    co_await equal("before any roll-up", 425);

    const RollupSummary first = co_await must(rolled.roll_up(ledger, 1, now));
    CHECK(first.steps == 85 + 7);
    CHECK(!first.more);
    CHECK(rolled_options.watermarks->five_minutes_us == kStart + 7 * kHour + 5 * kMinute);
    CHECK(rolled_options.watermarks->one_hour_us == kStart + 7 * kHour);
    co_await equal("rolled up", 425);
    CHECK((co_await must(rolled.roll_up(ledger, 1, now))).steps == 0);

    co_await insert(3, minutes(kStart + kHour, 10, 7));  // late, into windows that are rolled up
    ledger.forget_finish = true;
    CHECK(!co_await rolled.roll_up(ledger, 1, now));
    ledger.forget_finish = false;
    CHECK(!ledger.intended.empty());
    co_await insert(4, minutes(kStart + kHour, 1, 1'000));  // later still: after the intent, before its repetition
    const RollupSummary late = co_await must(rolled.roll_up(ledger, 1, now));
    CHECK(late.steps == 2 + 1 + 1);  // the two that were intended, the newer segment, the hour
    CHECK(ledger.intended.empty());
    co_await equal("late rows beside", 425 + 70 + 1'000);
  });
}

TEST_CASE("retention drops whole days and leaves coarser tables alone") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    MemoryLedger ledger;
    const std::int64_t old = kStart - 9 * kDay;
    ledger.touch(co_await must(lab.store.insert({1, 1}, minutes(old, 10))), 1);
    ledger.touch(co_await must(lab.store.insert({1, 2}, minutes(kStart, 10))), 2);
    co_await must(lab.store.roll_up(ledger, 1, lab.clock.now()));
    CHECK(co_await must(lab.store.apply_retention(lab.clock.now())) == 2);  // things and batches
    CHECK(co_await must(lab.store.apply_retention(lab.clock.now())) == 0);
    CHECK(co_await stored_rows(lab.store) == 100);
    const auto gone = co_await must(lab.store.source_table(table_query(old, old + kHour)));
    CHECK(gone.rows.size() == 10);  // from the five minutes
    CHECK(gone.rows.at(0).at(2) == Cell{std::int64_t{10}});
  });
}

TEST_CASE("a declaration may gain a column, not change one") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    co_await must(lab.store.insert({1, 1}, minutes(kStart, 1)));
    auto wider = things();
    wider[0].columns.push_back(column("more", wire::ColumnKind::kCounter, wire::ColumnType::kInt, false));
    Store store(lab.loop, wider, lab.clock, lab.store_options());
    co_await must(store.prepare());
    co_await must(store.prepare());
    FrameBuilder builder;
    builder.batch(wider[0].schema(), kStart + kMinute, kMinute);
    builder.row({{"name", txt("n0")}, {"more", num(4)}});
    const auto frames = builder.take();
    co_await must(store.insert({1, 2}, frames));
    const auto table = co_await must(store.source_table(table_query(kStart, kStart + kHour)));
    CHECK(table.rows.at(0).back() == Cell{std::int64_t{4}});
    CHECK(table.rows.at(1).back() == Cell{std::int64_t{0}});
    wider[0].columns[3].wire_type = wire::ColumnType::kDouble;
    Store other(lab.loop, wider, lab.clock, lab.store_options());
    const Status refused = co_await other.prepare();
    CHECK(
        refused.error().message ==
        "column size of table test_things is Nullable(Int64), and its declaration wants Nullable(Float64): declare it under another name");
  });
}

TEST_CASE("an engine that cannot run says why") {
  struct Case {
    const char* what;
    const char* library;
    const char* error;
  };
  const Case cases[] = {
      {"no library", "/nowhere/libchdb.so",
       "engine library /nowhere/libchdb.so does not exist: run ./run setup, name libchdb.so in engine.library, or use storage: http://… "
       "for an existing ClickHouse"},
      {"not a library", "/etc/passwd", "the engine cannot load /etc/passwd: run ./run setup, or name libchdb.so in engine.library"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    Lab lab(things());
    EngineOptions options;
    options.program = PGA_ENGINE;
    options.library = c.library;
    options.directory = lab.directory / "other";
    options.socket = lab.directory / "other.sock";
    EngineChild child(lab.loop, lab.random, options);
    lab.loop.spawn([](EngineChild& engine, const char* expected) -> net::Task<> {
      const Status started = co_await engine.start();
      CHECK(!started);
      if (!started) CHECK(started.error().message == expected);
    }(child, c.error));
    lab.loop.run();
  }
}

TEST_CASE("a second engine on the same directory is refused") {
  Lab lab(things());
  lab.run([&]() -> net::Task<> {
    EngineOptions options;
    options.program = PGA_ENGINE;
    options.library = chdb_library();
    options.directory = lab.directory / "data";
    options.socket = lab.directory / "second.sock";
    options.refused_patience = std::chrono::seconds{1};
    EngineChild second(lab.loop, lab.random, options);
    const Status started = co_await second.start();
    CHECK(!started);
    CHECK(started.error().message.find("it is in use by another engine") != std::string::npos);
    co_await must(lab.store.ping());
  });
}

}  // namespace pga::store
