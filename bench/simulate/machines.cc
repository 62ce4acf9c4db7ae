#include "machines.h"

#include <unistd.h>
#include <xxhash.h>

#include <cstdlib>

#include "api/problem.h"
#include "base/check.h"
#include "base/log.h"
#include "base/planted.h"
#include "identity/token.h"
#include "network.h"
#include "wire/codec.h"

namespace pga::simulate {
namespace {

constexpr const char* kSource = "host.disks";  // a key that is text, counters and gauges

const catalog::Source& source_in(const catalog::Catalog& catalog) {
  const catalog::Source* source = catalog.find(kSource);
  PGA_CHECK(source != nullptr);
  return *source;
}

// The column that numbers the rows: the first whole number that is no key.
std::size_t number_column(const wire::Schema& schema) {
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    if (schema.columns[i].kind != wire::ColumnKind::kKey && schema.columns[i].type == wire::ColumnType::kInt) return i;
  }
  PGA_CHECK(false);
  return 0;
}

std::size_t segment_bytes(const CollectorMachine::Habits& habits) {
  return std::min<std::size_t>(16 * kMiB, habits.spool_bytes_max / 4);  // as the collector sets it
}

}  // namespace

std::vector<std::uint64_t> rows_of(const wire::Frame& frame) {
  std::vector<std::uint64_t> rows;
  for (const wire::Batch& batch : frame.batches) {
    const std::size_t column = number_column(frame.schemas[batch.schema]);
    for (std::size_t row = 0; row < batch.rows; ++row) rows.push_back(static_cast<std::uint64_t>(batch.columns[column].values[row]));
  }
  return rows;
}

void Surroundings::happened(std::string_view what) {
  log_debug("simulation", what);
  const std::int64_t at = time.clock().steady_now().time_since_epoch().count();
  trace = XXH3_64bits_withSeed(&at, sizeof at, trace);
  trace = XXH3_64bits_withSeed(what.data(), what.size(), trace);
}

// ---- collector ----

struct CollectorMachine::Process {
  std::unique_ptr<net::Loop> loop;
  std::unique_ptr<journal::Journal> spool;
  std::unique_ptr<collect::Outbox> outbox;
  std::unique_ptr<uplink::Transport> transport;
  std::unique_ptr<uplink::Uplink> uplink;
  wire::Decoder decoder;                    // of what is acknowledged
  std::vector<std::uint64_t> rows_waiting;  // read, and not yet known to be on the disk
  std::uint64_t rows_lost = 0;
  ~Process() { loop.reset(); }  // first: its activities refer to the others
};

CollectorMachine::CollectorMachine(Surroundings& around, Network& network, std::uint32_t number, Habits habits)
    : clock(around.time.clock()), around_(around), network_(network), number_(number), habits_(habits) {}

CollectorMachine::~CollectorMachine() { stop(); }

net::Loop& CollectorMachine::loop() { return *process_->loop; }
bool CollectorMachine::crashed() const { return process_ != nullptr && process_->loop->crashed(); }

bool CollectorMachine::drained() const {
  return process_ != nullptr && !process_->outbox->has_pending() &&
         process_->spool->acknowledged_index() >= process_->spool->last_index() &&
         process_->spool->gaps().empty();  // one that nobody was told of yet
}

journal::Stats CollectorMachine::spool_stats() const { return process_->spool->stats(); }

std::string CollectorMachine::condition() const {
  if (process_ == nullptr) return "collector " + std::to_string(number_) + " is down";
  return "collector " + std::to_string(number_) + ": frames up to " + std::to_string(process_->spool->acknowledged_index()) + " of " +
         std::to_string(process_->spool->last_index()) + " acknowledged; " + process_->uplink->stats().state;
}

void CollectorMachine::start() {
  auto process = std::make_unique<Process>();
  process->loop = std::make_unique<net::Loop>(around_.time);
  try {
    const journal::Options options{"/spool", segment_bytes(habits_), habits_.spool_bytes_max, true};
    auto spool = journal::Journal::open(options, clock, disk, around_.random);
    if (!spool) {
      disk.kill();
      return;  // a full disk, say; it is started again
    }
    process->spool = std::move(*spool);
  } catch (const net::SimulatedCrash&) {
    disk.kill();
    return;
  }
  process->outbox = std::make_unique<collect::Outbox>(*process->loop, *process->spool, clock);
  process->transport = network_.transport(*process->loop, number_);
  uplink::UplinkOptions options;
  options.state_dir = "/nonexistent";
  options.on_acknowledged = [this, p = process.get()](const journal::Record& record) -> Status {
    PGA_TRY(const wire::Frame frame, p->decoder.decode(record.payload));
    around_.ledger.acknowledged({number_, frame.epoch, frame.sequence}, hash_of(frame), frame.sent_us);
    return {};
  };
  process->uplink = std::make_unique<uplink::Uplink>(options, *process->transport, *process->loop, *process->spool,
                                                     process->outbox->filled(), clock, around_.random);
  process_ = std::move(process);
  process_->loop->spawn(ship(*process_));
  process_->loop->spawn(process_->uplink->run());
}

void CollectorMachine::stop() { process_.reset(); }

std::vector<std::uint64_t> CollectorMachine::read(collect::Outbox& outbox) {
  const catalog::Source& source = source_in(around_.catalog);
  const wire::Schema schema = source.schema();
  const std::size_t numbered = number_column(schema);
  std::vector<std::uint64_t> rows;
  wire::Batch batch = outbox.new_batch();
  batch.started_us = to_micros(clock.now());
  batch.interval_us = 2'000'000;
  batch.rows = batch.rows_seen = 1 + around_.random.next_u64() % habits_.rows_max;
  batch.columns.assign(schema.columns.size(), {});
  for (std::size_t row = 0; row < batch.rows; ++row) {
    rows.push_back(around_.next_row++);
    for (std::size_t i = 0; i < schema.columns.size(); ++i) {
      std::int64_t value = 0;
      switch (schema.columns[i].type) {
        case wire::ColumnType::kInt:
          value = i == numbered ? static_cast<std::int64_t>(rows.back()) : static_cast<std::int64_t>(around_.random.next_u64() % 100'000);
          break;
        case wire::ColumnType::kBool:
          value = static_cast<std::int64_t>(around_.random.next_u64() % 2);
          break;
        case wire::ColumnType::kString:
          value = static_cast<std::int64_t>(outbox.strings().intern("disk" + std::to_string(around_.random.next_u64() % 30)));
          break;
        case wire::ColumnType::kTime:
          value = batch.started_us;
          break;
        case wire::ColumnType::kDouble:
          break;
      }
      batch.columns[i].values.push_back(value);
    }
  }
  outbox.add({"host", "machine" + std::to_string(number_), "id" + std::to_string(number_), "6.1"}, source, std::move(batch));
  return rows;
}

net::Task<> CollectorMachine::ship(Process& process) {
  std::uint64_t known = process.spool->last_index();
  while (!process.loop->stopping()) {
    if (reads) {
      const auto rows = read(*process.outbox);
      process.rows_waiting.insert(process.rows_waiting.end(), rows.begin(), rows.end());
    }
    const Status flushed = co_await process.outbox->flush();
    if (process.outbox->rows_lost() != process.rows_lost) {  // counted and shown; nobody promised them
      process.rows_lost = process.outbox->rows_lost();
      process.rows_waiting.clear();
    }
    if (flushed) {
      const std::uint64_t last = process.spool->last_index();
      if (!process.rows_waiting.empty() && last > known)
        around_.ledger.spooled(number_, process.spool->stats().log_id, known + 1, last, std::exchange(process.rows_waiting, {}));
      known = last;
    }
    if (process.spool->stats().bytes > habits_.spool_bytes_max + segment_bytes(habits_))
      around_.ledger.violation("the spool of collector " + std::to_string(number_) + " is larger than its limit and a segment");
    static_cast<void>(co_await process.loop->sleep(habits_.ship_every));
  }
}

// ---- store ----

net::Task<Result<store::InsertSummary>> StoreModel::insert(net::Loop& loop, store::SegmentKey key,
                                                           std::span<const store::StoredFrame> frames, store::Store::Earlier earlier) {
  static_cast<void>(co_await loop.sleep(std::chrono::microseconds(1'000 + around_.random.next_u64() % 20'000)));
  if (down) co_return unavailable("the engine is down");
  const std::uint64_t fate = flaky ? around_.random.next_u64() % 4 : 3;
  if (fate == 0) co_return unavailable("the engine is busy");
  std::vector<FrameId> ids;
  for (const auto& f : frames) ids.push_back({f.collector, f.frame.epoch, f.frame.sequence});
  const Token token{key.log_id, key.segment};
  const bool of_earlier_run = begun_.emplace(token, run_).first->second != run_;
  if (earlier == store::Store::Earlier::kPerhaps || of_earlier_run) {
    // As the store does it: what is there counts, and a token that is remembered does not.
    const auto there = std::ranges::count_if(ids, [&](const FrameId& id) { return around_.ledger.has(id); });
    if (there != 0 && std::cmp_not_equal(there, ids.size())) around_.ledger.violation("a segment is in the store in part");
    there == 0 ? static_cast<void>(tokens_.erase(token)) : static_cast<void>(tokens_.insert_or_assign(token, ids));
  }
  const auto [at, is_new] = tokens_.emplace(token, ids);
  if (is_new) {
    for (const auto& f : frames) around_.ledger.stored(f.collector, f.frame);
    unsynced_.insert(token);
    std::string what = "segment " + std::to_string(key.segment) + " is stored:";
    for (const FrameId& id : ids) what += " " + std::to_string(id.collector) + "/" + std::to_string(id.sequence);
    around_.happened(what);
  } else if (at->second != ids) {
    around_.ledger.violation("segment " + std::to_string(key.segment) + " was inserted again under its token with other frames");
  }
  if (fate == 1) co_return unavailable("the engine went away before it answered");
  begun_.erase(token);
  store::InsertSummary summary;
  summary.batches = frames.size();
  co_return summary;
}

void StoreModel::cut_power() {
  for (const Token& token : std::exchange(unsynced_, {})) {
    const auto segment = tokens_.find(token);
    if (segment == tokens_.end()) continue;
    if (around_.random.next_u64() % 2 == 0) {
      for (const FrameId& id : segment->second) around_.ledger.lost_by_store(id);
      around_.happened("the store lost segment " + std::to_string(token.second));
    }
    if (around_.random.next_u64() % 2 == 0) tokens_.erase(segment);
  }
}

void StoreModel::restart() {
  ++run_;
  down = false;
  for (const Token& token : std::exchange(unsynced_, {})) {
    const auto segment = tokens_.find(token);
    if (segment == tokens_.end() || around_.random.next_u64() % 2 != 0) continue;
    for (const FrameId& id : segment->second) around_.ledger.lost_by_store(id);
    around_.happened("the store was started again without segment " + std::to_string(token.second));
  }
  tokens_.clear();
}

// ---- server ----

// What a server has beside its journal: kept by SQLite on a real file, which no simulated crash tears.
struct ServerMachine::Files {
  std::filesystem::path directory;
  identity::KeyAndCertificate authority;
  Secret<std::string> token_key;
  Files() {
    std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm/pga-simulate-XXXXXX" : "/tmp/pga-simulate-XXXXXX";
    PGA_CHECK(::mkdtemp(name.data()) != nullptr);
    directory = name;
    token_key = identity::make_signing_key().value();
  }
  ~Files() { std::filesystem::remove_all(directory); }
};

struct ServerMachine::Process {
  std::unique_ptr<net::Loop> loop;
  std::unique_ptr<journal::Journal> journal;
  std::unique_ptr<directory::Database> database;
  std::unique_ptr<directory::Fleet> fleet;
  std::unique_ptr<directory::Audit> audit;
  std::unique_ptr<ingest::Registry> registry;
  std::unique_ptr<ingest::Enrolment> enrolment;
  std::unique_ptr<ingest::Ingest> ingest;
  std::unique_ptr<api::RateLimit> enrolments;
  std::unique_ptr<ingest::Flow> flow;
  std::unique_ptr<api::DeliveryContext> context;
  api::Handlers handlers;
  api::Operation push;
  ~Process() { loop.reset(); }
};

ServerMachine::ServerMachine(Surroundings& around, std::size_t collectors)
    : clock(around.time.clock()), store(around), around_(around), files_(std::make_unique<Files>()) {
  const auto database = directory::Database::open(files_->directory / "directory.sqlite").value();
  directory::Fleet fleet(*database, clock);
  for (std::size_t i = 1; i <= collectors; ++i) {
    const std::string token = "token" + std::to_string(i);
    PGA_CHECK(fleet.create_enrolment_token(directory::kDefaultTenant, token, clock.now() + std::chrono::hours{1}, 1).has_value());
    collectors_.push_back(fleet.enrol(token, "uuid" + std::to_string(i), "collector" + std::to_string(i)).value().value());
  }
}

ServerMachine::~ServerMachine() { stop(); }

net::Loop& ServerMachine::loop() { return *process_->loop; }
bool ServerMachine::crashed() const { return process_ != nullptr && process_->loop->crashed(); }
bool ServerMachine::drained() const {
  return process_ != nullptr && process_->ingest->ready() && process_->journal->segments().empty() &&
         process_->ingest->flusher_stats().waiting == 0;
}

void ServerMachine::start() {
  auto p = std::make_unique<Process>();
  p->loop = std::make_unique<net::Loop>(around_.time);
  try {
    const journal::Options options{"/journal", 64 * kKiB, journal_bytes_max, false};
    auto journal = journal::Journal::open(options, clock, disk, around_.random);
    if (!journal) {
      disk.kill();
      return;
    }
    p->journal = std::move(*journal);
  } catch (const net::SimulatedCrash&) {
    disk.kill();
    return;
  }
  p->database = directory::Database::open(files_->directory / "directory.sqlite").value();
  p->fleet = std::make_unique<directory::Fleet>(*p->database, clock);
  p->audit = std::make_unique<directory::Audit>(*p->database, clock);
  p->registry = std::make_unique<ingest::Registry>(*p->loop, clock, *p->fleet, "simulation");
  auto tokens = identity::CollectorTokens::create({files_->token_key}, "simulation", ingest::kTokenAudience, clock, around_.random).value();
  p->enrolment = std::make_unique<ingest::Enrolment>(*p->loop, clock, around_.random, *p->fleet, *p->audit, *p->registry,
                                                     identity::Authorities{.signing = files_->authority}, std::move(tokens));
  p->ingest = std::make_unique<ingest::Ingest>(ingest::Ingest::Parts{
      .loop = *p->loop,
      .clock = clock,
      .random = around_.random,
      .catalog = around_.catalog,
      .journal = *p->journal,
      .database = *p->database,
      .fleet = *p->fleet,
      .insert = [this, loop = p->loop.get()](store::SegmentKey key, std::span<const store::StoredFrame> frames,
                                             store::Store::Earlier earlier) { return store.insert(*loop, key, frames, earlier); },
      .sync = [this, loop = p->loop.get()]() -> net::Task<Status> {
        static_cast<void>(co_await loop->sleep(std::chrono::milliseconds(20)));
        if (store.down) co_return unavailable("the engine is down");
        store.sync();
        around_.happened("the store is synced");
        co_return Status();
      },
      .store_run = [this] { return store.run(); },
      .registry = *p->registry});
  p->flow = std::make_unique<ingest::Flow>(ingest::FlowOptions{}, clock);
  p->enrolments = std::make_unique<api::RateLimit>(api::RateLimitOptions{}, clock);
  p->context = std::make_unique<api::DeliveryContext>(api::DeliveryContext{.clock = clock,
                                                                           .ingest = *p->ingest,
                                                                           .enrolment = *p->enrolment,
                                                                           .registry = *p->registry,
                                                                           .enrolments = *p->enrolments,
                                                                           .flow = *p->flow});
  p->handlers = api::delivery_handlers(*p->context);
  process_ = std::move(p);
  process_->loop->spawn([](ingest::Ingest& ingest) -> net::Task<> {
    const Status started = co_await ingest.start();
    if (started) co_await ingest.flush();
  }(*process_->ingest));
  process_->loop->spawn(process_->registry->run());
}

void ServerMachine::stop() { process_.reset(); }

net::Task<net::Response> ServerMachine::answer(std::uint32_t collector, net::Request request) {
  api::Call call{.request = request, .operation = process_->push};
  call.collector = collectors_.at(collector - 1);
  const auto header = wire::peek_header(as_bytes(request.body));
  auto result = co_await process_->handlers.at("pushFrames")(call);
  net::Response response = result ? std::move(*result) : api::problem(result.error());
  around_.happened("answered " + std::to_string(response.status) + " to " + std::to_string(collector) + "/" +
                   (header ? std::to_string(header->sequence) : "?") + " " + response.body);
  if (response.status == 200 && header)
    around_.ledger.acknowledged_by_server({collectors_[collector - 1].id.value, header->epoch, header->sequence});
  co_return response;
}

}  // namespace pga::simulate
