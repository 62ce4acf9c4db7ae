#include "api/session.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>

#include "api/people.h"
#include "base/temporary_folder_for_test.h"
#include "directory/database.h"

namespace pga::api {
namespace {

using namespace std::chrono_literals;

constexpr identity::PasswordCost kCheap{.passes = 1, .memory_kib = 64, .lanes = 1};
const Secret<std::string> kPassword{std::string("correct horse battery staple")};

// The people's port without a socket, with a database and sessions that are real.
struct Fixture {
  Fixture() {
    REQUIRE(people.create_user(directory::kDefaultTenant, "admin", "administrator",
                               identity::hash_password(kPassword, random, kCheap).value()));
    auto built = Router::build(parse_openapi(embedded_openapi()).value(), Port::kPeople, people_handlers(context, sessions),
                               people_guards(sessions));
    REQUIRE_MESSAGE(built.has_value(), (built ? "" : built.error().message));
    router.emplace(std::move(*built));
  }
  net::Response ask(net::Request request) {
    net::Response response;
    loop.spawn([&]() -> net::Task<> { response = co_await router->handle(request); });
    loop.run();
    return response;
  }
  static net::Request request(const char* method, const char* target, std::vector<std::pair<std::string, std::string>> headers = {},
                              std::string body = "") {
    net::Request r;
    r.method = method;
    r.target = target;
    r.headers.items = std::move(headers);
    r.body = std::move(body);
    r.remote_address = "127.0.0.1";
    return r;
  }
  net::Response login(const std::string& name, const std::string& password, const char* address = "127.0.0.1") {
    net::Request r = request("POST", "/api/v1/login", {{"Content-Type", "application/json"}},
                             boost::json::serialize(boost::json::object{{"name", name}, {"password", password}}));
    r.remote_address = address;
    return ask(std::move(r));
  }
  // Cookie and CSRF token of a new session.
  std::pair<std::string, std::string> signed_in() {
    const net::Response response = login("admin", kPassword.read());
    REQUIRE(response.status == 200);
    const std::string cookie(response.headers.find("Set-Cookie").value_or(""));
    const auto body = boost::json::parse(response.body);
    return {cookie.substr(0, cookie.find(';')), std::string(body.at("csrf").get_string())};
  }

  TemporaryFolder folder;  // first, so that it goes last
  FakeClock clock;
  SystemRandom random;
  std::unique_ptr<directory::Database> database = directory::Database::open(folder.path / "directory.sqlite").value();
  directory::People people{*database, clock};
  directory::Fleet fleet{*database, clock};
  directory::Audit audit{*database, clock};
  net::Loop loop;
  catalog::Catalog catalog = catalog::Catalog::load().value();
  store::Store store{loop, catalog, clock, store::StoreOptions()};  // never asked
  Sessions sessions{loop, clock, random, people, audit, {.tls = false, .cost = kCheap}};
  Context context{.loop = loop,
                  .clock = clock,
                  .random = random,
                  .catalog = catalog,
                  .store = store,
                  .people = people,
                  .fleet = fleet,
                  .audit = audit,
                  .ready = []() -> net::Task<Status> { co_return Status(); }};
  std::optional<Router> router;
};

TEST_CASE_FIXTURE(Fixture, "every operation of the description has a handler and every handler an operation") {
  CHECK(router.has_value());  // Router::build in the fixture compares both ways
}

TEST_CASE_FIXTURE(Fixture, "nobody gets past the guard of any operation that is not public") {
  const auto operations = parse_openapi(embedded_openapi()).value();
  for (const Operation& o : operations) {
    if (o.port != Port::kPeople || o.policy == Policy::kPublic) continue;
    CAPTURE(o.id);
    for (const char* cookie : {"", "pga=", "pga=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "__Host-pga=x", "other=y"}) {
      net::Request r = request(o.method.c_str(), o.path.c_str());
      if (*cookie != '\0') r.headers.add("Cookie", cookie);
      CHECK(ask(r).status == 401);
    }
  }
}

TEST_CASE_FIXTURE(Fixture, "login opens a session and says the same about a wrong name and a wrong password") {
  const net::Response wrong_password = login("admin", "guess");
  const net::Response wrong_name = login("nobody", "guess");
  CHECK(wrong_password.status == 401);
  CHECK(wrong_password.body == wrong_name.body);
  CHECK(!wrong_password.headers.find("Set-Cookie"));

  const net::Response right = login("admin", kPassword.read());
  CHECK(right.status == 200);
  const std::string cookie(right.headers.find("Set-Cookie").value_or(""));
  CHECK(cookie.starts_with("pga="));
  for (const char* part : {"; HttpOnly", "; SameSite=Strict", "; Path=/"}) CHECK(cookie.find(part) != std::string::npos);
  const auto trail = audit.newest(10).value();
  REQUIRE(trail.size() == 3);
  CHECK(trail[0].outcome == "ok");
  CHECK(trail[1].outcome == "refused");
}

TEST_CASE_FIXTURE(Fixture, "a body that is no pair of credentials is a bad request") {
  for (const char* body : {"", "[]", "{}", "{\"name\":\"admin\"}", "{\"name\":1,\"password\":\"x\"}", "{\"name\":\"\",\"password\":\"x\"}",
                           "{\"name\":\"a\",\"password\":\"b\",\"admin\":true}", "{\"name\":\"a\",\"password\":\"b\""}) {
    CAPTURE(body);
    CHECK(ask(request("POST", "/api/v1/login", {{"Content-Type", "application/json"}}, body)).status == 400);
  }
  CHECK(ask(request("POST", "/api/v1/login", {{"Content-Type", "text/plain"}}, "{}")).status == 415);
}

TEST_CASE_FIXTURE(Fixture, "what changes something needs the session's CSRF token and a page of ours") {
  const auto [cookie, csrf] = signed_in();
  struct Case {
    const char* what;
    std::vector<std::pair<std::string, std::string>> headers;
    int status;
  };
  const Case cases[] = {
      {"no token", {}, 403},
      {"another token", {{"X-CSRF-Token", "x" + csrf}}, 403},
      {"empty token", {{"X-CSRF-Token", ""}}, 403},
      {"the page of another site", {{"X-CSRF-Token", csrf}, {"Sec-Fetch-Site", "cross-site"}}, 403},
      {"another origin", {{"X-CSRF-Token", csrf}, {"Host", "db:8080"}, {"Origin", "http://evil"}}, 403},
      {"an origin that is none", {{"X-CSRF-Token", csrf}, {"Host", "db:8080"}, {"Origin", "null"}}, 403},
      {"ours", {{"X-CSRF-Token", csrf}, {"Sec-Fetch-Site", "same-origin"}, {"Host", "db:8080"}, {"Origin", "http://db:8080"}}, 204},
      {"the session is over after that", {{"X-CSRF-Token", csrf}}, 401},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    net::Request r = request("POST", "/api/v1/logout", c.headers);
    r.headers.add("Cookie", "theme=dark; " + cookie);
    CHECK(ask(r).status == c.status);
  }
}

TEST_CASE_FIXTURE(Fixture, "a session says who is signed in until it has idled for half an hour") {
  const auto [cookie, csrf] = signed_in();
  const net::Request who = request("GET", "/api/v1/session", {{"Cookie", cookie}});
  const auto body = boost::json::parse(ask(who).body);
  CHECK(body.at("user").at("name") == "admin");
  CHECK(body.at("csrf") == boost::json::value(csrf));
  clock.advance(29min);
  CHECK(ask(who).status == 200);
  clock.advance(30min);
  CHECK(ask(who).status == 401);
}

TEST_CASE_FIXTURE(Fixture, "guessing is slowed down for the account, only where the guesses come from, and good logins do not count") {
  for (int i = 0; i < 40; ++i) CHECK(login("admin", kPassword.read()).status == 200);
  for (int i = 0; i < 10; ++i) CHECK(login("admin", "guess").status == 401);
  const net::Response refused = login("admin", kPassword.read());
  CHECK(refused.status == 429);
  CHECK(refused.headers.find("Retry-After") == "6");
  CHECK(login("admin", kPassword.read(), "192.0.2.7").status == 200);
  clock.advance(6s);
  CHECK(login("admin", kPassword.read()).status == 200);
}

TEST_CASE("buckets are bounded and the ones that hold somebody back stay") {
  FakeClock clock;
  RateLimit limit({.burst = 2, .refill = 1s, .keys_max = 3}, clock);
  for (int i = 0; i < 2; ++i) CHECK(!limit.take("held"));
  CHECK(limit.take("held") == 1s);
  for (int i = 0; i < 100; ++i) CHECK(!limit.take(std::to_string(i)));
  CHECK(limit.take("held") == 1s);
}

}  // namespace
}  // namespace pga::api
