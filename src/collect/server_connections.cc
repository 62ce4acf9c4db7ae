#include "collect/server_connections.h"

#include <charconv>

namespace pga::collect {
namespace {

// Client backends; a role without rights sees of other sessions only that they are in a database. And the databases to which connecting
// would wait for a lock.
constexpr const char* kConnectionsSql =
    "SELECT current_setting('max_connections'), current_setting('superuser_reserved_connections')::bigint + "
    "coalesce(current_setting('reserved_connections', true), '0')::bigint, (SELECT count(*) FROM pg_stat_activity WHERE backend_type = "
    "'client backend' OR (backend_type IS NULL AND datid IS NOT NULL)), NULL "
    "UNION ALL SELECT NULL, NULL, NULL, datname::text FROM pg_database WHERE oid IN (SELECT objid FROM pg_locks WHERE locktype = 'object' "
    "AND classid = 'pg_database'::regclass AND mode = 'AccessExclusiveLock')";

std::int64_t number(std::optional<std::string_view> cell) {
  std::int64_t value = 0;
  if (cell) std::from_chars(cell->data(), cell->data() + cell->size(), value);
  return value;
}

}  // namespace

net::Task<pg::Answer<ConnectionGate::Server>> server_connections(pg::Connection& connection, Deadline deadline) {
  auto rows = co_await connection.query(kConnectionsSql, deadline);
  if (!rows) co_return tl::unexpected(std::move(rows).error());
  ConnectionGate::Server server;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    if (const auto held = rows->at(i, 3)) {
      server.held.emplace(*held);
      continue;
    }
    server.max = number(rows->at(i, 0));
    server.kept_back = number(rows->at(i, 1));
    server.used = number(rows->at(i, 2));
  }
  co_return server;
}

}  // namespace pga::collect
