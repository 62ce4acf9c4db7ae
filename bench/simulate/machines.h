// Machines with real collectors and a real server on simulated disks: journal, outbox, uplink, ingest and delivery are the product's.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "api/delivery.h"
#include "base/random.h"
#include "catalog/catalog.h"
#include "collect/outbox.h"
#include "directory/audit.h"
#include "ingest/ingest.h"
#include "journal/memory_disk.h"
#include "ledger.h"
#include "net/simulation.h"
#include "uplink/uplink.h"

namespace pga::simulate {

// The wall clock of one machine, which may be wrong.
class MachineClock final : public Clock {
 public:
  explicit MachineClock(const Clock& true_clock) : true_(true_clock) {}
  WallTime now() const override { return true_.now() + offset; }
  SteadyTime steady_now() const override { return true_.steady_now(); }
  std::chrono::microseconds offset{0};

 private:
  const Clock& true_;
};

// Numbers of the rows that a simulated reading brought; each is given once.
std::vector<std::uint64_t> rows_of(const wire::Frame& frame);

class Network;
class ServerMachine;

// What all machines share.
struct Surroundings {
  Random& random;
  net::Simulation& time;
  Ledger& ledger;
  const catalog::Catalog& catalog;
  std::uint64_t next_row = 1;
  std::uint64_t trace = 0;  // a hash of everything that happened, in order
  void happened(std::string_view what);
};

class CollectorMachine {
 public:
  struct Habits {
    std::size_t spool_bytes_max = 4 * kMiB;
    std::chrono::seconds ship_every{2};
    std::uint64_t rows_max = 40;  // of a reading
  };
  CollectorMachine(Surroundings& around, Network& network, std::uint32_t number, Habits habits);
  ~CollectorMachine();

  void start();  // false disks and crashes while recovering only leave it down
  void stop();   // the process is gone, whatever it did
  [[nodiscard]] bool running() const { return process_ != nullptr; }
  [[nodiscard]] bool crashed() const;
  // Everything that it has is acknowledged, every gap is told, and no reading waits for the disk.
  [[nodiscard]] bool drained() const;
  [[nodiscard]] std::string condition() const;
  [[nodiscard]] std::uint32_t number() const { return number_; }
  [[nodiscard]] journal::Stats spool_stats() const;
  [[nodiscard]] net::Loop& loop();

  journal::MemoryDisk disk;
  MachineClock clock;
  bool reads = true;  // false: makes no new rows

 private:
  struct Process;
  net::Task<> ship(Process& process);
  std::vector<std::uint64_t> read(collect::Outbox& outbox);

  Surroundings& around_;
  Network& network_;
  const std::uint32_t number_;
  const Habits habits_;
  std::unique_ptr<Process> process_;
};

// The store as far as ingest sees it: a segment goes in once under its token, and the answer may get lost.
class StoreModel {
 public:
  explicit StoreModel(Surroundings& around) : around_(around) {}
  net::Task<Result<store::InsertSummary>> insert(net::Loop& loop, store::SegmentKey key, std::span<const store::StoredFrame> frames,
                                                 store::Store::Earlier earlier);
  void sync() { unsynced_.clear(); }
  // A power cut of its machine: any part of what was not synced is gone, rows as well as the memory of tokens.
  void cut_power();
  // Another process of the engine, which knows no tokens: any part of what was not synced is gone, where the disk was full for a moment.
  void restart();
  [[nodiscard]] std::string run() const { return std::to_string(run_); }
  bool down = false;
  bool flaky = false;  // some inserts fail, before or after they took effect

 private:
  Surroundings& around_;
  using Token = std::pair<std::uint64_t, std::uint64_t>;
  std::map<Token, std::vector<FrameId>> tokens_;
  std::set<Token> unsynced_;
  int run_ = 1;
  std::map<Token, int> begun_;  // inserts that have not succeeded: the first run_ that saw them
};

class ServerMachine {
 public:
  ServerMachine(Surroundings& around, std::size_t collectors);
  ~ServerMachine();

  void start();
  void stop();
  [[nodiscard]] bool running() const { return process_ != nullptr; }
  [[nodiscard]] bool crashed() const;
  [[nodiscard]] bool drained() const;
  [[nodiscard]] net::Loop& loop();
  // On the server's loop.
  net::Task<net::Response> answer(std::uint32_t collector, net::Request request);

  journal::MemoryDisk disk;
  MachineClock clock;
  StoreModel store;
  std::size_t journal_bytes_max = 1 * kMiB;

 private:
  struct Process;
  struct Files;

  Surroundings& around_;
  std::unique_ptr<Files> files_;
  std::vector<directory::Collector> collectors_;
  std::unique_ptr<Process> process_;
};

}  // namespace pga::simulate
