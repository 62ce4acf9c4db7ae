#include "config.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder_for_test.h"

namespace pga::collector {
namespace {

struct Directory {
  TemporaryFolder folder;
  const std::filesystem::path& path = folder.path;
  std::filesystem::path write(const std::string& name, const std::string& text, unsigned mode = 0600) const {
    std::ofstream(path / name) << text;
    ::chmod((path / name).c_str(), mode);
    return path / name;
  }
};

constexpr const char* kGood = R"(server: { url: "https://127.0.0.1:8443", token_file: /t }
state_dir: /s
targets:
  - { name: shop, host: h, user: u }
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
      {"misspelled key", with("targets:", "target:"), ":3: key \"target\" of the configuration is not known; did you mean \"targets\"?"},
      {"misspelled key of a target", with("host: h", "hots: h"), ":4: key \"hots\" of a target is not known; did you mean \"host\"?"},
      {"plain HTTP", with("https://", "http://"), ":1: server.url must begin with https://"},
      {"URL with a password", with("127.0.0.1", "u:SECRET@127.0.0.1"), ":1: server.url has no user name or password"},
      {"URI as the host", with("host: h", "host: 'postgres://u:SECRET@db/x'"),
       ":4: key \"host\" of a target is a connection string: its parts go into host, port, user and dbname, its password into the file "
       "that "
       "password_file names"},
      {"connection string as the database", with("user: u", "dbname: 'host=db password=SECRET'"),
       ":4: key \"dbname\" of a target is a connection string: its parts go into host, port, user and dbname, its password into the file "
       "that "
       "password_file names"},
      {"URI for a password file", with("user: u", "password_file: '/u:SECRET@db'"), ":4: open /u:***@db: No such file or directory"},
      {"URI for a key", with("host: h", "'postgres://u:SECRET@db': h"), ":4: key \"postgres://u:***@db\" of a target is not known"},
      {"relative state_dir", with("/s", "s"), ":2: state_dir must be an absolute path"},
      {"target without a name", with("name: shop, ", ""), ":4: a target needs the key \"name\""},
      {"format", with("token_file: /t", "format: xml"), ":1: key \"format\" of server is \"xml\"; it must be one of binary, json"},
      {"small spool", std::string(kGood) + "spool: { size: 1MiB }\n", ":5: spool.size must be at least 16MiB"},
      {"quick shipping", std::string(kGood) + "ship_interval: 10ms\n", ":5: ship_interval must be 1s to 10m"},
      {"two of a name", with("  - { name: shop, host: h, user: u }", "  - { name: a }\n  - { name: a }"),
       ":5: two targets have the name \"a\""},
      {"two of a name, one of them a pooler",
       with("  - { name: shop, host: h, user: u }", "  - { name: a }\n  - { name: a, kind: pgbouncer }"),
       ":5: two targets have the name \"a\""},
      {"unknown kind", with("host: h", "kind: pgpool"),
       ":4: key \"kind\" of a target is \"pgpool\"; it must be one of postgres, pgbouncer"},
      {"a single connection", with("host: h", "connections_max: 1"), ":4: key \"connections_max\" is \"1\"; it must be 2 to 100"},
      {"databases of a pooler", with("host: h", "kind: pgbouncer, databases: all"), ":4: key \"databases\" of a target is not known"},
      {"a server that can be written to", with("user: u", "target_session_attrs: read-write"),
       ":4: key \"target_session_attrs\" of a target is \"read-write\"; it must be one of any, primary, standby, prefer-standby"},
      {"nothing to watch", "state_dir: /s\nhost: false\n", ":1: there is nothing to watch: no targets, and host is false"},
      {"logs of another word", with("user: u", "logs: { form: auto }"),
       ":4: key \"form\" of logs of a target is not known; did you mean \"from\"?"},
      {"logs from nowhere", with("user: u", "logs: { from: syslog }"),
       ":4: key \"from\" of logs of a target is \"syslog\"; it must be one of auto, files, server, none"},
      {"relative directory of logs", with("user: u", "logs: { directory: log }"), ":4: logs.directory must be an absolute path"},
      {"pattern without a directory", with("user: u", "logs: { pattern: '*.csv' }"), ":4: logs.pattern needs logs.directory"},
      {"directory of another machine", with("user: u", "logs: { from: server, directory: /l }"),
       ":4: logs.directory is a directory of this machine; with from: server the server says where its log is"},
      {"absent password file", with("user: u", "password_file: /nowhere"), ":4: open /nowhere: No such file or directory"},
  };
  const Directory directory;
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const auto file = directory.write("c.yaml", c.yaml);
    const auto config = load_config(file);
    REQUIRE(!config);
    CHECK(config.error().message == file.string() + c.error);
  }
  CHECK(load_config(directory.path / "none.yaml").error().code == ErrorCode::kNotFound);
}

TEST_CASE("a target may name several hosts and which of them is wanted") {
  const Directory directory;
  const auto config =
      load_config(directory.write("c.yaml", with("host: h", "host: 'a,b', port: '5432,5433', target_session_attrs: primary")));
  REQUIRE(config);
  REQUIRE(config->targets.size() == 1);
  CHECK(config->targets[0].connect.parameters.at("host") == "a,b");
  CHECK(config->targets[0].connect.parameters.at("port") == "5432,5433");
  CHECK(config->targets[0].connect.parameters.at("target_session_attrs") == "primary");
}

TEST_CASE("a pooler is watched through its console, on its own port unless told otherwise") {
  const Directory directory;
  const auto config = load_config(directory.write("c.yaml", with("host: h", "kind: pgbouncer, host: h")));
  REQUIRE(config);
  CHECK(config->targets.empty());
  REQUIRE(config->poolers.size() == 1);
  CHECK(config->poolers[0].connect.parameters.at("dbname") == "pgbouncer");
  CHECK(config->poolers[0].connect.parameters.at("port") == "6432");
}

TEST_CASE("a password file that others can read is refused") {
  const Directory directory;
  const auto secret = directory.write("secret", "p\n", 0644);
  const auto config = load_config(directory.write("c.yaml", with("user: u", "password_file: " + secret.string())));
  REQUIRE(!config);
  CHECK(config.error().message.find("chmod 600 " + secret.string()) != std::string::npos);
  ::chmod(secret.c_str(), 0600);
  const auto mended = load_config(directory.path / "c.yaml");
  REQUIRE(mended);
  CHECK(mended->targets[0].connect.password.read() == "p");
}

TEST_CASE("an interval for a source that nobody declared is refused with the nearest one") {
  const Directory directory;
  const auto config = load_config(directory.write("c.yaml", std::string(kGood) + "intervals: { postgres.table: 30s }\n"));
  REQUIRE(config);
  const auto catalog = catalog::Catalog::load();
  REQUIRE(catalog);
  const auto checked = settings::check_sources(config->settings, catalog->names());
  REQUIRE(!checked);
  CHECK(checked.error().message == "intervals: source \"postgres.table\" is not declared; did you mean \"postgres.tables\"?");
}

}  // namespace
}  // namespace pga::collector
