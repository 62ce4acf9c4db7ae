// The HTTP side of the engine: `POST /` with SQL as body or as ?query= with data as body, param_x=, default_format, and GET /ping.
#pragma once

#include <string>

#include "net/http.h"
#include "net/loop.h"
#include "net/task.h"
#include "pool.h"

namespace pga::engine {

class Front {
 public:
  Front(net::Loop& loop, Pool& pool) : loop_(loop), pool_(pool) {}

  net::Task<net::Response> answer(net::Request& request);

  // Asks chDB to give memory back some seconds after the last statement. Ends when the loop stops.
  net::Task<> keep_tidy();

 private:
  net::Task<net::Response> run(std::shared_ptr<Job> job);

  net::Loop& loop_;
  Pool& pool_;
};

}  // namespace pga::engine
