// Asks a server how many connections it has left.
#pragma once

#include "collect/connection_gate.h"
#include "net/task.h"
#include "pg/connection.h"

namespace pga::collect {

net::Task<pg::Answer<ConnectionGate::Server>> server_connections(pg::Connection& connection, Deadline deadline);

}  // namespace pga::collect
