#include "state.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/temporary_folder_for_test.h"
#include "directory/people.h"
#include "identity/password.h"

namespace pga::server {
namespace {

struct Fixture {
  Fixture() { config.state_dir = folder.path / "state"; }
  TemporaryFolder folder;
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
  const std::string authority = load_state(config, clock)->authority.name;
  CHECK(serial() == first);
  clock.advance(kServerCertificateLife - kServerCertificateRenewBefore);
  const std::string second = serial();
  CHECK(second != first);
  config.names = {"db.example"};
  CHECK(serial() != second);
  CHECK(load_state(config, clock)->authority.name == authority);
  CHECK(authority.size() == 32);
}

TEST_CASE_FIXTURE(Fixture, "one authority follows another in three steps, under one name, also when a step is cut short") {
  REQUIRE(initialise(config, "root", clock, random));
  const auto before = load_state(config, clock);
  const auto issuer_serves = [&] {
    const auto state = load_state(config, clock);
    return state->certificate.certificate_pem.ends_with(state->authority.authorities.signing.certificate_pem);
  };
  REQUIRE(rotate_authority(config, clock.now()) == AuthorityStep::kNextMade);
  const auto made = load_state(config, clock);
  CHECK(made->authority.authorities.signing.certificate_pem == before->authority.authorities.signing.certificate_pem);
  const std::string next = made->authority.authorities.next_certificate_pem;
  CHECK_FALSE(next.empty());
  CHECK(made->authority.authorities.bundle_pem().find(next) != std::string::npos);

  // Cut short after the certificate was put in place and before its key was.
  std::ofstream(config.state_dir / "ca.previous.pem") << before->authority.authorities.signing.certificate_pem;
  std::ofstream(config.state_dir / "ca.pem") << next;
  const auto signs = load_state(config, clock);
  REQUIRE(signs);
  CHECK(signs->authority.step == AuthorityStep::kNextSigns);
  CHECK(signs->authority.authorities.signing.certificate_pem == next);
  CHECK(signs->authority.authorities.previous_certificate_pem == before->authority.authorities.signing.certificate_pem);
  CHECK(signs->authority.name == before->authority.name);
  CHECK(issuer_serves());
  const auto request = identity::make_request("x");
  CHECK(identity::sign_collector_request(signs->authority.authorities.signing, request->request_pem, "spiffe://x/y", clock.now(),
                                         std::chrono::hours{1}));

  REQUIRE(rotate_authority(config, clock.now()) == AuthorityStep::kOne);
  const auto after = load_state(config, clock);
  CHECK(after->authority.authorities.bundle_pem() == next);
  CHECK(after->authority.name == before->authority.name);
  CHECK(issuer_serves());
}

TEST_CASE_FIXTURE(Fixture, "a step of the authority waits for the collectors whose certificate is good") {
  REQUIRE(initialise(config, "root", clock, random));
  REQUIRE(rotate_authority(config, clock.now()) == AuthorityStep::kNextMade);
  const auto state = load_authorities(config);
  const std::string newest = identity::read_certificate(state->authorities.newest_certificate_pem())->sha256;
  const auto collector = [&](const char* name, const std::string& what_it_knows) {
    directory::Collector c;
    c.name = name;
    c.certificate_expires = clock.now() + std::chrono::hours{1};
    c.knows = what_it_knows;
    return c;
  };
  directory::Collector gone = collector("gone", "");
  gone.certificate_expires = clock.now();
  directory::Collector revoked = collector("revoked", "");
  revoked.revoked = true;
  CHECK(not_ready(*state, {collector("ready", newest), collector("late", ""), gone, revoked}, clock.now()) ==
        std::vector<std::string>{"late"});
}

}  // namespace
}  // namespace pga::server
