// Statements: the top of a window, with a second window beside it, and one statement over time.
#include <algorithm>
#include <array>

#include "store/store_internal.h"

namespace pga::store {
namespace {

// Counters of postgres.statements that measures are made of, in the order of `Measure`.
enum Measure : std::size_t { kCalls, kTime, kRows, kHit, kRead, kTemp, kWal, kMeasures };
constexpr std::array<const char*, kMeasures> kCounters = {
    "calls", "total_exec_time", "rows", "shared_blks_hit", "shared_blks_read", "temp_blks_written", "wal_bytes"};

std::string counter_sql(const catalog::Source& source, std::size_t measure) {
  const catalog::Column* column = source.find(kCounters[measure]);
  if (column == nullptr) return "toInt64(0)";
  return column->nullable ? "ifNull(" + quote_name(column->name) + ", 0)" : quote_name(column->name);
}

double time_scale(const catalog::Source& source) {
  const catalog::Column* column = source.find(kCounters[kTime]);
  return column == nullptr ? 1e-9 : seconds_per_unit(*column);
}

// Reads kMeasures sums from `first` on.
QueryMeasures measures(const catalog::Source& source, const Rows& rows, std::size_t row, std::size_t first) {
  QueryMeasures m;
  m.calls = rows.number(row, first + kCalls);
  m.total_time_seconds = rows.number(row, first + kTime) * time_scale(source);
  m.rows = rows.number(row, first + kRows);
  m.shared_blks_hit = rows.number(row, first + kHit);
  m.shared_blks_read = rows.number(row, first + kRead);
  m.temp_blks_written = rows.number(row, first + kTemp);
  if (source.find(kCounters[kWal]) != nullptr) m.wal_bytes = rows.number(row, first + kWal);
  return m;
}

void add(QueryMeasures& sum, const QueryMeasures& m) {
  sum.calls += m.calls;
  sum.total_time_seconds += m.total_time_seconds;
  sum.rows += m.rows;
  sum.shared_blks_hit += m.shared_blks_hit;
  sum.shared_blks_read += m.shared_blks_read;
  sum.temp_blks_written += m.temp_blks_written;
  if (m.wal_bytes) sum.wal_bytes = sum.wal_bytes.value_or(0) + *m.wal_bytes;
}

std::vector<std::string> measure_columns(const catalog::Source& source) {
  std::vector<std::string> columns;
  for (std::size_t m = 0; m < kMeasures; ++m) columns.push_back(counter_sql(source, m) + " AS m" + std::to_string(m));
  return columns;
}

// What ranks, of window w: "" or "c".
std::string rank_sql(QueryOrder order, const std::string& w, double seconds) {
  const auto rate = [&](const std::string& sum) { return "(" + sum + w + " / " + std::to_string(std::max(seconds, 1e-3)) + ")"; };
  switch (order) {
    case QueryOrder::kTotalTime:
      return rate("s1");
    case QueryOrder::kCalls:
      return rate("s0");
    case QueryOrder::kMeanTime:
      return "if(s0" + w + " > 0, s1" + w + " / s0" + w + ", 0)";
    case QueryOrder::kRows:
      return rate("s2");
    case QueryOrder::kBlocksRead:
      return rate("s4");
    case QueryOrder::kWalBytes:
      return rate("s6");
    case QueryOrder::kTempBlocks:
      return rate("s5");
    case QueryOrder::kLoad:
      return rate("n");
  }
  return rate("s1");
}

struct Side {
  std::vector<Slice> slices;
  Window window;
  Store::Impl::Watched watched;  // by statements
  std::uint64_t samples = 0;     // answered readings of activity
};

// Rows are (bucket, measures…). A rate is null where nobody watched, or where only a first reading is, which has no increments.
void fill_series(const catalog::Source& source, const Rows& rows, const std::vector<Store::Impl::Watched>& watched,
                 QuerySeriesResult& result) {
  struct Series {
    Values* values;
    double QueryMeasures::* measure;
  };
  const Series rates[] = {{&result.calls_per_second, &QueryMeasures::calls},
                          {&result.load_seconds_per_second, &QueryMeasures::total_time_seconds},
                          {&result.rows_per_second, &QueryMeasures::rows},
                          {&result.shared_blks_read_per_second, &QueryMeasures::shared_blks_read}};
  const bool has_wal = source.find(kCounters[kWal]) != nullptr;
  Values zeros(watched.size());
  for (std::size_t i = 0; i < watched.size(); ++i) {
    if (watched[i].seconds > 0) zeros[i] = 0;
  }
  for (const Series& rate : rates) *rate.values = zeros;
  result.wal_bytes_per_second = has_wal ? zeros : Values(watched.size());
  result.mean_time_ms = Values(watched.size());
  if (has_wal) result.totals.wal_bytes = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const QueryMeasures m = measures(source, rows, r, 1);
    add(result.totals, m);
    const auto i = static_cast<std::size_t>(rows.count(r, 0));
    if (i >= watched.size() || watched[i].seconds <= 0) continue;
    for (const Series& rate : rates) (*rate.values)[i] = m.*rate.measure / watched[i].seconds;
    if (m.wal_bytes) result.wal_bytes_per_second[i] = *m.wal_bytes / watched[i].seconds;
    if (m.calls > 0) result.mean_time_ms[i] = m.total_time_seconds * 1e3 / m.calls;
  }
}

}  // namespace

net::Task<Result<TopQueriesResult>> Store::top_queries(TopQueriesQuery query) {
  Impl& impl = *impl_;
  TopQueriesResult result;
  const catalog::Source* source = impl.find(kStatements);
  const catalog::Source* activity = impl.find(kActivity);
  if (source == nullptr) co_return result;

  std::vector<Side> sides(1);
  sides[0].slices = impl.plan(query.window);
  if (query.compare) sides.push_back({impl.plan(*query.compare), {}, {}, 0});
  for (Side& side : sides) {
    side.window = covered(side.slices);
    PGA_CO_TRY(auto watched, co_await impl.watched(query.tenant, query.server, kStatements, side.slices));
    side.watched = watched[query.server];
    if (activity == nullptr) continue;
    PGA_CO_TRY(auto sampled, co_await impl.watched(query.tenant, query.server, kActivity, side.slices));
    side.samples = sampled[query.server].readings;
  }
  result.window = sides[0].window;
  result.readings = sides[0].watched.readings;
  result.watched_seconds = sides[0].watched.seconds;
  if (query.compare) {
    result.compare = sides[1].window;
    result.compare_readings = sides[1].watched.readings;
    result.compare_watched_seconds = sides[1].watched.seconds;
  }

  Parameters parameters;
  parameters.set("tenant", query.tenant);
  parameters.set("server", query.server);
  const std::vector<std::string> columns = measure_columns(*source);
  std::string statements, sessions;
  for (std::size_t w = 0; w < sides.size(); ++w) {
    std::vector<std::string> of_window = columns;
    of_window.insert(of_window.end(),
                     {"queryid AS q", as_text_sql("datname") + " AS d", as_text_sql("usename") + " AS u", std::to_string(w) + " AS w"});
    statements += (w == 0 ? "" : " UNION ALL ") + impl.rows_of(*source, sides[w].slices, of_window, true, parameters);
    if (activity == nullptr) continue;
    const std::vector<std::string> of_activity = {"toInt64(ifNull(query_id, 0)) AS q", as_text_sql("datname") + " AS d",
                                                  as_text_sql("usename") + " AS u", std::to_string(w) + " AS w"};
    sessions += (w == 0 ? "" : " UNION ALL ") + impl.rows_of(*activity, sides[w].slices, of_activity, true, parameters, "state = 'active'");
  }

  // Totals of the server, whatever the filters below leave.
  const std::string sums = join(columns, ", ", [i = 0](const std::string&) mutable { return "sum(m" + std::to_string(i++) + ")"; });
  {
    Parameters whole;
    whole.set("tenant", query.tenant);
    whole.set("server", query.server);
    auto rows =
        co_await impl.select("SELECT " + sums + " FROM (" + impl.rows_of(*source, sides[0].slices, columns, true, whole) + ")", whole);
    if (!rows) co_return std::move(rows).error();
    if (rows->size() == 1) result.totals = measures(*source, *rows, 0, 0);
  }

  std::string filter = "1";
  if (query.database) filter += " AND d = " + parameters.bind(*query.database);
  if (query.user) filter += " AND u = " + parameters.bind(*query.user);
  if (!query.search.empty()) {
    const std::string needle = parameters.bind(query.search);
    filter += " AND (toString(q) = " + needle;
    if (const catalog::Source* texts = impl.find(kStatementTexts)) {
      filter += " OR q IN (SELECT queryid FROM " + impl.table(texts->table()) +
                " WHERE tenant = {tenant:UInt32} AND server = {server:UInt32} AND positionCaseInsensitiveUTF8(query, " + needle + ") > 0)";
    }
    filter += ")";
  }

  // Sums of both windows in one pass: s0… of the first, s0c… of the second.
  std::string selected, named;
  for (const char* w : {"", "c"}) {
    for (std::size_t m = 0; m < kMeasures; ++m) {
      const std::string name = "s" + std::to_string(m) + w;
      selected += ", sumIf(m" + std::to_string(m) + ", w = " + (*w == '\0' ? "0" : "1") + ") AS " + name;
      named += ", " + name;
    }
  }
  std::string from =
      "(SELECT q, d, u" + selected + " FROM (" + statements + ") WHERE " + filter + " GROUP BY q, d, u HAVING s0 > 0 OR s0c > 0) AS s";
  std::string counts = ", toUInt64(0) AS n, toUInt64(0) AS nc";
  if (!sessions.empty()) {
    from += " LEFT JOIN (SELECT q, d, u, sumIf(_n, w = 0) AS n, sumIf(_n, w = 1) AS nc FROM (" + sessions +
            ") GROUP BY q, d, u) AS a USING (q, d, u)";
    counts = ", n, nc";
  }
  const std::string current = rank_sql(query.order, "", sides[0].window.seconds());
  const std::string rank =
      query.compare ? "greatest(" + current + ", " + rank_sql(query.order, "c", sides[1].window.seconds()) + ")" : current;
  const std::string direction = query.ascending ? " ASC" : " DESC";
  auto rows = co_await impl.select("SELECT q, d, u" + named + ", n, nc FROM (SELECT q, d, u" + named + counts + ", " + current +
                                       " AS current_rank, " + rank + " AS any_rank FROM " + from + " ORDER BY any_rank" + direction +
                                       ", q, d, u LIMIT " + parameters.bind(static_cast<std::int64_t>(query.limit)) +
                                       ") ORDER BY current_rank" + direction + ", any_rank" + direction + ", q, d, u",
                                   parameters);
  if (!rows) co_return std::move(rows).error();

  std::vector<std::int64_t> ids;
  for (std::size_t r = 0; r < rows->size(); ++r) {
    QueryRow row;
    row.key = {query.server, rows->integer(r, 0), rows->text(r, 1), rows->text(r, 2)};
    row.current = measures(*source, *rows, r, 3);
    const std::size_t n = 3 + 2 * kMeasures;
    if (sides[0].samples > 0) row.current.load = rows->number(r, n) / static_cast<double>(sides[0].samples);
    if (query.compare && rows->number(r, 3 + kMeasures) > 0) {
      row.compare = measures(*source, *rows, r, 3 + kMeasures);
      if (sides[1].samples > 0) row.compare->load = rows->number(r, n + 1) / static_cast<double>(sides[1].samples);
    }
    ids.push_back(row.key.queryid);
    result.rows.push_back(std::move(row));
  }
  PGA_CO_TRY(const auto known, co_await impl.texts(query.tenant, query.server, std::move(ids)));
  for (QueryRow& row : result.rows) {
    const auto text = known.find(row.key.queryid);
    if (text == known.end()) continue;
    row.text = text->second.text;
    row.fingerprint = text->second.fingerprint;
  }
  co_return result;
}

net::Task<Result<QuerySeriesResult>> Store::query_series(QuerySeriesQuery query) {
  Impl& impl = *impl_;
  QuerySeriesResult result;
  const catalog::Source* source = impl.find(kStatements);
  if (source == nullptr) co_return result;
  const std::uint32_t server = query.key.server;
  const std::vector<Slice> slices = impl.plan(query.window);
  result.grid = plan_grid(slices, query.points, 2 * source->interval);

  PGA_CO_TRY(Impl::WatchedGrid all_watched, co_await impl.watched(query.tenant, server, kStatements, slices, result.grid));
  std::vector<Impl::Watched> watched = std::move(all_watched[server]);
  watched.resize(result.grid.points);
  for (const Impl::Watched& w : watched) {
    result.readings += w.readings;
    result.watched_seconds += w.seconds;
  }

  Parameters parameters;
  parameters.set("tenant", query.tenant);
  parameters.set("server", server);
  parameters.set("queryid", query.key.queryid);
  parameters.set("database", query.key.database);
  parameters.set("user", query.key.user);
  std::vector<std::string> columns = measure_columns(*source);
  const std::string same =
      " = {queryid:Int64} AND " + as_text_sql("datname") + " = {database:String} AND " + as_text_sql("usename") + " = {user:String}";
  const std::string sums = join(columns, ", ", [i = 0](const std::string&) mutable { return "sum(m" + std::to_string(i++) + ")"; });
  const std::string from = impl.rows_of(*source, slices, columns, true, parameters, "queryid" + same);
  auto rows = co_await impl.select("SELECT " + bucket_of(result.grid, parameters) + " AS i, " + sums + " FROM (" + from + ") GROUP BY i",
                                   parameters);
  if (!rows) co_return std::move(rows).error();

  fill_series(*source, *rows, watched, result);

  {
    Parameters whole;
    whole.set("tenant", query.tenant);
    whole.set("server", server);
    const std::string all = impl.rows_of(*source, slices, {counter_sql(*source, kTime) + " AS m"}, true, whole);
    auto total = co_await impl.select("SELECT sum(m) FROM (" + all + ")", whole);
    if (!total) co_return std::move(total).error();
    if (total->size() == 1) result.server_total_time_seconds = total->number(0, 0) * time_scale(*source);
  }
  std::vector<std::int64_t> ids(1, query.key.queryid);
  PGA_CO_TRY(const auto known, co_await impl.texts(query.tenant, server, std::move(ids)));
  if (const auto text = known.find(query.key.queryid); text != known.end()) {
    result.text = text->second.text;
    result.fingerprint = text->second.fingerprint;
  }

  const catalog::Source* activity = impl.find(kActivity);
  if (activity == nullptr) co_return result;
  PGA_CO_TRY(auto sampled, co_await impl.watched(query.tenant, server, kActivity, slices));
  const auto samples = static_cast<double>(sampled[server].readings);
  if (samples == 0) co_return result;
  const std::string type = as_text_sql("wait_event_type");
  const std::string event = "if(" + type + " = '', 'CPU', concat(" + type + ", ':', " + as_text_sql("wait_event") + ")) AS k";
  const std::string sessions = impl.rows_of(*activity, slices, {event}, true, parameters, "state = 'active' AND query_id" + same);
  auto waits = co_await impl.select("SELECT k, toInt64(sum(_n)) AS n FROM (" + sessions + ") GROUP BY k ORDER BY n DESC, k", parameters);
  if (!waits) co_return std::move(waits).error();
  double load = 0;
  for (std::size_t r = 0; r < waits->size(); ++r) {
    const double mean = waits->number(r, 1) / samples;
    load += mean;
    if (r < 20) result.waits.push_back({waits->text(r, 0), mean});
  }
  result.totals.load = load;
  co_return result;
}

}  // namespace pga::store
