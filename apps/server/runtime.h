// A running server: two event loops (people here, collectors on a thread of their own), the engine, and the order in which things begin and
// end.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "api/delivery.h"
#include "api/people.h"
#include "base/clock.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "config.h"
#include "directory/audit.h"
#include "directory/fleet.h"
#include "directory/people.h"
#include "ingest/enrolment.h"
#include "ingest/ingest.h"
#include "ingest/registry.h"
#include "journal/journal.h"
#include "net/http_server.h"
#include "net/loop.h"
#include "state.h"
#include "store/engine_child.h"
#include "store/store.h"
#include "verbs.h"

namespace pga::server {

inline constexpr std::chrono::seconds kDrainMax{10};     // for answers under way, and again for the journal to be stored
inline constexpr std::chrono::seconds kPrepareEvery{2};  // tries to reach the store at start

class Runtime {
 public:
  Runtime(const Config& config, const catalog::Catalog& catalog, State state, std::unique_ptr<directory::Database> database,
          std::unique_ptr<journal::Journal> journal, identity::CollectorTokens tokens);

  // Builds the routes and listens. Fails without having started anything.
  Status listen();
  // Until SIGTERM or SIGINT, or until something failed that makes going on senseless.
  int serve();

 private:
  [[nodiscard]] store::StoreOptions store_options() const;
  net::Task<> start_store();   // people's loop: engine, schema; then the collectors' loop may flush
  net::Task<> start_ingest();  // collectors' loop
  net::Task<Status> ready();   // people's loop
  void reload_token_keys();
  net::Task<> shut_down();  // people's loop
  void fail(ExitCode code, const std::string& message);

  const Config& config_;
  const State state_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<directory::Database> database_;
  std::unique_ptr<journal::Journal> journal_;
  std::shared_ptr<store::Watermarks> watermarks_ = std::make_shared<store::Watermarks>();

  // Before everything that is bound to them.
  net::Loop people_loop_;
  net::Loop collectors_loop_;

  directory::People people_{*database_, clock_};
  directory::Fleet fleet_{*database_, clock_};
  directory::Audit audit_{*database_, clock_};
  std::unique_ptr<store::EngineChild> engine_;  // null with a ClickHouse of its own
  store::Store people_store_;
  store::Store collectors_store_;
  ingest::Registry registry_;
  ingest::Enrolment enrolment_;
  ingest::Ingest ingest_;
  api::Sessions sessions_;
  api::RateLimit enrolments_;
  ingest::Flow flow_{{}, clock_};
  api::Context people_context_;
  api::DeliveryContext delivery_context_;
  api::Ui ui_;
  std::unique_ptr<api::Router> people_router_;
  std::unique_ptr<api::Router> collectors_router_;
  std::unique_ptr<net::HttpServer> people_server_;
  std::unique_ptr<net::HttpServer> collectors_server_;

  std::atomic<bool> store_ready_ = false;
  std::atomic<bool> ingest_drained_ = false;
  bool shutting_down_ = false;
  int exit_code_ = kDone;
};

}  // namespace pga::server
