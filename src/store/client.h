// One ClickHouse or engine over HTTP: statements out, cells or an error in.
#pragma once

#include <string>

#include "base/secret.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/task.h"
#include "store/rows.h"
#include "store/sql.h"

namespace pga::store {

// What an answer means: nothing for 200, else a trimmed error whose code says whether repeating may help (is_retriable).
std::optional<Error> error_of(const net::Response& response);

class Client {
 public:
  Client(net::Loop& loop, const net::ClientOptions& options, std::string user, Secret<std::string> password);

  net::Task<Result<Rows>> select(std::string sql, Parameters parameters, Deadline deadline);
  net::Task<Status> execute(std::string sql, Parameters parameters, Deadline deadline);
  net::Task<Status> insert(std::string sql, std::string data, Deadline deadline);  // sql ends with a FORMAT clause
  net::Task<Status> ping(Deadline deadline);

 private:
  net::Task<Result<std::string>> post(std::string target, std::string body, Deadline deadline);

  net::HttpClient http_;
  const std::string user_;
  const Secret<std::string> password_;
};

}  // namespace pga::store
