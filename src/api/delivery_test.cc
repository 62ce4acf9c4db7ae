// The collectors' port over real TLS: who gets in with which certificate and token.
#include "api/delivery.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>

#include "base/temporary_folder_for_test.h"
#include "identity/token.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "wire/codec.h"

namespace pga::api {
namespace {

using namespace std::chrono_literals;

// A collector as far as the port can see it.
struct Member {
  identity::KeyAndCertificate credentials;  // empty: not enrolled
  std::string token;
};

struct Fixture {
  Fixture() {
    auto router =
        Router::build(parse_openapi(embedded_openapi()).value(), Port::kCollectors, delivery_handlers(context), delivery_guards(context));
    REQUIRE_MESSAGE(router.has_value(), (router ? "" : router.error().message));
    net::TlsServerOptions tls;
    const auto own = identity::issue_server_certificate(authority, {"127.0.0.1"}, clock.now(), 24h).value();
    tls.certificate_pem = own.certificate_pem + authority.certificate_pem;
    tls.key_pem = own.key_pem;
    tls.client_ca_pem = authority.certificate_pem;
    tls.client_certificate = net::ClientCertificate::kOptional;
    net::ServerOptions options;
    options.address = "127.0.0.1:0";
    options.tls = net::TlsServerContext::create(tls).value();
    options.body_bytes_max = wire::kFrameBytesMax;
    auto listening = net::HttpServer::listen(
        {&loop}, options,
        [routes = std::make_shared<Router>(std::move(*router))](net::Request& request) { return routes->handle(request); });
    REQUIRE_MESSAGE(listening.has_value(), (listening ? "" : listening.error().message));
    server = std::move(*listening);
  }

  template <class F>
  void run(F work) {
    loop.spawn([this, &work]() -> net::Task<> {
      const Status started = co_await ingest.start();
      CHECK(started);
      co_await work();
      loop.stop();
    });
    loop.run();
  }
  net::Task<net::Response> post(const Member& member, std::string path, std::string type, std::string body) {
    net::TlsClientOptions tls;
    tls.ca_pem = authority.certificate_pem;
    tls.certificate_pem = member.credentials.certificate_pem;
    tls.key_pem = member.credentials.key_pem;
    net::ClientOptions options;
    options.base_url = "https://" + server->address();
    options.tls = net::TlsClientContext::create(tls).value();
    net::HttpClient client(loop, std::move(options));
    net::Headers headers;
    headers.add("Content-Type", type);
    if (!member.token.empty()) headers.add("Authorization", "Bearer " + member.token);
    const Deadline deadline = std::chrono::steady_clock::now() + 10s;
    auto response = co_await client.request("POST", std::move(path), std::move(headers), std::move(body), deadline);
    REQUIRE_MESSAGE(response.has_value(), (response ? "" : response.error().message));
    co_return std::move(*response);
  }
  net::Task<net::Response> push(const Member& member, std::uint64_t sequence) {
    wire::Frame frame;
    frame.epoch = 7;
    frame.sequence = sequence;
    frame.sent_us = to_micros(clock.now());
    std::string body(as_text(wire::Encoder().encode(frame).value()));
    co_return co_await post(member, "/v1/frames", "application/vnd.pganalytics.frame", std::move(body));
  }
  std::string enrolment_token(std::chrono::hours life = 1h, bool needs_approval = false) {
    const identity::EnrolmentToken token{identity::read_certificate(authority.certificate_pem)->sha256, identity::make_token(random)};
    REQUIRE(fleet.create_enrolment_token(directory::kDefaultTenant, identity::stored_form(token.secret.read()), clock.now() + life, 1,
                                         needs_approval));
    return identity::format_enrolment_token(token).read();
  }
  net::Task<net::Response> ask_to_enrol(const Member& member, const std::string& token, const std::string& request_pem) {
    std::string body = boost::json::serialize(boost::json::object{{"token", token}, {"csr", request_pem}, {"name", "db1"}});
    co_return co_await post(member, "/v1/enrol", "application/json", std::move(body));
  }
  // Enrolled, with an access token.
  net::Task<Member> make_member() {
    Member member;
    const auto made = identity::make_request("db1").value();
    const std::string token = enrolment_token();
    const net::Response granted = co_await ask_to_enrol(member, token, made.request_pem);
    REQUIRE_MESSAGE(granted.status == 200, granted.body);
    member.credentials.key_pem = made.key_pem;
    member.credentials.certificate_pem = boost::json::parse(granted.body).at("certificate").get_string();
    const net::Response issued = co_await post(member, "/v1/token", "application/json", "{}");
    REQUIRE_MESSAGE(issued.status == 200, issued.body);
    member.token = boost::json::parse(issued.body).at("token").get_string();
    co_return member;
  }
  net::Task<net::Response> renew(const Member& member, const std::string& request_pem) {
    std::string body = boost::json::serialize(boost::json::object{{"csr", request_pem}});
    co_return co_await post(member, "/v1/renew", "application/json", std::move(body));
  }

  TemporaryFolder folder;  // first, so that it goes last
  SystemClock clock;       // OpenSSL looks at the real one
  SystemRandom random;
  identity::KeyAndCertificate authority = identity::make_authority("test", clock.now(), 240h).value();
  std::unique_ptr<directory::Database> database = directory::Database::open(folder.path / "directory.sqlite").value();
  std::unique_ptr<journal::Journal> journal = journal::Journal::open({.directory = folder.path / "journal"}, clock).value();
  directory::Fleet fleet{*database, clock};
  directory::Audit audit{*database, clock};
  catalog::Catalog catalog = catalog::Catalog::load().value();
  net::Loop loop;
  store::Store store{loop, catalog, clock, store::StoreOptions()};  // never asked
  ingest::Registry registry{loop, clock, fleet, "install"};
  ingest::Enrolment enrolment{
      loop,
      clock,
      random,
      fleet,
      audit,
      registry,
      {.signing = authority},
      identity::CollectorTokens::create({identity::make_signing_key().value()}, "install", ingest::kTokenAudience, clock, random).value()};
  ingest::Ingest ingest{{.loop = loop,
                         .clock = clock,
                         .random = random,
                         .catalog = catalog,
                         .journal = *journal,
                         .database = *database,
                         .fleet = fleet,
                         .insert = [this](store::SegmentKey key, std::span<const store::StoredFrame> frames,
                                          store::Store::Earlier earlier) { return store.insert(key, frames, earlier); },
                         .sync = [this] { return store.sync(); },
                         .registry = registry}};
  RateLimit enrolments{{.burst = 10}, clock};
  ingest::Flow flow{{}, clock};
  DeliveryContext context{
      .clock = clock, .ingest = ingest, .enrolment = enrolment, .registry = registry, .enrolments = enrolments, .flow = flow};
  std::unique_ptr<net::HttpServer> server;
};

TEST_CASE_FIXTURE(Fixture, "a collector enrols, gets a token, and its frame is accepted once") {
  run([&]() -> net::Task<> {
    const Member member = co_await make_member();
    const net::Response first = co_await push(member, 1);
    CHECK_MESSAGE(first.status == 200, first.body);
    CHECK(boost::json::parse(first.body).at("duplicate") == boost::json::value(false));
    const net::Response again = co_await push(member, 1);
    CHECK(again.status == 200);
    CHECK(boost::json::parse(again.body).at("duplicate") == boost::json::value(true));
    const net::Response garbage = co_await post(member, "/v1/frames", "application/vnd.pganalytics.frame", "garbage");
    CHECK(garbage.status == 400);
    CHECK(garbage.body.find("shorter than its header") != std::string::npos);
    const net::Response other_type = co_await post(member, "/v1/frames", "text/plain", "garbage");
    CHECK(other_type.status == 415);
  });
}

TEST_CASE_FIXTURE(Fixture,
                  "an enrolment token is good once, for this authority, until it expires, and a broken request does not use it up") {
  run([&]() -> net::Task<> {
    const Member nobody;
    const std::string request = identity::make_request("db1").value().request_pem;
    const std::string token = enrolment_token();
    const std::string expired = enrolment_token(-1h);
    const std::string secret = token.substr(token.rfind('.'));
    struct Case {
      const char* what;
      std::string token;
      std::string request;
      int status;
    };
    const Case cases[] = {
        {"no token", "hello", request, 401},
        {"another secret", token.substr(0, token.size() - secret.size()) + "." + std::string(secret.size() - 1, 'A'), request, 401},
        {"another authority", "pga1." + std::string(43, 'A') + secret, request, 401},
        {"expired", expired, request, 401},
        {"no certificate request", token, "-----BEGIN CERTIFICATE REQUEST-----", 400},
        {"good", token, request, 200},
        {"the second time", token, request, 401},
    };
    for (const Case& c : cases) {
      CAPTURE(c.what);
      const net::Response response = co_await ask_to_enrol(nobody, c.token, c.request);
      CHECK_MESSAGE(response.status == c.status, response.body);
    }
  });
  CHECK(fleet.collectors()->size() == 1);
  CHECK(audit.newest(100)->size() == 7);
}

TEST_CASE_FIXTURE(Fixture, "guessing enrolment tokens is slowed down") {
  run([&]() -> net::Task<> {
    const Member nobody;
    for (int i = 0; i < 12; ++i) {
      const net::Response response = co_await ask_to_enrol(nobody, "hello", "x");
      CHECK(response.status == (i < 10 ? 401 : 429));
    }
  });
}

TEST_CASE_FIXTURE(Fixture, "without its certificate a token is worthless, and without a token a certificate delivers nothing") {
  run([&]() -> net::Task<> {
    const Member one = co_await make_member();
    const Member two = co_await make_member();
    struct Case {
      const char* what;
      Member who;
      int status;
    };
    const Case cases[] = {
        {"nobody", {}, 401},
        {"a token and no certificate", {{}, one.token}, 401},
        {"a certificate and no token", {one.credentials, ""}, 401},
        {"the token of another collector", {one.credentials, two.token}, 401},
        {"a token that was changed", {one.credentials, one.token.substr(0, one.token.size() - 4) + "AAAA"}, 401},
        {"both", one, 200},
    };
    for (const Case& c : cases) {
      CAPTURE(c.what);
      const net::Response response = co_await push(c.who, 1);
      CHECK_MESSAGE(response.status == c.status, response.body);
    }
    for (const char* path : {"/v1/token", "/v1/renew"}) {
      const net::Response response = co_await post(Member(), path, "application/json", "{}");
      CHECK(response.status == 401);
    }
  });
}

TEST_CASE_FIXTURE(
    Fixture, "a renewed certificate replaces the old one, an old one that comes back locks the collector, a revoked collector is out") {
  run([&]() -> net::Task<> {
    const Member first = co_await make_member();
    Member second = first, third = first;
    for (Member* newer : {&second, &third}) {
      const auto made = identity::make_request("db1").value();
      const net::Response granted = co_await renew(newer == &second ? first : second, made.request_pem);
      REQUIRE_MESSAGE(granted.status == 200, granted.body);
      newer->credentials.key_pem = made.key_pem;
      newer->credentials.certificate_pem = boost::json::parse(granted.body).at("certificate").get_string();
      const net::Response issued = co_await post(*newer, "/v1/token", "application/json", "{}");
      REQUIRE(issued.status == 200);
      newer->token = boost::json::parse(issued.body).at("token").get_string();
    }
    const net::Response by_second = co_await push(second, 2);  // the answer with the third may have been lost
    CHECK(by_second.status == 200);
    const net::Response by_third = co_await push(third, 1);
    CHECK(by_third.status == 200);
    const net::Response by_first = co_await push(first, 3);
    CHECK(by_first.status == 403);
    CHECK(by_first.body.find("was replaced") != std::string::npos);
    // Two minutes later the one before comes back: a copy of the state directory.
    CHECK(database->run("UPDATE collectors SET certificate_used_us = certificate_used_us - 120000000"));
    const Status later = co_await registry.reload();
    CHECK(later);
    const net::Response by_copy = co_await push(second, 3);
    CHECK(by_copy.status == 403);
    CHECK(by_copy.body.find("its state directory is used twice or was restored") != std::string::npos);
    const net::Response locked = co_await push(third, 4);  // nobody knows which of the two is the right one
    CHECK(locked.status == 403);
    CHECK(locked.body.find("collector unlock") != std::string::npos);
    const auto newest = audit.newest(1);
    REQUIRE(newest);
    CHECK(newest->front().action == "authenticate");
    CHECK(newest->front().outcome == "refused");
    CHECK(fleet.unlock(fleet.collectors()->front().id));
    const Status unlocked = co_await registry.reload();
    CHECK(unlocked);
    const net::Response by_unlocked = co_await push(third, 5);
    CHECK(by_unlocked.status == 200);

    CHECK(fleet.revoke(fleet.collectors()->front().id));
    const Status reloaded = co_await registry.reload();
    CHECK(reloaded);
    const net::Response by_revoked = co_await push(third, 6);
    CHECK(by_revoked.status == 403);
  });
}

TEST_CASE_FIXTURE(Fixture, "a collector whose token asks for approval is refused until a person approves") {
  run([&]() -> net::Task<> {
    Member member;
    const auto made = identity::make_request("db1").value();
    const std::string asked = enrolment_token(1h, true);
    const net::Response granted = co_await ask_to_enrol(member, asked, made.request_pem);
    REQUIRE_MESSAGE(granted.status == 200, granted.body);
    member.credentials.key_pem = made.key_pem;
    member.credentials.certificate_pem = boost::json::parse(granted.body).at("certificate").get_string();
    const net::Response refused = co_await post(member, "/v1/token", "application/json", "{}");
    CHECK(refused.status == 403);
    CHECK(refused.body.find("collector approve " + fleet.collectors()->front().uuid) != std::string::npos);
    const net::Response not_renewed = co_await renew(member, made.request_pem);
    CHECK(not_renewed.status == 403);
    CHECK(fleet.approve(fleet.collectors()->front().id));
    const Status reloaded = co_await registry.reload();
    CHECK(reloaded);
    const net::Response issued = co_await post(member, "/v1/token", "application/json", "{}");
    CHECK(issued.status == 200);
  });
  CHECK(audit.newest(10)->back().action == "enrol, to be approved");
}

TEST_CASE_FIXTURE(Fixture, "a collector hears of its configuration with each frame, fetches it, and its refusal is kept") {
  run([&]() -> net::Task<> {
    const Member member = co_await make_member();
    const directory::Collector collector = fleet.collectors()->front();
    const auto sync = [&](std::string body) { return post(member, "/v1/configuration", "application/json", std::move(body)); };
    const auto number = [](const net::Response& response, const char* name) {
      return boost::json::parse(response.body).at(name).as_int64();
    };

    const net::Response nothing = co_await push(member, 1);
    CHECK(number(nothing, "configuration") == 0);
    const std::int64_t common = fleet.set_configuration(collector.tenant, std::nullopt, "ship_interval: 20s").value();
    const std::int64_t own = fleet.set_configuration(collector.tenant, collector.id, "ship_interval: 30s").value();
    const Status reloaded = co_await registry.reload();
    CHECK(reloaded);
    const net::Response pushed = co_await push(member, 2);
    CHECK(number(pushed, "configuration") == own);
    std::string none = R"({"version": 0, "refused": null})";
    const net::Response fetched = co_await sync(none);
    CHECK(number(fetched, "version") == own);
    CHECK(boost::json::parse(fetched.body).at("yaml") == boost::json::value("ship_interval: 30s"));
    std::string told = R"({"version": )" + std::to_string(own) + R"(, "refused": "no \u0007 way"})";
    const net::Response heard = co_await sync(told);
    CHECK(number(heard, "version") == own);
    CHECK_FALSE(boost::json::parse(heard.body).as_object().contains("yaml"));
    CHECK(fleet.collectors()->front().configuration_seen == own);
    CHECK(fleet.collectors()->front().configuration_refused == "no \x07 way");

    CHECK(fleet.set_configuration(collector.tenant, collector.id, std::nullopt));  // withdrawn: the common one holds
    const net::Response again = co_await sync(told);
    CHECK(number(again, "version") == common);
    for (const char* wrong : {"", "[]", R"({"version": -1})", R"({"version": "1"})", R"({"version": 1, "refused": 5})"}) {
      CAPTURE(wrong);
      std::string body = wrong;
      const net::Response refused = co_await sync(body);
      CHECK(refused.status == 400);
    }
  });
}

}  // namespace
}  // namespace pga::api
