#include "config.h"

#include <doctest/doctest.h>

#include <fstream>

#include "base/temporary_folder_for_test.h"

namespace pga::server {
namespace {

struct File {
  explicit File(const std::string& text) { std::ofstream(path()) << text; }
  [[nodiscard]] std::filesystem::path path() const { return folder.path / "server.yaml"; }
  TemporaryFolder folder;
};

constexpr const char* kGood = R"(state_dir: /s
listen: { collectors: "127.0.0.1:0", people: "127.0.0.1:0", people_tls: false }
engine: { library: /usr/lib/libchdb.so, memory: 1GiB }
retention: { raw: 7d }
)";

std::string with(std::string_view from, std::string_view to) {
  std::string text = kGood;
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST_CASE("a configuration with a mistake is refused with file, line and key") {
  struct Case {
    const char* what;
    std::string yaml;
    const char* error;
  };
  const Case cases[] = {
      {"misspelled key", with("retention:", "retenton:"),
       ":4: key \"retenton\" of the configuration is not known; did you mean \"retention\"?"},
      {"misspelled key of listen", with("people:", "peeple:"), ":2: key \"peeple\" of listen is not known; did you mean \"people\"?"},
      {"no state_dir", with("state_dir: /s\n", ""), "the configuration needs the key \"state_dir\""},
      {"relative state_dir", with("/s", "s"), ":1: state_dir must be an absolute path"},
      {"plain text for everybody", with("people: \"127.0.0.1:0\"", "people: \"0.0.0.0:80\""),
       ":2: people_tls: false would send passwords in plain text from 0.0.0.0:80; it is allowed on a loopback address only"},
      {"no port", with("collectors: \"127.0.0.1:0\"", "collectors: \"127.0.0.1\""), ":2: listen.collectors is \"127.0.0.1\""},
      {"port beyond", with("collectors: \"127.0.0.1:0\"", "collectors: \"127.0.0.1:65536\""),
       ":2: listen.collectors is \"127.0.0.1:65536\""},
      {"storage that is nothing", std::string(kGood) + "storage: sqlite\n",
       ":5: storage is \"sqlite\"; it must be embedded or the http:// address of a ClickHouse"},
      {"embedded without library", with("library: /usr/lib/libchdb.so, ", ""),
       ":3: storage is embedded, so engine.library must name libchdb.so"},
      {"little memory", with("1GiB", "100MiB"), ":3: engine.memory must be at least 512MiB"},
      {"an hour of retention", with("7d", "1h"), ":4: retention.raw must be at least 2d"},
      {"log level", std::string(kGood) + "log: { level: loud }\n", "debug, info, warning, error"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const File file(c.yaml);
    const auto config = load_config(file.path());
    REQUIRE(!config);
    CAPTURE(config.error().message);
    CHECK(config.error().message.find(c.error) != std::string::npos);
    CHECK(config.error().message.find("server.yaml") != std::string::npos);
  }
}

TEST_CASE("what is not said has its default") {
  const File file(kGood);
  const auto config = load_config(file.path());
  REQUIRE_MESSAGE(config.has_value(), (config ? "" : config.error().message));
  CHECK(config->embedded());
  CHECK(config->names == std::vector<std::string>{"localhost", "127.0.0.1"});
  CHECK(config->retention.raw == std::chrono::hours{168});
  CHECK(config->retention.one_hour == std::chrono::hours{9'600});
  CHECK(config->engine_program.filename() == "pganalytics-engine");
  CHECK(!config->people_tls);
}

TEST_CASE("loopback is what only this machine can reach") {
  for (const char* address : {"127.0.0.1:80", "127.8.9.1:80", "[::1]:80", "localhost:80"}) CHECK(is_loopback(address));
  for (const char* address : {"0.0.0.0:80", "[::]:80", "10.0.0.1:80", "127.evil.example:80", "localhost.example:80"})
    CHECK(!is_loopback(address));
}

}  // namespace
}  // namespace pga::server
