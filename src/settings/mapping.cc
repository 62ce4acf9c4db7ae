#include "settings/mapping.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"

namespace pga::settings {

struct Mapping::Node {
  YAML::Node yaml;
};

namespace {

Error at(const std::string& file, const YAML::Mark& mark, const std::string& message) {
  return invalid(file + ":" + std::to_string(mark.line + 1) + ": " + without_passwords(message));  // which may repeat a value
}

}  // namespace

Result<Mapping> Mapping::parse(std::string_view yaml, const std::string& file, const std::string& what) {
  try {
    YAML::Node root = YAML::Load(std::string(yaml));
    if (!root.IsMap()) return at(file, root.Mark(), what + " must be a mapping");
    return Mapping(std::make_shared<const Node>(Node{root}), file, what);
  } catch (const YAML::Exception& e) {
    return at(file, e.mark, e.msg);
  }
}

Error Mapping::error(const std::string& key, const std::string& message) const {
  return at(file_, !key.empty() && has(key) ? node_->yaml[key].Mark() : node_->yaml.Mark(), message);
}

Status Mapping::only(std::initializer_list<const char*> allowed) const {
  const std::vector<std::string> names(allowed.begin(), allowed.end());
  std::set<std::string> seen;
  if (!node_->yaml.IsMap()) return {};
  for (const auto& item : node_->yaml) {
    const std::string key = item.first.IsScalar() ? item.first.Scalar() : std::string("?");
    if (!seen.insert(key).second) return at(file_, item.first.Mark(), "key \"" + key + "\" of " + what_ + " stands twice");
    if (std::find(names.begin(), names.end(), key) != names.end()) continue;
    const auto near = nearest(key, names);
    return at(file_, item.first.Mark(),
              "key \"" + key + "\" of " + what_ + " is not known" + (near ? "; did you mean \"" + *near + "\"?" : ""));
  }
  return {};
}

bool Mapping::has(const std::string& key) const { return node_->yaml.IsMap() && static_cast<bool>(node_->yaml[key]); }

std::vector<std::string> Mapping::keys() const {
  std::vector<std::string> out;
  if (!node_->yaml.IsMap()) return out;
  for (const auto& item : node_->yaml) out.push_back(item.first.IsScalar() ? item.first.Scalar() : std::string("?"));
  return out;
}

Result<std::string> Mapping::text(const std::string& key, std::string fallback) const {
  if (!has(key)) return fallback;
  const YAML::Node value = node_->yaml[key];
  if (!value.IsScalar()) return error(key, "key \"" + key + "\" of " + what_ + " must be text");
  return value.Scalar();
}

Result<std::string> Mapping::required_text(const std::string& key) const {
  if (!has(key)) return error("", what_ + " needs the key \"" + key + "\"");
  return text(key, "");
}

Result<std::vector<std::string>> Mapping::texts(const std::string& key) const {
  std::vector<std::string> out;
  if (!has(key)) return out;
  const YAML::Node value = node_->yaml[key];
  if (value.IsScalar()) return std::vector<std::string>{value.Scalar()};
  const Error wrong = error(key, "key \"" + key + "\" of " + what_ + " must be text or a list of texts");
  if (!value.IsSequence()) return wrong;
  for (const auto& item : value) {
    if (!item.IsScalar()) return wrong;
    out.push_back(item.Scalar());
  }
  return out;
}

Result<bool> Mapping::boolean(const std::string& key, bool fallback) const {
  PGA_TRY(const std::string value, text(key, fallback ? "true" : "false"));
  if (value == "true") return true;
  if (value == "false") return false;
  return error(key, "key \"" + key + "\" must be true or false, not \"" + value + "\"");
}

Result<std::uint64_t> Mapping::number(const std::string& key, std::uint64_t fallback, std::uint64_t min, std::uint64_t max) const {
  if (!has(key)) return fallback;
  PGA_TRY(const std::string value, text(key, ""));
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failed != std::errc{} || end != value.data() + value.size() || number < min || number > max) {
    return error(key, "key \"" + key + "\" is \"" + value + "\"; it must be " + std::to_string(min) + " to " + std::to_string(max));
  }
  return number;
}

Result<std::uint64_t> Mapping::bytes(const std::string& key, std::uint64_t fallback) const {
  if (!has(key)) return fallback;
  PGA_TRY(const std::string value, text(key, ""));
  auto parsed = parse_bytes(value);
  if (!parsed) return error(key, "key \"" + key + "\": " + parsed.error().message);
  return *parsed;
}

Result<std::chrono::microseconds> Mapping::duration(const std::string& key, std::chrono::microseconds fallback) const {
  if (!has(key)) return fallback;
  return required_duration(key);
}

Result<std::chrono::microseconds> Mapping::required_duration(const std::string& key) const {
  PGA_TRY(const std::string value, required_text(key));
  const auto parsed = parse_duration_us(value);
  if (!parsed) return error(key, "key \"" + key + "\": " + parsed.error().message);
  if (*parsed <= 0) return error(key, "key \"" + key + "\" must be positive");
  return std::chrono::microseconds{*parsed};
}

Result<std::size_t> Mapping::choice_index(const std::string& key, const std::vector<std::string>& names, const char* fallback) const {
  PGA_TRY(const std::string value, fallback == nullptr ? required_text(key) : text(key, fallback));
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == value) return i;
    all += (i == 0 ? "" : ", ") + names[i];
  }
  return error(key, "key \"" + key + "\" of " + what_ + " is \"" + value + "\"; it must be one of " + all);
}

Result<Mapping> Mapping::mapping(const std::string& key, const std::string& what) const {
  YAML::Node value = has(key) ? YAML::Node(node_->yaml[key]) : YAML::Node(YAML::NodeType::Map);
  if (!value.IsMap()) return error(key, what + " must be a mapping");
  return Mapping(std::make_shared<const Node>(Node{value}), file_, what);
}

Result<std::vector<Mapping>> Mapping::mappings(const std::string& key, const std::string& what) const {
  std::vector<Mapping> out;
  if (!has(key)) return out;
  const YAML::Node value = node_->yaml[key];
  if (!value.IsSequence()) return error(key, "key \"" + key + "\" of " + what_ + " must be a list");
  for (const auto& item : value) {
    if (!item.IsMap()) return at(file_, item.Mark(), what + " must be a mapping");
    out.push_back(Mapping(std::make_shared<const Node>(Node{item}), file_, what));
  }
  return out;
}

}  // namespace pga::settings
