// Every named query on data whose answer is known, from the real engine.
#include "lab.h"

namespace pga::store {

using namespace testing;

namespace {

constexpr std::uint32_t kServer = 7;
const std::string kStrange = "it's \"a\"\n\tb\\c` \xF0\x9F\x90\x98";

const catalog::Source& source(const Lab& lab, std::string_view name) {
  for (const catalog::Source& s : lab.sources) {
    if (s.name == name) return s;
  }
  PGA_CHECK(false);
}

TestRow session(const std::string& state, const std::string& type, const std::string& event, std::int64_t query,
                const std::string& application, const std::string& database = "shop") {
  return {{"state", txt(state)},
          {"wait_event_type", txt(type)},
          {"wait_event", txt(event)},
          {"query_id", num(query)},
          {"datname", txt(database)},
          {"usename", txt("app")},
          {"application_name", txt(application)},
          {"pid", num(100)}};
}

// A minute of samples: one session on the CPU all the time, one behind a lock for half of it, one idle; nobody watched seconds 20 to 29.
StoredFrame a_minute_of_activity(const Lab& lab, std::int64_t start, std::uint32_t server = kServer) {
  const wire::Schema schema = source(lab, "postgres.activity").schema();
  FrameBuilder builder(server);
  for (int second = 0; second < 60; ++second) {
    const bool watched = second < 20 || second >= 30;
    wire::Batch& batch = builder.batch(schema, start + second * kSecond, second == 0 ? 0 : kSecond,
                                       watched ? wire::Outcome::kComplete : wire::Outcome::kTimeout);
    if (!watched) {
      batch.detail = "canceling statement due to statement timeout";
      batch.sqlstate = "57014";
      continue;
    }
    builder.row(session("active", "", "", 11, "cron"));
    if (second < 30) builder.row(session("active", "Lock", "transactionid", 22, kStrange));
    builder.row(session("idle in transaction", "Client", "ClientRead", 33, "psql"));
  }
  return builder.frame();
}

TestRow statement(std::int64_t id, std::int64_t calls, std::int64_t milliseconds, const std::string& database = "shop") {
  return {{"queryid", num(id)},           {"datname", txt(database)},
          {"usename", txt("app")},        {"toplevel", true},
          {"calls", num(calls)},          {"total_exec_time", num(milliseconds * 1'000'000)},
          {"rows", num(2 * calls)},       {"shared_blks_read", num(3 * calls)},
          {"wal_bytes", num(100 * calls)}};
}

net::Task<InsertSummary> insert_one(Store& store, std::uint64_t segment, StoredFrame frame) {
  std::vector<StoredFrame> frames;
  frames.push_back(std::move(frame));
  co_return co_await must(store.insert({0xabc, segment}, frames));
}

Values filled(std::initializer_list<double> values) {
  Values out;
  for (const double v : values) out.push_back(v < 0 ? std::optional<double>() : v);
  return out;
}

}  // namespace

TEST_CASE("load counts active sessions per watched reading, leaves unwatched buckets empty, and sums the rest as other") {
  Lab lab(declared_sources());
  lab.run([&]() -> net::Task<> {
    co_await insert_one(lab.store, 1, a_minute_of_activity(lab, kStart));
    LoadQuery query{1, kServer, {kStart, kStart + kMinute}, 6, LoadBy::kWaitClass, 20};
    const LoadResult by_class = co_await must(lab.store.load(query));
    CHECK(by_class.grid.step_us == 10 * kSecond);
    CHECK(by_class.samples == 50);
    CHECK(by_class.series.size() == 2);
    if (by_class.series.size() != 2) co_return;
    CHECK(by_class.series[0].key == "CPU");
    CHECK(by_class.series[0].values == filled({1, 1, -1, 1, 1, 1}));
    CHECK(by_class.series[0].mean == doctest::Approx(1));
    CHECK(by_class.series[1].key == "Lock");
    CHECK(by_class.series[1].values == filled({1, 1, -1, 0, 0, 0}));
    CHECK(by_class.series[1].mean == doctest::Approx(0.4));

    query.by = LoadBy::kWaitEvent;
    CHECK((co_await must(lab.store.load(query))).series[1].key == "Lock:transactionid");
    query.by = LoadBy::kApplication;
    CHECK((co_await must(lab.store.load(query))).series[1].key == kStrange);
    query.series_max = 1;
    const LoadResult other = co_await must(lab.store.load(query));
    CHECK(other.series.size() == 2);
    CHECK(other.series.back().other);
    CHECK(other.series.back().key == "other");
    CHECK(other.series.back().mean == doctest::Approx(0.4));
    query.by = LoadBy::kQuery;
    query.series_max = 20;
    const LoadResult by_query = co_await must(lab.store.load(query));
    CHECK(by_query.series[0].key == "11");
    CHECK(by_query.series[0].database == "shop");
    query.server = 8;
    CHECK((co_await must(lab.store.load(query))).series.empty());

    co_await insert_one(lab.store, 2, a_minute_of_activity(lab, kStart, 9));
    const FleetLoadResult fleet = co_await must(lab.store.fleet_load({1, {kStart, kStart + kMinute}, 6}));
    CHECK(fleet.servers.size() == 2);
    for (const auto& [server, load] : fleet.servers) {
      CHECK((server == kServer || server == 9));
      CHECK(load.values == filled({2, 2, -1, 1, 1, 1}));
      CHECK(*load.mean == doctest::Approx(1.4));
    }
  });
}

TEST_CASE("top queries compare two windows, name what is new and what is gone, and find by text") {
  Lab lab(declared_sources());
  lab.run([&]() -> net::Task<> {
    const wire::Schema schema = source(lab, "postgres.statements").schema();
    FrameBuilder builder;
    for (int minute = 0; minute < 20; ++minute) {
      const bool now = minute >= 10;
      builder.batch(schema, kStart + minute * kMinute, kMinute);
      builder.row(statement(11, 10, now ? 300 : 100));
      if (!now) builder.row(statement(22, 5, 500));
      if (now) builder.row(statement(33, 1, 50, kStrange));
    }
    const wire::Schema texts = source(lab, "postgres.statement_texts").schema();
    builder.batch(texts, kStart, 0);
    builder.row({{"queryid", num(11)}, {"query", txt("SELECT 'Ünïcode' FROM \"Orders\"")}, {"fingerprint", num(-1)}});
    builder.row({{"queryid", num(22)}, {"query", txt("DELETE FROM carts")}, {"fingerprint", num(0)}});
    co_await insert_one(lab.store, 1, builder.frame());
    co_await insert_one(lab.store, 2, a_minute_of_activity(lab, kStart + 12 * kMinute));

    TopQueriesQuery query;
    query.tenant = 1;
    query.server = kServer;
    query.window = {kStart + 10 * kMinute, kStart + 20 * kMinute};
    query.compare = Window{kStart, kStart + 10 * kMinute};
    const TopQueriesResult top = co_await must(lab.store.top_queries(query));
    CHECK(top.readings == 10);
    CHECK(top.compare_readings == 10);
    CHECK(top.totals.calls == 110);
    CHECK(top.totals.total_time_seconds == doctest::Approx(3.5));
    CHECK(top.rows.size() == 3);
    if (top.rows.size() != 3) co_return;
    const QueryRow &slower = top.rows[0], &fresh = top.rows[1], &gone = top.rows[2];
    CHECK(slower.key == StatementKey{kServer, 11, "shop", "app"});
    CHECK(slower.text == "SELECT 'Ünïcode' FROM \"Orders\"");
    CHECK(slower.fingerprint == ~std::uint64_t{0});
    CHECK(slower.current.calls == 100);
    CHECK(slower.current.total_time_seconds == doctest::Approx(3));
    CHECK(slower.current.rows == 200);
    CHECK(slower.current.shared_blks_read == 300);
    CHECK(slower.current.wal_bytes == 10'000);
    CHECK(*slower.current.load == doctest::Approx(1));
    CHECK(slower.compare->total_time_seconds == doctest::Approx(1));
    CHECK(!slower.compare->load);
    CHECK(fresh.key.database == kStrange);
    CHECK(!fresh.compare);
    CHECK(!fresh.text);
    CHECK(*fresh.current.load == 0);
    CHECK(gone.key.queryid == 22);
    CHECK(gone.current.calls == 0);
    CHECK(gone.compare->calls == 50);
    CHECK(!gone.fingerprint);

    query.limit = 1;  // chosen by the larger rate of the two windows: what vanished was the largest
    CHECK((co_await must(lab.store.top_queries(query))).rows[0].key.queryid == 22);
    query.compare.reset();
    query.limit = 50;
    for (int order = 0; order <= static_cast<int>(QueryOrder::kLoad); ++order) {
      query.order = static_cast<QueryOrder>(order);
      const TopQueriesResult ordered = co_await must(lab.store.top_queries(query));
      CHECK(ordered.rows.size() == 2);
      if (!ordered.rows.empty()) CHECK(ordered.rows[0].key.queryid == (query.order == QueryOrder::kMeanTime ? 33 : 11));
    }
    query.search = "ÜNÏCODE' from";
    CHECK((co_await must(lab.store.top_queries(query))).rows.size() == 1);
    query.search = "33";
    CHECK((co_await must(lab.store.top_queries(query))).rows.size() == 1);
    query.search.clear();
    query.database = kStrange;
    CHECK((co_await must(lab.store.top_queries(query))).rows.size() == 1);
    query.user = "nobody";
    CHECK((co_await must(lab.store.top_queries(query))).rows.empty());

    const QuerySeriesQuery one{1, {kServer, 11, "shop", "app"}, {kStart + 10 * kMinute, kStart + 24 * kMinute}, 300};
    const QuerySeriesResult series = co_await must(lab.store.query_series(one));
    CHECK(series.grid.step_us == 2 * kMinute);
    CHECK(series.calls_per_second.size() == 7);
    for (std::size_t i = 0; i < series.calls_per_second.size(); ++i) {
      CHECK(series.calls_per_second[i].has_value() == (i < 5));
      CHECK(series.mean_time_ms[i].has_value() == (i < 5));
    }
    CHECK(*series.calls_per_second[0] == doctest::Approx(10.0 / 60));
    CHECK(*series.mean_time_ms[0] == doctest::Approx(30));
    CHECK(*series.load_seconds_per_second[0] == doctest::Approx(0.005));
    CHECK(*series.wal_bytes_per_second[0] == doctest::Approx(1000.0 / 60));
    CHECK(series.totals.calls == 100);
    CHECK(*series.totals.load == doctest::Approx(1));
    CHECK(series.server_total_time_seconds == doctest::Approx(3.5));
    CHECK(series.text == "SELECT 'Ünïcode' FROM \"Orders\"");
    CHECK(series.waits.size() == 1);
    CHECK(series.waits.at(0).key == "CPU");
  });
}

TEST_CASE("partitions, and partitions of partitions, are one table unless each is asked for") {
  Lab lab(declared_sources());
  lab.run([&]() -> net::Task<> {
    const wire::Schema schema = source(lab, "postgres.tables").schema();
    const auto table = [](const std::string& name, std::int64_t relid, std::optional<std::int64_t> parent, std::int64_t scans,
                          std::int64_t live, std::int64_t vacuumed, const std::string& database = "shop") {
      TestRow row = {{"datname", txt(database)}, {"schemaname", txt("public")}, {"relname", txt(name)},   {"relid", num(relid)},
                     {"relkind", txt("r")},      {"seq_scan", num(scans)},      {"n_live_tup", num(live)}};
      if (parent) row.emplace_back("parent_relid", num(*parent));
      if (vacuumed > 0) row.emplace_back("last_vacuum", num(kStart + vacuumed));
      return row;
    };
    FrameBuilder builder;
    builder.batch(schema, kStart, kMinute);
    builder.row(table("events", 10, {}, 0, 999, 0));  // what ANALYZE said of the whole some time ago
    builder.row(table("events_2026", 11, 10, 1, 7, 0));
    builder.row(table("events_2026_a", 12, 11, 2, 100, 5));
    builder.row(table("events_2026_b", 13, 11, 4, 50, 9));
    builder.row(table("events_2025", 14, 10, 8, 25, 3));
    builder.row(table("users", 20, {}, 16, 3, 0));
    builder.row(table("other", 10, {}, 32, 1, 0, "another"));
    co_await insert_one(lab.store, 1, builder.frame());

    SourceTableQuery query;
    query.tenant = 1;
    query.server = kServer;
    query.source = "postgres.tables";
    query.window = {kStart, kStart + kHour};
    query.order = "seq_scan";
    const SourceTableResult each = co_await must(lab.store.source_table(query));
    CHECK(each.rows.size() == 7);
    query.parts_together = true;
    const SourceTableResult together = co_await must(lab.store.source_table(query));
    CHECK(together.columns.size() == each.columns.size() + 1);
    CHECK(together.columns.back().name == "parts");
    CHECK(together.rows.size() == 3);
    if (together.rows.size() != 3) co_return;
    const auto at = [&](std::size_t row, std::string_view name) {
      const auto found = std::ranges::find(together.columns, name, &TableColumn::name);
      return together.rows[row].at(static_cast<std::size_t>(found - together.columns.begin()));
    };
    CHECK(at(0, "relname") == Cell{std::string("other")});
    CHECK(at(0, "parts") == Cell{std::int64_t{0}});
    CHECK(at(1, "relname") == Cell{std::string("users")});
    CHECK(at(1, "n_live_tup") == Cell{std::int64_t{3}});
    CHECK(at(1, "last_vacuum") == Cell{});
    CHECK(at(2, "relname") == Cell{std::string("events")});
    CHECK(at(2, "relid") == Cell{std::int64_t{10}});
    CHECK(at(2, "parent_relid") == Cell{});
    CHECK(at(2, "seq_scan") == Cell{std::int64_t{15}});
    CHECK(at(2, "n_live_tup") == Cell{std::int64_t{182}});
    CHECK(at(2, "last_vacuum") == Cell{kStart + 9});
    CHECK(at(2, "parts") == Cell{std::int64_t{4}});

    query.search = "2026_B";  // found by a part, told as the whole
    const SourceTableResult found = co_await must(lab.store.source_table(query));
    CHECK(found.rows.size() == 1);
    if (found.rows.size() == 1) CHECK(found.rows[0].at(3) == Cell{std::int64_t{10}});
    query.order = "parts";
    query.search.clear();
    CHECK((co_await must(lab.store.source_table(query))).rows.at(0).at(3) == Cell{std::int64_t{10}});
  });
}

TEST_CASE("a source as a table sums counters, keeps the newest gauges and nulls, orders, searches and says when it is cut") {
  Lab lab([] {
    auto sources = declared_sources();
    sources.push_back(small_source());
    return sources;
  }());
  lab.run([&]() -> net::Task<> {
    const wire::Schema schema = small_source().schema();
    const std::string utf8 = "ß" + std::string(60, 'n') + "x";
    FrameBuilder builder;
    builder.batch(schema, kStart, 0);
    builder.row({{"name", txt(kStrange)},
                 {"id", num(1)},
                 {"hits", num(5)},
                 {"size", num(10)},
                 {"ratio", 0.5},
                 {"open", true},
                 {"since", num(kStart + 7)},
                 {"note", txt("hello World")},
                 {"state", txt("ok")}});
    builder.row({{"name", txt(utf8)}, {"id", num(-9'007'199'254'740'993)}, {"hits", num(100)}});
    builder.batch(schema, kStart + kMinute, kMinute);
    builder.row({{"name", txt(kStrange)}, {"id", num(1)}, {"hits", num(6)}, {"size", num(0)}, {"open", false}});
    co_await insert_one(lab.store, 1, builder.frame());

    SourceTableQuery query;
    query.tenant = 1;
    query.server = kServer;
    query.source = "test.things";
    query.window = {kStart, kStart + kHour};
    const SourceTableResult table = co_await must(lab.store.source_table(query));
    CHECK(table.columns.size() == 9);
    CHECK(table.rows.size() == 2);
    CHECK(!table.truncated);
    if (table.rows.size() != 2) co_return;
    CHECK(table.rows[0] == std::vector<Cell>{utf8, std::int64_t{-9'007'199'254'740'993}, std::int64_t{100}, {}, {}, {}, {}, {}, {}});
    CHECK(table.rows[1] == std::vector<Cell>{kStrange, std::int64_t{1}, std::int64_t{11}, std::int64_t{0}, {}, false, {}, {}, {}});

    query.order = "id";
    query.limit = 1;
    const SourceTableResult cut = co_await must(lab.store.source_table(query));
    CHECK(cut.truncated);
    CHECK(cut.rows.at(0).at(1) == Cell{std::int64_t{1}});
    query.search = "\"A\"\n\tB\\c`";
    CHECK((co_await must(lab.store.source_table(query))).rows.size() == 1);
    query.search = "%";
    CHECK((co_await must(lab.store.source_table(query))).rows.empty());
    query.search.clear();
    query.window.to_us = kStart + kMinute;  // only the first reading
    query.order = "hits";
    query.ascending = true;
    CHECK((co_await must(lab.store.source_table(query))).rows.at(0).at(7) == Cell{std::string("hello World")});

    query.order = "nothing";
    const auto wrong = co_await lab.store.source_table(query);
    CHECK(wrong.error().code == ErrorCode::kInvalid);
    query.source = "test.unknown";
    CHECK((co_await lab.store.source_table(query)).error().code == ErrorCode::kNotFound);

    // Every declared source answers, with rows or without.
    query.order.clear();
    for (const catalog::Source& s : lab.sources) {
      query.source = s.name;
      CAPTURE(s.name);
      co_await must(lab.store.source_table(query));
    }
  });
}

TEST_CASE("summaries tell the newest state of each server, and batch states tell how readings went") {
  Lab lab(declared_sources());
  lab.run([&]() -> net::Task<> {
    FrameBuilder builder;
    builder.batch(source(lab, "postgres.instance").schema(), kStart, 0);
    builder.row({{"version", txt("18.4")},
                 {"in_recovery", false},
                 {"connections", num(41)},
                 {"max_connections", num(100)},
                 {"oldest_transaction_us", num(3'200'000)}});
    builder.batch(source(lab, "postgres.instance").schema(), kStart + 10 * kSecond, 10 * kSecond);
    builder.row({{"version", txt("18.4")}, {"in_recovery", true}, {"connections", num(42)}, {"max_connections", num(100)}});
    const wire::Schema databases = source(lab, "postgres.databases").schema();
    builder.batch(databases, kStart, 0);
    builder.row({{"datname", txt("shop")}});
    for (int i = 1; i <= 4; ++i) {
      builder.batch(databases, kStart + i * 30 * kSecond, 30 * kSecond);
      builder.row({{"datname", txt("shop")}, {"xact_commit", num(300)}, {"xact_rollback", num(3)}});
      builder.row({{"datname", txt("postgres")}, {"xact_commit", num(30)}});
    }
    builder.batch(source(lab, "postgres.database_sizes").schema(), kStart, 0);
    builder.row({{"datname", txt("shop")}, {"size_bytes", num(1000)}});
    builder.row({{"datname", txt("postgres")}, {"size_bytes", num(24)}});
    wire::Batch& failed = builder.batch(source(lab, "postgres.tables").schema(), kStart + kMinute, kMinute, wire::Outcome::kPrivilege);
    failed.sqlstate = "42501";
    failed.detail = "permission denied for database \"shop\"";
    failed.missing = {"a", "b"};
    wire::Batch& again = builder.batch(source(lab, "postgres.tables").schema(), kStart + 2 * kMinute, kMinute, wire::Outcome::kPrivilege);
    again.detail = "permission denied for schema x";
    again.missing = {"b"};
    wire::Batch& slow = builder.batch(source(lab, "postgres.tables").schema(), kStart, 0, wire::Outcome::kTimeout);
    slow.detail = "more than 2 s";
    co_await insert_one(lab.store, 1, builder.frame());

    const SummaryResult all = co_await must(lab.store.summaries({1, std::nullopt, {kStart, kStart + kHour}}));
    CHECK(all.size() == 1);
    if (!all.contains(kServer)) co_return;
    const InstanceSummary& s = all.at(kServer);
    CHECK(s.version == "18.4");
    CHECK(s.in_recovery == true);
    CHECK(s.connections == 42);
    CHECK(s.max_connections == 100);
    CHECK(!s.oldest_transaction_seconds);  // the newest reading had none
    CHECK(*s.transactions_per_second == doctest::Approx(333.0 / 30));
    CHECK(s.databases == 2);
    CHECK(s.size_bytes == 1024);
    CHECK(s.last_seen_us == kStart + 120 * kSecond);
    CHECK(!s.cores);
    CHECK(!s.last_unreachable_us);
    CHECK((co_await must(lab.store.summaries({1, 8, {kStart, kStart + kHour}}))).empty());
    CHECK((co_await must(lab.store.summaries({2, std::nullopt, {kStart, kStart + kHour}}))).empty());

    const auto states = co_await must(lab.store.batch_states({1, kServer, std::nullopt, {kStart, kStart + kHour}}));
    CHECK(states.size() == 4);
    for (const BatchState& state : states) {
      CHECK(state.collector == 3);
      if (state.source == "postgres.databases") {
        CHECK(state.complete == 5);
        CHECK(state.failed == 0);
        CHECK(state.rows == 9);
        CHECK(state.last_us == kStart + 120 * kSecond);
        CHECK(!state.last_failed_us);
      }
      if (state.source == "postgres.tables") {
        CHECK(state.complete == 0);
        CHECK(state.failed == 3);
        CHECK(state.outcome == wire::Outcome::kPrivilege);
        CHECK(state.failed_outcome == wire::Outcome::kPrivilege);
        CHECK(state.failed_detail == "permission denied for schema x");
        CHECK(state.missing == std::vector<std::string>{"b"});
        CHECK(!state.last_complete_us);
        CHECK(state.failures.size() == 2);
        if (state.failures.size() != 2) co_return;
        CHECK(state.failures[0].outcome == wire::Outcome::kTimeout);
        CHECK(state.failures[0].count == 1);
        CHECK(state.failures[0].detail == "more than 2 s");
        CHECK(state.failures[1].outcome == wire::Outcome::kPrivilege);
        CHECK(state.failures[1].count == 2);
        CHECK(state.failures[1].last_us == kStart + 2 * kMinute);
      }
    }
    CHECK((co_await must(lab.store.batch_states({1, std::nullopt, 4, {kStart, kStart + kHour}}))).empty());

    std::uint64_t stored = 0;
    for (const SourceTotal& total : co_await must(lab.store.source_totals(1))) {
      CHECK(total.rows_announced == total.rows_stored);
      stored += total.rows_stored;
    }
    CHECK(stored == 13);
    const Health health = co_await must(lab.store.health());
    CHECK(health.version.starts_with("26."));
    CHECK(health.rows > 13);
  });
}

}  // namespace pga::store
