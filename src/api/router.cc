#include "api/router.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "api/problem.h"
#include "base/text.h"

namespace pga::api {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(separator, from), text.size());
    parts.emplace_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

// Text, and nothing that is none.
std::optional<std::string> decoded(std::string_view text, bool plus_is_space) {
  auto out = net::percent_decode(text, plus_is_space);
  if (!out || !is_utf8(*out) || out->find('\0') != std::string::npos) return std::nullopt;
  return out;
}

bool is_placeholder(const std::string& segment) { return segment.size() > 2 && segment.front() == '{' && segment.back() == '}'; }

bool accepts_body(const Operation& operation, const net::Request& request) {
  if (operation.body_types.empty()) return true;
  const auto header = request.headers.find("Content-Type");
  if (!header) return false;
  const std::string_view type = header->substr(0, header->find(';'));
  return std::find(operation.body_types.begin(), operation.body_types.end(), type) != operation.body_types.end();
}

}  // namespace

std::optional<std::int64_t> Call::integer(std::string_view name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::nullopt;
  std::int64_t value = 0;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

std::optional<std::string> Call::text(std::string_view name) const {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::nullopt;
  return found->second;
}

Result<Router> Router::build(std::vector<Operation> operations, Port port, Handlers handlers, Guards guards,
                             std::function<net::Response(net::Request&)> other) {
  Router router;
  router.other_ = std::move(other);
  std::string wrong;
  const auto complain = [&](const std::string& what) { wrong += (wrong.empty() ? "" : "; ") + what; };
  std::set<std::string> known;
  for (Operation& operation : operations) {
    if (operation.port != port) continue;
    known.insert(operation.id);
    const auto handler = handlers.find(operation.id);
    const auto guard = guards.find(operation.policy);
    if (handler == handlers.end()) complain("operation " + operation.id + " has no handler");
    if (guard == guards.end()) complain("nobody guards the policy of " + operation.id + " on this port");
    if (handler == handlers.end() || guard == guards.end()) continue;
    std::vector<std::string> segments = split(operation.path, '/');
    router.routes_.push_back({std::move(operation), std::move(segments), handler->second, guard->second});
  }
  for (const auto& [id, handler] : handlers) {
    if (!known.contains(id)) complain("handler " + id + " belongs to no operation of openapi.yaml");
  }
  if (!wrong.empty()) return invalid(wrong);
  return router;
}

const Router::Route* Router::find(const net::Request& request, std::map<std::string, std::string, std::less<>>& in_path,
                                  std::string& allowed) const {
  const std::vector<std::string> segments = split(request.path(), '/');
  for (const Route& route : routes_) {
    if (route.segments.size() != segments.size()) continue;
    std::map<std::string, std::string, std::less<>> values;
    const bool matches =
        std::equal(segments.begin(), segments.end(), route.segments.begin(), [&](const std::string& part, const std::string& want) {
          if (!is_placeholder(want)) return part == want;
          const auto value = decoded(part, false);
          if (value) values[want.substr(1, want.size() - 2)] = *value;
          return value.has_value();
        });
    if (!matches) continue;
    if (route.operation.method == request.method) {
      in_path = std::move(values);
      return &route;
    }
    allowed += (allowed.empty() ? "" : ", ") + route.operation.method;
  }
  return nullptr;
}

Status read_parameters(Call& call) {
  const auto& declared = call.operation.parameters;
  const auto mark = call.request.target.find('?');
  if (mark != std::string::npos && mark + 1 < call.request.target.size()) {
    for (const std::string& pair : split(std::string_view(call.request.target).substr(mark + 1), '&')) {
      const auto equals = pair.find('=');
      const auto name = decoded(pair.substr(0, equals), true);
      const auto value = decoded(equals == std::string::npos ? "" : pair.substr(equals + 1), true);
      if (!name || !value) return invalid("the query has a broken percent encoding");
      const auto parameter =
          std::find_if(declared.begin(), declared.end(), [&](const Parameter& p) { return !p.in_path && p.name == *name; });
      if (parameter == declared.end()) {
        std::vector<std::string> names;
        for (const Parameter& p : declared) {
          if (!p.in_path) names.push_back(p.name);
        }
        const auto near = nearest(*name, names);
        return invalid("there is no parameter \"" + name->substr(0, 100) + "\"" + (near ? "; did you mean \"" + *near + "\"?" : ""));
      }
      if (!call.parameters.emplace(*name, *value).second) return invalid("parameter " + *name + " stands twice");
    }
  }
  for (const Parameter& p : declared) {
    const auto given = call.parameters.find(p.name);
    if (given != call.parameters.end()) {
      PGA_TRY_STATUS(check_parameter(p, given->second));
    } else if (p.required) {
      return invalid("parameter " + p.name + " is missing");
    } else if (p.fallback) {
      call.parameters.emplace(p.name, *p.fallback);
    }
  }
  return {};
}

net::Task<net::Response> Router::handle(net::Request& request) const {
  std::map<std::string, std::string, std::less<>> in_path;
  std::string allowed;
  const Route* route = find(request, in_path, allowed);
  if (route == nullptr) {
    if (!allowed.empty()) {
      net::Response response = problem(405, request.method + " is not allowed here; " + allowed + " is");
      response.headers.add("Allow", allowed);
      co_return response;
    }
    const std::string_view path = request.path();
    const bool reserved = path == "/api" || path == "/-" || path.starts_with("/api/") || path.starts_with("/-/");
    if (other_ && !reserved && (request.method == "GET" || request.method == "HEAD")) co_return other_(request);
    co_return problem(404, "there is nothing under " + std::string(path.substr(0, 200)));
  }

  Call call{.request = request, .operation = route->operation, .parameters = std::move(in_path)};
  auto refusal = co_await route->guard(call);
  if (refusal) co_return std::move(*refusal);
  if (!accepts_body(route->operation, request)) co_return problem(415, "this takes " + route->operation.body_types.front());
  if (const Status checked = read_parameters(call); !checked) co_return problem(checked.error());
  auto answer = co_await route->handler(call);
  if (!answer) co_return problem(answer.error());
  co_return std::move(*answer);
}

}  // namespace pga::api
