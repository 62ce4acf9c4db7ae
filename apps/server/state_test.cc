#include "state.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>

#include "directory/people.h"
#include "identity/password.h"

namespace pga::server {
namespace {

struct Fixture {
  Fixture() {
    std::string name = (std::filesystem::temp_directory_path() / "pga-state-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    config.state_dir = name;
    config.state_dir /= "state";
  }
  ~Fixture() { std::filesystem::remove_all(config.state_dir.parent_path()); }
  Config config;
  FakeClock clock;
  SystemRandom random;
};

TEST_CASE_FIXTURE(Fixture, "init makes an administrator whose printed password works, once") {
  CHECK(load_state(config, clock).error().code == ErrorCode::kNotFound);
  const auto made = initialise(config, "root", clock, random);
  REQUIRE(made);
  const auto database = directory::Database::open(database_file(config));
  const auto user = directory::People(**database, clock).find_user("root");
  CHECK(identity::verify_password(made->password, (*user)->password_hash).value());
  const auto again = initialise(config, "root", clock, random);
  REQUIRE(!again);
  CHECK(again.error().message.find("is initialised already") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a secret that is empty or that others can read is refused by name") {
  REQUIRE(initialise(config, "root", clock, random));
  for (const char* name : {"ca.key", "token.key", "server.key"}) {
    CAPTURE(name);
    const auto path = config.state_dir / name;
    ::chmod(path.c_str(), 0644);
    CHECK(load_state(config, clock).error().message == path.string() + " can be read by others than its owner: chmod 600 " + path.string());
    ::chmod(path.c_str(), 0600);
    CHECK(load_state(config, clock));
  }
  std::ofstream(config.state_dir / "token.key") << "x";
  CHECK(load_state(config, clock).error().message.find("token.key of 1 bytes holds no key") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "the server's certificate is renewed when it is old and when the names change, under the same authority") {
  REQUIRE(initialise(config, "root", clock, random));
  const auto serial = [&] { return identity::read_certificate(load_state(config, clock)->certificate.certificate_pem)->serial; };
  const std::string first = serial();
  const std::string authority = load_state(config, clock)->authority_name;
  CHECK(serial() == first);
  clock.advance(kServerCertificateLife - kServerCertificateRenewBefore);
  const std::string second = serial();
  CHECK(second != first);
  config.names = {"db.example"};
  CHECK(serial() != second);
  CHECK(load_state(config, clock)->authority_name == authority);
  CHECK(authority.size() == 32);
}

}  // namespace
}  // namespace pga::server
