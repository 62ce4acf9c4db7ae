// The part of api/openapi.yaml that routing needs: what is called how, by whom, with which parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pga::api {

enum class Port : std::uint8_t { kPeople, kCollectors };

// Who may call (x-policy). There is no default: an operation without one is an error.
enum class Policy : std::uint8_t { kPublic, kSession, kEnrolmentToken, kCertificate, kCertificateAndToken };

struct Parameter {
  std::string name;
  bool in_path = false;  // else in the query
  bool required = false;
  bool integer = false;  // else a string
  std::optional<std::int64_t> minimum, maximum;
  std::optional<std::size_t> length_min, length_max;  // in bytes
  std::vector<std::string> choices;                   // empty: any
  std::string pattern;                                // regular expression of ECMAScript, empty: any
  std::optional<std::string> fallback;                // the schema's default
};

struct Operation {
  std::string id;
  std::string method;  // "GET"
  std::string path;    // "/api/v1/servers/{id}"
  Port port = Port::kPeople;
  Policy policy = Policy::kPublic;
  std::vector<Parameter> parameters;
  std::vector<std::string> body_types;  // media types; empty: no body is expected
};

Result<std::vector<Operation>> parse_openapi(std::string_view yaml);

// api/openapi.yaml as it was when this program was built.
std::string_view embedded_openapi();

// Checks one value against its parameter; the message names parameter, value and limit. `value` is percent-decoded.
Status check_parameter(const Parameter& parameter, std::string_view value);

}  // namespace pga::api
