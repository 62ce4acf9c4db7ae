#include "settings/mapping.h"

#include <doctest/doctest.h>

namespace pga::settings {
namespace {

Mapping read(const char* yaml) {
  auto mapping = Mapping::parse(yaml, "f.yaml", "the file");
  REQUIRE(mapping);
  return *mapping;
}

TEST_CASE("what is wrong is told with file, line and key") {
  const auto message = [](auto result) { return result ? std::string("no error") : result.error().message; };
  CHECK(message(Mapping::parse("- a", "f.yaml", "the file")) == "f.yaml:1: the file must be a mapping");
  CHECK(message(Mapping::parse("a: b: c", "f.yaml", "the file")) == "f.yaml:1: illegal map value");
  CHECK(message(read("server: x\nsever: y").only({"server"})) ==
        "f.yaml:2: key \"sever\" of the file is not known; did you mean \"server\"?");
  CHECK(message(read("a: 1\na: 2").only({"a"})) == "f.yaml:2: key \"a\" of the file stands twice");
  CHECK(message(read("a: [1]").text("a", "")) == "f.yaml:1: key \"a\" of the file must be text");
  CHECK(message(read("a: {b: 1}").texts("a")) == "f.yaml:1: key \"a\" of the file must be text or a list of texts");
  CHECK(message(read("b: 1").required_text("a")) == "f.yaml:1: the file needs the key \"a\"");
  CHECK(message(read("a: yes").boolean("a", false)) == "f.yaml:1: key \"a\" must be true or false, not \"yes\"");
  CHECK(message(read("a: 9").number("a", 1, 1, 8)) == "f.yaml:1: key \"a\" is \"9\"; it must be 1 to 8");
  CHECK(message(read("x: 1\na: 9").duration("a", {})) == "f.yaml:2: key \"a\": \"9\" is not a duration such as 10s, 5m or 7d");
  CHECK(message(read("a: 0s").duration("a", {})) == "f.yaml:1: key \"a\" must be positive");
  CHECK(message(read("a: c").choice<int>("a", {{"b", 1}, {"d", 2}}, nullptr)) ==
        "f.yaml:1: key \"a\" of the file is \"c\"; it must be one of b, d");
  CHECK(message(read("a: c").mapping("a", "the part")) == "f.yaml:1: the part must be a mapping");
  CHECK(message(read("a: [c]").mappings("a", "an entry")) == "f.yaml:1: an entry must be a mapping");
}

TEST_CASE("values are read and absent ones take their fallback") {
  const Mapping m = read("t: x\nl: [a, b]\nb: true\nd: 10s\ns: 4MiB\nm: {k: v}\nms: [{k: 1}, {k: 2}]");
  CHECK(*m.text("t", "") == "x");
  CHECK(*m.text("none", "y") == "y");
  CHECK(m.texts("l")->size() == 2);
  CHECK(*m.boolean("b", false));
  CHECK(m.duration("d", {})->count() == 10'000'000);
  CHECK(*m.bytes("s", 0) == 4U << 20);
  CHECK(*m.mapping("m", "m")->text("k", "") == "v");
  CHECK(*m.mapping("none", "m")->text("k", "z") == "z");
  CHECK(m.mappings("ms", "m")->size() == 2);
  CHECK(*read("a: d").choice<int>("a", {{"b", 1}, {"d", 2}}, nullptr) == 2);
}

}  // namespace
}  // namespace pga::settings
