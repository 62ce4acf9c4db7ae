// What the handlers of the people's port work with. Everything outlives them and belongs to one loop's thread, except what says otherwise.
#pragma once

#include <functional>

#include "api/router.h"
#include "base/clock.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "directory/audit.h"
#include "directory/fleet.h"
#include "directory/people.h"
#include "net/loop.h"
#include "store/store.h"

namespace pga::api {

struct Context {
  net::Loop& loop;
  const Clock& clock;
  Random& random;
  const catalog::Catalog& catalog;
  store::Store& store;
  directory::People& people;  // thread-safe, blocking
  directory::Fleet& fleet;    // thread-safe, blocking
  directory::Audit& audit;    // thread-safe, blocking
  // Why frames and people cannot be served now; ok when they can.
  std::function<net::Task<Status>()> ready;
  std::function<std::string()> notice = [] { return std::string(); };  // of a server that is ready: what a person should look at
};

// Handlers of the people's operations apart from sessions, each under its operationId.
void add_server_handlers(Handlers& handlers, Context& context);
void add_query_handlers(Handlers& handlers, Context& context);
void add_source_handlers(Handlers& handlers, Context& context);
void add_collector_handlers(Handlers& handlers, Context& context);
void add_operations_handlers(Handlers& handlers, Context& context);

// The server that the path names, if it is one of the session's tenant; kNotFound else.
net::Task<Result<directory::Server>> server_of(Context& context, const Call& call);

// The sentence for an answer without rows: asks the store how the readings of the source went.
net::Task<Result<std::string>> why_empty(Context& context, const directory::Server& server, const std::string& source, store::Window window,
                                         bool filtered);

}  // namespace pga::api
