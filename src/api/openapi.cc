#include "api/openapi.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <regex>
#include <set>

namespace pga::api {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kMethods{
    {{"get", "GET"}, {"post", "POST"}, {"put", "PUT"}, {"patch", "PATCH"}, {"delete", "DELETE"}}};

Error at(const YAML::Node& node, const std::string& message) {
  return invalid("openapi.yaml:" + std::to_string(node.Mark().line + 1) + ": " + message);
}

class Reader {
 public:
  explicit Reader(YAML::Node root) : root_(std::move(root)) {}

  Result<std::vector<Operation>> operations() const {
    std::vector<Operation> all;
    std::set<std::string> ids;
    for (const auto& path : root_["paths"]) {
      for (const auto& item : path.second) {
        const auto key = item.first.as<std::string>();
        const auto method = std::find_if(kMethods.begin(), kMethods.end(), [&](const auto& m) { return m.first == key; });
        if (method == kMethods.end()) return at(item.first, "\"" + key + "\" is not a method");
        PGA_TRY(Operation operation, read(path.first.as<std::string>(), std::string(method->second), item.second));
        if (!ids.insert(operation.id).second) return at(item.first, "operationId " + operation.id + " stands twice");
        all.push_back(std::move(operation));
      }
    }
    if (all.empty()) return invalid("openapi.yaml has no paths");
    return all;
  }

 private:
  Result<Operation> read(const std::string& path, const std::string& method, const YAML::Node& node) const {
    Operation operation;
    operation.path = path;
    operation.method = method;
    operation.id = node["operationId"].as<std::string>("");
    if (operation.id.empty()) return at(node, method + " " + path + " has no operationId");

    const auto port = node["x-port"].as<std::string>("");
    if (port != "people" && port != "collectors") return at(node, operation.id + " has no x-port");
    operation.port = port == "people" ? Port::kPeople : Port::kCollectors;

    PGA_TRY(operation.policy, policy(node, operation.id));
    for (const auto& item : node["parameters"]) {
      PGA_TRY(const YAML::Node parameter, resolve(item));
      const auto in = parameter["in"].as<std::string>("");
      if (in == "header") continue;  // X-CSRF-Token, which the session's guard reads
      if (in != "path" && in != "query")
        return at(item, operation.id + ": parameters are in the path or in the query, not in \"" + in + "\"");
      PGA_TRY(Parameter read, read_parameter(parameter));
      operation.parameters.push_back(std::move(read));
    }
    if (const YAML::Node body = node["requestBody"]) {
      for (const auto& type : body["content"]) operation.body_types.push_back(type.first.as<std::string>());
    }
    return operation;
  }

  static Result<Policy> policy(const YAML::Node& node, const std::string& id) {
    const auto name = node["x-policy"].as<std::string>("");
    if (name == "public") return Policy::kPublic;
    if (name == "session") return Policy::kSession;
    if (name == "enrolment-token") return Policy::kEnrolmentToken;
    if (name == "certificate") return Policy::kCertificate;
    if (name == "certificate+jwt") return Policy::kCertificateAndToken;
    return at(node, id + (name.empty() ? " has no x-policy" : " has the unknown x-policy \"" + name + "\""));
  }

  Result<Parameter> read_parameter(const YAML::Node& node) const {
    Parameter p;
    p.name = node["name"].as<std::string>("");
    p.in_path = node["in"].as<std::string>("") == "path";
    p.required = node["required"].as<bool>(false);
    PGA_TRY(const YAML::Node schema, resolve(node["schema"]));
    const auto type = schema["type"].as<std::string>("");
    if (type != "integer" && type != "string") return at(node, "parameter " + p.name + " must be an integer or a string");
    p.integer = type == "integer";
    if (schema["minimum"]) p.minimum = schema["minimum"].as<std::int64_t>();
    if (schema["maximum"]) p.maximum = schema["maximum"].as<std::int64_t>();
    if (schema["minLength"]) p.length_min = schema["minLength"].as<std::size_t>();
    if (schema["maxLength"]) p.length_max = schema["maxLength"].as<std::size_t>();
    for (const auto& choice : schema["enum"]) p.choices.push_back(choice.as<std::string>());
    p.pattern = schema["pattern"].as<std::string>("");
    if (schema["default"]) p.fallback = schema["default"].as<std::string>();
    return p;
  }

  // Follows a local reference, "#/components/parameters/From".
  Result<YAML::Node> resolve(const YAML::Node& node) const {
    const auto reference = node["$ref"].as<std::string>("");
    if (reference.empty()) return node;
    if (!reference.starts_with("#/")) return at(node, "\"" + reference + "\" is not a local reference");
    YAML::Node found;
    found.reset(root_);
    for (std::size_t from = 2; from <= reference.size();) {
      const std::size_t end = std::min(reference.find('/', from), reference.size());
      const YAML::Node next = found[reference.substr(from, end - from)];
      if (!next) return at(node, "\"" + reference + "\" leads nowhere");
      found.reset(next);
      from = end + 1;
    }
    return found;
  }

  YAML::Node root_;
};

}  // namespace

Result<std::vector<Operation>> parse_openapi(std::string_view yaml) {
  try {
    return Reader(YAML::Load(std::string(yaml))).operations();
  } catch (const YAML::Exception& e) {
    return invalid("openapi.yaml: " + std::string(e.what()));
  }
}

Status check_parameter(const Parameter& p, std::string_view value) {
  const std::string quoted = p.name + " (" + std::string(value.substr(0, 100)) + ")";
  if (p.integer) {
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code != std::errc() || end != value.data() + value.size()) return invalid(quoted + " is not an integer");
    if (p.minimum && number < *p.minimum) return invalid(quoted + " is less than " + std::to_string(*p.minimum));
    if (p.maximum && number > *p.maximum) return invalid(quoted + " is greater than " + std::to_string(*p.maximum));
    return {};
  }
  if (p.length_max && value.size() > *p.length_max) {
    return invalid(p.name + " of " + std::to_string(value.size()) + " bytes exceeds the limit of " + std::to_string(*p.length_max));
  }
  if (p.length_min && value.size() < *p.length_min) return invalid(quoted + " is shorter than " + std::to_string(*p.length_min) + " bytes");
  if (!p.choices.empty() && std::find(p.choices.begin(), p.choices.end(), value) == p.choices.end()) {
    std::string names;
    for (const std::string& choice : p.choices) names += (names.empty() ? "" : ", ") + choice;
    return invalid(quoted + " is none of " + names);
  }
  // The patterns are ours and the length is bounded by the line above, so that the expression's recursion is too.
  if (!p.pattern.empty() && !std::regex_match(value.begin(), value.end(), std::regex(p.pattern))) {
    return invalid(quoted + " does not look like " + p.pattern);
  }
  return {};
}

}  // namespace pga::api
