#include "runtime.h"

#include <sys/resource.h>

#include "base/log.h"
#include "ingest/maintenance.h"

namespace pga::server {
namespace {

constexpr std::size_t kPeopleBodyBytesMax = 64 * kKiB;
constexpr std::chrono::milliseconds kPollEvery{20};  // while shutting down
constexpr std::size_t kPeopleConnectionsMax = 1'000;
constexpr std::size_t kOtherDescriptorsMax = 500;  // files, the engine's socket

// As many connections of collectors as the operating system lets this process have, which is asked for all of it.
std::size_t collector_connections_max() {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0) return kPeopleConnectionsMax;
  descriptors.rlim_cur = descriptors.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &descriptors) != 0) log_warning("server", "the limit of open files stays what it is");
  constexpr std::size_t kOthers = kPeopleConnectionsMax + kOtherDescriptorsMax;
  return descriptors.rlim_max > 2 * kOthers ? descriptors.rlim_max - kOthers : kOthers;
}

store::EngineOptions engine_options(const Config& config) {
  const auto directory = config.state_dir / "engine";
  return {.program = config.engine_program,
          .library = config.engine_library,
          .directory = directory / "data",
          .socket = directory / "engine.sock",
          .memory_bytes = config.engine_memory_bytes};
}

}  // namespace

Runtime::Runtime(const Config& config, const catalog::Catalog& catalog, State state, std::unique_ptr<directory::Database> database,
                 std::unique_ptr<journal::Journal> journal, identity::CollectorTokens tokens)
    : config_(config),
      state_(std::move(state)),
      database_(std::move(database)),
      journal_(std::move(journal)),
      engine_(config.embedded() ? std::make_unique<store::EngineChild>(people_loop_, random_, engine_options(config)) : nullptr),
      people_store_(people_loop_, catalog, clock_, store_options()),
      collectors_store_(collectors_loop_, catalog, clock_, store_options()),
      registry_(collectors_loop_, clock_, fleet_, state_.authority.name),
      enrolment_(collectors_loop_, clock_, random_, fleet_, audit_, registry_, state_.authority.authorities, std::move(tokens),
                 config.certificate_life),
      ingest_({.loop = collectors_loop_,
               .clock = clock_,
               .random = random_,
               .catalog = catalog,
               .journal = *journal_,
               .database = *database_,
               .fleet = fleet_,
               .insert = [this](store::SegmentKey key, std::span<const store::StoredFrame> frames,
                                store::Store::Earlier earlier) { return collectors_store_.insert(key, frames, earlier); },
               .sync = [this] { return collectors_store_.sync(); },
               .store_run = [this] { return collectors_store_.engine_run(); },
               .registry = registry_}),
      sessions_(people_loop_, clock_, random_, people_, audit_, {.tls = config.people_tls}),
      enrolments_({.burst = 30, .refill = std::chrono::seconds(2)}, clock_),
      people_context_{.loop = people_loop_,
                      .clock = clock_,
                      .random = random_,
                      .catalog = catalog,
                      .store = people_store_,
                      .people = people_,
                      .fleet = fleet_,
                      .audit = audit_,
                      .ready = [this] { return ready(); },
                      .notice = [this] { return ingest_.notice(); }},
      delivery_context_{.clock = clock_,
                        .ingest = ingest_,
                        .enrolment = enrolment_,
                        .registry = registry_,
                        .enrolments = enrolments_,
                        .flow = flow_,
                        .takes_binary = config.takes_binary} {}

store::StoreOptions Runtime::store_options() const {
  store::StoreOptions options;
  options.client.base_url = config_.embedded() ? "unix:" + engine_options(config_).socket.string() : config_.storage_url;
  if (config_.embedded()) {
    options.engine_directory = engine_options(config_).directory;
    options.engine_restarts = [this] { return engine_->restarts(); };
    options.restart_engine = [this] { engine_->restart("the engine has parts that are not whole"); };
  }
  options.retention = config_.retention;
  options.watermarks = watermarks_;
  return options;
}

Status Runtime::listen() {
  PGA_TRY(auto operations, api::parse_openapi(api::embedded_openapi()));
  PGA_TRY(auto people, api::Router::build(operations, api::Port::kPeople, api::people_handlers(people_context_, sessions_),
                                          api::people_guards(sessions_), [this](net::Request& request) { return ui_.answer(request); }));
  PGA_TRY(auto collectors, api::Router::build(operations, api::Port::kCollectors, api::delivery_handlers(delivery_context_),
                                              api::delivery_guards(delivery_context_)));
  people_router_ = std::make_unique<api::Router>(std::move(people));
  collectors_router_ = std::make_unique<api::Router>(std::move(collectors));

  net::TlsServerOptions tls;
  tls.certificate_pem = state_.certificate.certificate_pem;
  tls.key_pem = state_.certificate.key_pem;
  net::ServerOptions options;
  options.address = config_.listen_people;
  options.body_bytes_max = kPeopleBodyBytesMax;
  options.connections_max = kPeopleConnectionsMax;
  options.clock = &clock_;
  if (config_.people_tls) {
    PGA_TRY(options.tls, net::TlsServerContext::create(tls));
  }
  PGA_TRY(people_server_, net::HttpServer::listen({&people_loop_}, options, [this](net::Request& request) -> net::Task<net::Response> {
            net::Response response = co_await people_router_->handle(request);
            api::add_security_headers(response, config_.people_tls);
            co_return response;
          }));

  tls.certificate_pem +=
      state_.authority.authorities.signing.certificate_pem;  // so that an enrolling collector can check the fingerprint in its token
  tls.client_ca_pem = state_.authority.authorities.bundle_pem();
  tls.client_certificate = net::ClientCertificate::kOptional;  // none yet when enrolling; every other operation's guard asks for it
  options.address = config_.listen_collectors;
  options.connections_max = collector_connections_max();
  options.body_bytes_max = wire::kFrameBytesMax;
  options.stranger_body_bytes_max = kPeopleBodyBytesMax;  // who enrols sends a token and a request for a certificate
  PGA_TRY(options.tls, net::TlsServerContext::create(tls));
  PGA_TRY(collectors_server_, net::HttpServer::listen({&collectors_loop_}, options,
                                                      [this](net::Request& request) { return collectors_router_->handle(request); }));
  log_info("server", "people on " + people_server_->address() + (config_.people_tls ? " (TLS)" : "") + ", collectors on " +
                         collectors_server_->address());
  return {};
}

int Runtime::serve() {
  people_loop_.on_terminate([this] {
    log_info("server", "shutting down");
    people_loop_.spawn(shut_down());
  });
  people_loop_.on_reload([this] { reload_token_keys(); });
  people_loop_.spawn(start_store());
  collectors_loop_.spawn(start_ingest());
  collectors_loop_.spawn(registry_.run());
  std::thread collectors([this] {
    net::name_this_thread("collectors");
    collectors_loop_.run();
  });
  people_loop_.run();
  collectors_loop_.stop();
  collectors.join();
  return exit_code_;
}

void Runtime::reload_token_keys() {
  const auto keys = load_token_keys(config_);
  auto tokens = keys ? identity::CollectorTokens::create(*keys, state_.authority.name, ingest::kTokenAudience, clock_, random_)
                     : Result<identity::CollectorTokens>(keys.error());
  if (!tokens) {
    log_error("server", "the keys of access tokens stay what they are: " + tokens.error().message);
    return;
  }
  const auto shared = std::make_shared<identity::CollectorTokens>(std::move(*tokens));
  collectors_loop_.post([this, shared] { enrolment_.set_tokens(std::move(*shared)); });
  log_info("server", "the keys of access tokens were read again; everything else needs a restart");
}

net::Task<> Runtime::start_store() {
  if (engine_) {
    if (const Status started = co_await engine_->start(); !started) {
      if (!people_loop_.stopping()) fail(kCannotServe, started.error().message);
      co_return;
    }
  }
  while (!shutting_down_) {
    const Status prepared = co_await people_store_.prepare();
    if (prepared) break;
    if (!store::is_retriable(prepared.error())) {
      fail(kCannotServe, "store: " + prepared.error().message);
      co_return;
    }
    log_warning("server", "store: " + prepared.error().message);
    const Status slept = co_await people_loop_.sleep(kPrepareEvery);
    if (!slept) co_return;
  }
  if (shutting_down_) co_return;
  store_ready_ = true;
  collectors_loop_.spawn(ingest_.flush());
  if (engine_) collectors_loop_.spawn(ingest::look_at_store(collectors_loop_, collectors_store_));
  collectors_loop_.spawn([this]() -> net::Task<> {
    const Status replayed = co_await ingest_.replayed();
    if (!replayed) co_return;
    co_await ingest::maintain(collectors_loop_, clock_, ingest_.clock_guard(), *database_, collectors_store_, journal_->stats().log_id);
  });
}

net::Task<> Runtime::start_ingest() {
  if (const Status started = co_await ingest_.start(); !started && !collectors_loop_.stopping()) {
    people_loop_.post([this, message = started.error().message] { fail(kBadState, message); });
  }
}

net::Task<Status> Runtime::ready() {
  if (shutting_down_) co_return unavailable("this server is shutting down");
  if (!store_ready_)
    co_return unavailable("the store is not there yet" + (engine_ && !engine_->last_end().empty() ? ": " + engine_->last_end() : ""));
  PGA_CO_TRY_STATUS(ingest_.ready());
  if (const Status answers = co_await people_store_.ping(); !answers)
    co_return unavailable("the store does not answer: " + answers.error().message);
  co_return Status();
}

net::Task<> Runtime::shut_down() {
  if (shutting_down_) co_return;
  shutting_down_ = true;
  people_server_->drain();
  collectors_server_->drain();
  const auto open = [this] { return people_server_->stats().connections_open + collectors_server_->stats().connections_open; };
  for (const Deadline end = clock_.steady_now() + kDrainMax; open() > 0 && clock_.steady_now() < end;) {
    const Status slept = co_await people_loop_.sleep(kPollEvery);
    if (!slept) break;
  }
  collectors_loop_.spawn([this]() -> net::Task<> {
    co_await ingest_.drain(clock_.steady_now() + kDrainMax);
    ingest_drained_ = true;
  });
  while (!ingest_drained_) {
    const Status slept = co_await people_loop_.sleep(kPollEvery);
    if (!slept) break;
  }
  collectors_loop_.stop();
  if (engine_) {
    if (const Status stopped = co_await engine_->stop(); !stopped) log_warning("server", "engine: " + stopped.error().message);
  }
  people_loop_.stop();
}

void Runtime::fail(ExitCode code, const std::string& message) {
  log_error("server", message);
  exit_code_ = code;
  people_loop_.spawn(shut_down());
}

int run(const Config& config) {
  SystemClock clock;
  SystemRandom random;
  const auto catalog = catalog::Catalog::load(config.sources_dir);
  if (!catalog) return print_error(kBadConfiguration, catalog.error().message);
  auto state = load_state(config, clock);
  if (!state) return print_error(kBadState, state.error().message);
  auto tokens = identity::CollectorTokens::create(state->token_keys, state->authority.name, ingest::kTokenAudience, clock, random);
  if (!tokens) return print_error(kBadState, "token.key: " + tokens.error().message);
  auto database = directory::Database::open(database_file(config));
  if (!database) return print_error(kBadState, database.error().message);
  auto journal = journal::Journal::open({.directory = config.state_dir / "journal",
                                         .segment_bytes_max = ingest::kSegmentBytesMax,
                                         .total_bytes_max = ingest::kJournalBytesMax,
                                         .drop_oldest_when_full = false},
                                        clock);
  if (!journal) return print_error(kBadState, journal.error().message);

  Runtime runtime(config, *catalog, std::move(*state), std::move(*database), std::move(*journal), std::move(*tokens));
  if (const Status listening = runtime.listen(); !listening) return print_error(kCannotServe, listening.error().message);
  return runtime.serve();
}

}  // namespace pga::server
