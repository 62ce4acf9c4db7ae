// How a request reaches the server: the real one is Link; a simulation has its own.
#pragma once

#include <string>

#include "base/result.h"
#include "net/http.h"
#include "net/task.h"

namespace pga::uplink {

class Transport {
 public:
  virtual ~Transport() = default;
  // Whatever is needed before a request can be sent: identity, certificate, token. Says why not.
  virtual net::Task<Status> ready() = 0;
  // One request with certificate and token; a token that the server does not take is replaced once. Any HTTP status is an ok Result.
  virtual net::Task<Result<net::Response>> post(std::string path, std::string content_type, std::string body) = 0;
  [[nodiscard]] virtual std::string peer() const = 0;  // for people: where requests go
};

}  // namespace pga::uplink
