#include "uplink/configuration_pull.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <fstream>

#include "base/temporary_folder_for_test.h"
#include "net/simulation.h"

namespace pga::uplink {
namespace {

namespace json = boost::json;

// Answers what it was told to, and remembers what it was asked.
struct Server final : Transport {
  net::Task<Status> ready() override { co_return Status{}; }
  net::Task<Result<net::Response>> post(std::string path, std::string, std::string body) override {
    CHECK(path == "/v1/configuration");
    asked.push_back(json::parse(body));
    if (fails > 0) {
      --fails;
      co_return unavailable("no way");
    }
    net::Response response;
    response.status = status;
    const bool same = asked.back().at("version") == json::value(version);
    response.body = json::serialize(same ? json::object{{"version", version}} : json::object{{"version", version}, {"yaml", yaml}});
    co_return response;
  }
  [[nodiscard]] std::string peer() const override { return "test"; }

  std::int64_t version = 0;
  std::string yaml;
  int status = 200;
  int fails = 0;
  std::vector<json::value> asked;
};

struct Fixture {
  // A run of the collector to which the server names its version; until nothing is left to do.
  void run(const std::function<void(ConfigurationPull&)>& then) {
    SeededRandom random(1);
    net::Simulation simulation(random);
    net::Loop loop(simulation);
    ConfigurationPull pull(folder.path, server, loop, random, [this](const std::string& yaml) -> Status {
      if (yaml == "bad") return invalid("it is bad");
      applied.push_back(yaml);
      return {};
    });
    pull.restore();
    loop.spawn(pull.run());
    pull.announced(static_cast<std::uint64_t>(server.version));
    simulation.run_until(simulation.clock().steady_now() + std::chrono::hours{1});
    then(pull);
    loop.stop();
    simulation.run_until(simulation.clock().steady_now() + std::chrono::seconds{1});
  }

  TemporaryFolder folder;
  Server server;
  std::vector<std::string> applied;
};

TEST_CASE_FIXTURE(Fixture, "a new version is taken, told of, and in force again after a restart without being asked for") {
  server.version = 7;
  server.yaml = "good";
  run([](const ConfigurationPull& pull) {
    CHECK(pull.in_force() == 7);
    CHECK(pull.refused().empty());
  });
  CHECK(applied == std::vector<std::string>{"good"});
  REQUIRE(server.asked.size() == 2);
  CHECK(server.asked[0].at("version") == json::value(0));
  CHECK(server.asked[1] == json::value({{"version", 7}, {"refused", nullptr}}));
  run([](const ConfigurationPull& pull) { CHECK(pull.in_force() == 7); });
  CHECK(applied == std::vector<std::string>{"good", "good"});
  CHECK(server.asked.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "what is refused changes nothing, the server hears why, once, and the one before holds after a restart") {
  server.version = 1;
  server.yaml = "good";
  run([](const ConfigurationPull&) {});
  server.version = 2;
  server.yaml = "bad";
  run([](const ConfigurationPull& pull) {
    CHECK(pull.in_force() == 1);
    CHECK(pull.refused() == "it is bad");
  });
  REQUIRE(server.asked.size() == 4);
  CHECK(server.asked[3] == json::value({{"version", 2}, {"refused", "it is bad"}}));
  CHECK(applied == std::vector<std::string>{"good", "good"});
  server.version = 3;
  server.yaml = "better";
  run([](const ConfigurationPull& pull) {
    CHECK(pull.in_force() == 3);
    CHECK(pull.refused().empty());
  });
}

TEST_CASE_FIXTURE(Fixture, "a pull that fails is tried again with pauses") {
  server.version = 4;
  server.yaml = "good";
  server.fails = 5;
  run([](const ConfigurationPull& pull) { CHECK(pull.in_force() == 4); });
  CHECK(server.asked.size() == 7);
}

TEST_CASE_FIXTURE(Fixture, "a server that has no such thing is asked rarely") {
  server.version = 4;
  server.status = 404;
  run([](const ConfigurationPull& pull) { CHECK(pull.in_force() == 0); });
  CHECK(server.asked.size() > 3);
  CHECK(server.asked.size() < 60);
}

TEST_CASE_FIXTURE(Fixture, "a broken file is set aside and the server asked again") {
  server.version = 5;
  server.yaml = "good";
  run([](const ConfigurationPull&) {});
  std::ofstream(folder.path / "configuration.json") << "{";
  run([](const ConfigurationPull& pull) { CHECK(pull.in_force() == 5); });
  CHECK(server.asked.size() == 4);
}

}  // namespace
}  // namespace pga::uplink
