// listSources, getSource, and the three sources that have a page of their own.
#include "api/context.h"
#include "api/json.h"
#include "api/problem.h"
#include "api/window.h"

namespace pga::api {
namespace {

net::Task<Result<net::Response>> source_table(Context& context, Call& call, std::string name) {
  PGA_CO_TRY(const directory::Server server, co_await server_of(context, call));
  const catalog::Source* const source = context.catalog.find(name);
  if (source == nullptr) co_return Error{ErrorCode::kNotFound, "there is no source " + name};
  store::SourceTableQuery query;
  query.tenant = server.tenant.value;
  query.server = server.id.value;
  query.source = name;
  PGA_CO_TRY(query.window, window_of(call, context.clock.now()));
  query.order = call.text("order").value_or("");
  query.ascending = query.order.starts_with('-');
  if (query.ascending) query.order.erase(0, 1);
  if (!query.order.empty() && source->find(query.order) == nullptr && query.order != catalog::kEstimatedColumn &&
      query.order != catalog::kChangeColumn && query.order != catalog::kPartsColumn && query.order != "samples") {
    co_return invalid("order (" + query.order + ") is not a column of " + name);
  }
  query.limit = static_cast<std::size_t>(call.integer("limit").value_or(100));
  query.search = call.text("search").value_or("");
  query.parts_together = call.text("parts").value_or("together") == "together";
  PGA_CO_TRY(const auto result, co_await context.store.source_table(query));

  json::array columns;
  for (const auto& c : result.columns) columns.push_back(column(c.name, c.kind, c.type, c.unit, c.doc));
  json::array rows;
  for (const auto& row : result.rows) {
    json::array cells;
    for (std::size_t i = 0; i < row.size() && i < result.columns.size(); ++i) cells.push_back(cell(row[i], result.columns[i].type));
    rows.push_back(std::move(cells));
  }
  json::value reason = nullptr;
  if (rows.empty()) {
    PGA_CO_TRY(reason, co_await why_empty(context, server, name, query.window, !query.search.empty()));
  }
  co_return json_answer(json::object{
      {"source", json::object{{"name", source->name}, {"doc", source->doc}, {"columns", std::move(columns)}}},
      {"rows", std::move(rows)},
      {"window_seconds", result.window.seconds()},
      {"truncated", result.truncated},
      {"reason", reason},
  });
}

net::Task<Result<net::Response>> list_sources(Context& context, Call& call) {
  static_cast<void>(call);
  json::array sources;
  for (const catalog::Source& source : context.catalog.sources()) {
    json::array columns;
    for (const auto& c : source.columns) columns.push_back(column(c.name, c.kind, c.wire_type, c.unit, c.doc));
    sources.push_back(json::object{{"name", source.name},
                                   {"doc", source.doc},
                                   {"scope", catalog::to_string(source.scope)},
                                   {"shape", catalog::to_string(source.shape)},
                                   {"interval_seconds", std::chrono::duration<double>(source.interval).count()},
                                   {"columns", std::move(columns)}});
  }
  co_return json_answer(json::object{{"sources", std::move(sources)}});
}

}  // namespace

void add_source_handlers(Handlers& handlers, Context& context) {
  handlers["listSources"] = [&context](Call& call) { return list_sources(context, call); };
  handlers["getSource"] = [&context](Call& call) { return source_table(context, call, call.text("source").value_or("")); };
  handlers["listDatabases"] = [&context](Call& call) { return source_table(context, call, "postgres.databases"); };
  handlers["listTables"] = [&context](Call& call) { return source_table(context, call, "postgres.tables"); };
  handlers["listIndexes"] = [&context](Call& call) { return source_table(context, call, "postgres.indexes"); };
}

}  // namespace pga::api
