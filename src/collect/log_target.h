// The log of one server beside its statistics: follows its files where they are on this machine, also while the server is down, or reads
// them over the server's connection.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "collect/gatherer.h"
#include "collect/intervals.h"
#include "collect/log_follower.h"
#include "collect/log_options.h"
#include "collect/log_server.h"
#include "collect/logged_plans.h"
#include "collect/outbox.h"
#include "collect/self_stats.h"
#include "logs/file_tail.h"
#include "net/loop.h"
#include "pg/connection.h"

namespace pga::collect {

// Whether the source is read here and not by SQL.
bool is_log_source(const catalog::Source& source);

// Where a log would be read, or why it cannot be and what to do about it.
struct LogPlace {
  enum class How : std::uint8_t { kNowhere, kFiles, kServer } how = How::kNowhere;
  std::filesystem::path file;  // the current one, of kFiles
  LogFormat format = LogFormat::kUnknown;
  std::string why;   // kNowhere
  std::string mend;  // the same
};
LogPlace place_of(const LogOptions& options, const ServerLog& server);

class LogTarget {
 public:
  // `beat`: of its Schedule. `target` is read at every reading: the owner learns who answers. All outlive this.
  LogTarget(LogOptions options, SteadyTime beat, std::string name, const wire::Target& target, const catalog::Catalog& catalog,
            const Intervals& intervals, net::Loop& loop, Outbox& outbox, SelfStats& stats, Clock& clock);
  ~LogTarget();

  net::Task<> run();
  net::Task<> read_once();

  // The process ends: what was read of the log and waits for its source to be due goes to the outbox.
  net::Task<> hand_over();

  // On the server's connection, from time to time: asks for its settings, and for its log if there is no other way.
  net::Task<> tend(pg::Connection& connection);
  static constexpr std::chrono::seconds kTendInterval{20};

  // Another server answers: its log is another one.
  void other_server() { is_other_ = ask_again_ = true; }

 private:
  net::Task<> read(Gatherer& gatherer);
  Reading read_files(const catalog::Source& source);  // blocking
  void choose();
  // Whether it is known where to look.
  [[nodiscard]] bool knows_where() const { return server_.known || !options_.directory.empty(); }
  void forget_plans_of_other();
  void keep_position();
  void note_position(logs::Position position);
  Reading take(const catalog::Source& source, std::int64_t now_us);  // what waits of events, plans or samples

  [[nodiscard]] net::Task<bool> files_at_rest();

  const LogOptions options_;
  const SteadyTime beat_;
  const std::string name_;
  const wire::Target& target_;
  const Intervals& intervals_;
  net::Loop& loop_;
  Outbox& outbox_;
  SelfStats& stats_;
  Clock& clock_;
  const SteadyTime begun_;
  std::vector<std::unique_ptr<Gatherer>> gatherers_;

  ServerLog server_;
  SteadyTime asked_at_{};
  std::atomic<bool> ask_again_ = false;  // set by the worker: the file that the settings speak of is not there
  LogPlace place_;
  std::map<const Gatherer*, SteadyTime> told_nowhere_;
  std::string failure_;       // of the last reading over the connection
  std::string file_failure_;  // of the last reading of files, if nothing came of it
  bool is_other_ = false;     // and the plans of the one before are not forgotten yet
  bool files_read_ = false;
  LoggedPlans plans_;
  LogFollower follower_{plans_};
  std::unique_ptr<logs::FileTail> tail_;
  ServerTail server_tail_;
  std::optional<logs::Position> resumed_;

  // A position is kept once the rows before it, events and plans, are in the spool: after a crash some are read twice rather than none.
  struct Noted {
    std::uint64_t events = 0, plans = 0;  // added before it, that have to be taken first
    logs::Position position;
  };
  std::deque<Noted> noted_;
  struct Reached {
    std::uint64_t batches = 0;  // of the outbox, that have to be there first
    logs::Position position;
  };
  std::deque<Reached> reached_;
};

}  // namespace pga::collect
