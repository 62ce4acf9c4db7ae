// One mapping of a YAML file. Errors are kInvalid and read "file:line: message".
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pga::settings {

class Mapping {
 public:
  // `what` names the mapping in messages ("the declaration"); `file` is for messages only.
  static Result<Mapping> parse(std::string_view yaml, const std::string& file, const std::string& what);

  // Refuses any other key, and a key that stands twice. Call it first.
  Status only(std::initializer_list<const char*> allowed) const;

  [[nodiscard]] bool has(const std::string& key) const;
  [[nodiscard]] std::vector<std::string> keys() const;  // in the order of the file

  Result<std::string> text(const std::string& key, std::string fallback) const;
  Result<std::string> required_text(const std::string& key) const;
  Result<std::vector<std::string>> texts(const std::string& key) const;  // one text or a list; empty if absent
  Result<bool> boolean(const std::string& key, bool fallback) const;
  Result<std::uint64_t> number(const std::string& key, std::uint64_t fallback, std::uint64_t min, std::uint64_t max) const;
  Result<std::uint64_t> bytes(const std::string& key, std::uint64_t fallback) const;                             // "256MiB"
  Result<std::chrono::microseconds> duration(const std::string& key, std::chrono::microseconds fallback) const;  // "10s"; positive
  Result<std::chrono::microseconds> required_duration(const std::string& key) const;

  // One of `choices`; `fallback` null: required.
  template <class Enum>
  Result<Enum> choice(const std::string& key, std::initializer_list<std::pair<const char*, Enum>> choices, const char* fallback) const {
    std::vector<std::string> names;
    for (const auto& c : choices) names.emplace_back(c.first);
    PGA_TRY(const std::size_t index, choice_index(key, names, fallback));
    return (choices.begin() + index)->second;
  }

  Result<Mapping> mapping(const std::string& key, const std::string& what) const;                // an absent one is empty
  Result<std::vector<Mapping>> mappings(const std::string& key, const std::string& what) const;  // a list of mappings; empty if absent

  // An error at the line of `key`, or of the mapping itself for "".
  [[nodiscard]] Error error(const std::string& key, const std::string& message) const;

 private:
  struct Node;
  Mapping(std::shared_ptr<const Node> node, std::string file, std::string what)
      : node_(std::move(node)), file_(std::move(file)), what_(std::move(what)) {}
  Result<std::size_t> choice_index(const std::string& key, const std::vector<std::string>& names, const char* fallback) const;

  std::shared_ptr<const Node> node_;
  std::string file_;
  std::string what_;
};

}  // namespace pga::settings
