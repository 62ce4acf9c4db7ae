// From a request to its handler, deny by default: every operation of the port has a policy, every policy a guard that is asked before
// anything else of the request is looked at.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/openapi.h"
#include "base/result.h"
#include "directory/fleet.h"
#include "directory/people.h"
#include "net/http.h"
#include "net/task.h"

namespace pga::api {

// One request on its way through guard and handler.
struct Call {
  net::Request& request;
  const Operation& operation;
  std::map<std::string, std::string, std::less<>> parameters = {};  // checked; fallbacks are filled in
  std::optional<directory::Session> session = {};                   // set by the guard of kSession
  std::optional<directory::Collector> collector = {};               // set by the guards of kCertificate and kCertificateAndToken

  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> text(std::string_view name) const;
};

using Handler = std::function<net::Task<Result<net::Response>>(Call&)>;
using Handlers = std::map<std::string, Handler>;  // by operationId
// Nothing: admitted. Else the answer, usually 401.
using Guard = std::function<net::Task<std::optional<net::Response>>(Call&)>;
using Guards = std::map<Policy, Guard>;

class Router {
 public:
  // Fails with kInvalid when operations and handlers do not match one to one, or an operation's policy has no guard; the message names all
  // of them. `other` answers GET requests for paths that are not an operation's; without it they are 404.
  static Result<Router> build(std::vector<Operation> operations, Port port, Handlers handlers, Guards guards,
                              std::function<net::Response(net::Request&)> other = {});

  net::Task<net::Response> handle(net::Request& request) const;

 private:
  struct Route {
    Operation operation;
    std::vector<std::string> segments;
    Handler handler;
    Guard guard;
  };
  const Route* find(const net::Request& request, std::map<std::string, std::string, std::less<>>& in_path, std::string& allowed) const;

  std::vector<Route> routes_;
  std::function<net::Response(net::Request&)> other_;
};

// Fills call.parameters from the query; kInvalid names an unknown, repeated, missing or wrong parameter.
Status read_parameters(Call& call);

}  // namespace pga::api
