#include "api/people.h"

namespace pga::api {
namespace {

net::Task<std::optional<net::Response>> admit() { co_return std::nullopt; }

}  // namespace

Handlers people_handlers(Context& context, Sessions& sessions) {
  Handlers handlers;
  sessions.add_handlers(handlers);
  add_server_handlers(handlers, context);
  add_query_handlers(handlers, context);
  add_source_handlers(handlers, context);
  add_collector_handlers(handlers, context);
  add_operations_handlers(handlers, context);
  return handlers;
}

Guards people_guards(Sessions& sessions) {
  return {{Policy::kPublic, [](Call&) { return admit(); }}, {Policy::kSession, [&sessions](Call& call) { return sessions.guard(call); }}};
}

}  // namespace pga::api
