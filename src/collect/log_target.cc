#include "collect/log_target.h"

#include <fcntl.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>

#include "base/files.h"
#include "base/log.h"
#include "collect/schedule.h"

namespace pga::collect {
namespace {

constexpr std::string_view kEvents = "postgres.log_events";
constexpr std::string_view kCounts = "postgres.log_counts";
constexpr std::chrono::minutes kAskAgain{5};
constexpr std::chrono::seconds kNowhereInterval{10};  // that there is no log is not told every time
constexpr std::chrono::seconds kTendTimeout{5};
constexpr std::size_t kReadBytesMax = 8 * kMiB;  // of a file, a reading
constexpr std::size_t kReachedMax = 64;
constexpr std::size_t kDirectoryEntriesMax = 10'000;

// The file of `directory` that fits the pattern and was written to last.
Result<std::filesystem::path> newest(const std::filesystem::path& directory, const std::string& pattern) {
  std::filesystem::path best;
  std::filesystem::file_time_type best_time{};
  std::error_code error;
  std::size_t seen = 0;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end && ++seen < kDirectoryEntriesMax;
       it.increment(error)) {
    std::error_code of_file;
    if (::fnmatch(pattern.c_str(), it->path().filename().c_str(), 0) != 0 || !it->is_regular_file(of_file)) continue;
    const auto time = it->last_write_time(of_file);
    if (of_file || (!best.empty() && (time < best_time || (time == best_time && it->path() < best)))) continue;
    best = it->path();
    best_time = time;
  }
  if (error) {
    const bool absent = error == std::errc::no_such_file_or_directory;
    return Error{absent ? ErrorCode::kNotFound : ErrorCode::kUnavailable, directory.string() + ": " + error.message()};
  }
  if (best.empty()) return Error{ErrorCode::kNotFound, "no file of " + directory.string() + " is like \"" + pattern + "\""};
  return best;
}

Result<std::filesystem::path> current_file(const LogOptions& options, const ServerLog& server) {
  if (options.directory.empty())
    return current_local_file(server, options.format == LogFormat::kUnknown ? server.format() : options.format);
  if (!options.pattern.empty()) return newest(options.directory, options.pattern);
  const LogFormat format = options.format != LogFormat::kUnknown ? options.format : server.known ? server.format() : LogFormat::kStderr;
  return newest(options.directory, "*" + std::string(extension_of(format)));
}

Status readable(const std::filesystem::path& file) {
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  return fd ? Status{} : Status(errno_error("open " + file.string()));
}

bool is_plan_source(const catalog::Source& source) {
  return source.reader == LoggedPlans::kPlansReader || source.reader == LoggedPlans::kSamplesReader;
}

// The source with that reader; null if a catalog has none.
const catalog::Source* read_by(const catalog::Catalog& catalog, std::string_view reader) {
  const auto found = std::find_if(catalog.sources().begin(), catalog.sources().end(),
                                  [&](const catalog::Source& source) { return source.reader == reader; });
  return found == catalog.sources().end() ? nullptr : &*found;
}

}  // namespace

bool is_log_source(const catalog::Source& source) { return source.reader == kEvents || source.reader == kCounts || is_plan_source(source); }

LogPlace place_of(const LogOptions& options, const ServerLog& server) {
  LogPlace place;
  if (options.from == LogsFrom::kNone) {
    place.why = "logs.from of the target is none";
    return place;
  }
  if (options.directory.empty() && !server.known) {
    place.why = "the server was not reached yet, and the target names no logs.directory";
    return place;
  }
  if (options.directory.empty() && !server.collector) {
    place.why = "logging_collector is off: the server does not know where its log goes";
    place.mend = "name the directory under logs: of the target, or ALTER SYSTEM SET logging_collector = on and restart the server";
    return place;
  }
  if (options.from != LogsFrom::kServer) {
    auto file = current_file(options, server);
    const Status can = file ? readable(*file) : Status(file.error());
    if (can) {
      place.how = LogPlace::How::kFiles;
      place.file = *file;
      place.format = options.format != LogFormat::kUnknown ? options.format : format_of(*file);
      return place;
    }
    place.why = can.error().message;
  }
  if (options.from != LogsFrom::kFiles && options.directory.empty() && (server.may_read || server.has_helper)) {
    place.how = LogPlace::How::kServer;
    place.format = server.format();
    place.why.clear();
    return place;
  }
  const std::string rights =
      "GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean), pg_catalog.pg_ls_logdir() TO the role";
  place.mend = options.from == LogsFrom::kFiles
                   ? "let the collector's user read the log directory and its files (log_file_mode = 0640 and a group)"
                   : "let the collector's user read the files (log_file_mode = 0640 and a group), or " + rights;
  if (place.why.empty()) place.why = "the role may not read the log through the server";
  return place;
}

LogTarget::LogTarget(LogOptions options, SteadyTime beat, std::string name, const wire::Target& target, const catalog::Catalog& catalog,
                     const Intervals& intervals, net::Loop& loop, Outbox& outbox, SelfStats& stats, Clock& clock)
    : options_(std::move(options)),
      beat_(beat),
      name_(std::move(name)),
      target_(target),
      intervals_(intervals),
      loop_(loop),
      outbox_(outbox),
      stats_(stats),
      clock_(clock),
      begun_(clock.steady_now()),
      plans_(read_by(catalog, LoggedPlans::kPlansReader), read_by(catalog, LoggedPlans::kSamplesReader)) {
  for (const catalog::Source& source : catalog.sources()) {
    if (is_log_source(source) && options_.from != LogsFrom::kNone)
      gatherers_.push_back(std::make_unique<Gatherer>(source, "", outbox, stats));
  }
  if (options_.state_file.empty()) return;
  const auto text = read_file(options_.state_file, 16 * kKiB);
  if (!text) return;
  auto position = logs::Position::parse(*text);
  if (position)
    resumed_ = std::move(*position);
  else
    log_warning(name_, options_.state_file.string() + ": " + position.error().message + "; the log is read from its end on");
}

LogTarget::~LogTarget() { keep_position(); }

void LogTarget::note_position(logs::Position position) {
  if (!noted_.empty() && noted_.back().position == position) return;
  if (noted_.size() == kReachedMax) noted_.pop_back();
  noted_.push_back({follower_.added(), plans_.added(), std::move(position)});
}

void LogTarget::keep_position() {
  // What was taken is in a batch that was added by now.
  while (!noted_.empty() && follower_.are_taken(noted_.front().events) && plans_.are_taken(noted_.front().plans)) {
    if (reached_.empty() || !(reached_.back().position == noted_.front().position)) {
      if (reached_.size() == kReachedMax) reached_.pop_back();
      reached_.push_back({outbox_.batches_added(), std::move(noted_.front().position)});
    }
    noted_.pop_front();
  }
  std::optional<logs::Position> durable;
  while (!reached_.empty() && reached_.front().batches <= outbox_.batches_settled()) {
    durable = std::move(reached_.front().position);
    reached_.pop_front();
  }
  if (!durable || options_.state_file.empty() || (resumed_ && *resumed_ == *durable)) return;
  Status made = make_directories(options_.state_file.parent_path());
  if (made) made = write_file_atomic(options_.state_file, durable->to_text(), 0600);
  if (!made) log_warning(name_, made.error().message);
  resumed_ = std::move(durable);
}

// Where to read from now on. What was begun goes on as long as the answer is the same.
void LogTarget::choose() {
  LogPlace place = place_of(options_, server_);
  const bool other = place.how != place_.how || place.format != place_.format;
  const bool turned = follower_.begun();  // from one format to another
  place_ = std::move(place);
  if (place_.how == LogPlace::How::kNowhere || (!other && follower_.begun())) return;
  const std::string& prefix = options_.prefix.empty() && server_.known ? server_.prefix : options_.prefix;
  follower_.begin(place_.format, prefix.empty() ? "%m [%p] " : prefix, server_.zone_offset_us);
  if (place_.how == LogPlace::How::kFiles) {
    tail_ = std::make_unique<logs::FileTail>([this] {
      auto file = current_file(options_, server_);
      if (!file) ask_again_ = true;
      return file;
    });
    if (turned)
      tail_->from_beginning();
    else if (resumed_ && resumed_->inode != 0)
      tail_->resume(*resumed_);
    static_cast<void>(tail_->begin());  // what keeps it from that is told by the first reading
    log_info(name_, "follows the log " + place_.file.string());
  } else {
    tail_.reset();
    if (resumed_ && resumed_->inode == 0) server_tail_.resume(*resumed_);
    log_info(name_, "reads the log over the connection");
  }
}

// Not while a worker reads.
void LogTarget::forget_plans_of_other() {
  if (std::exchange(is_other_, false)) plans_.forget();
}

net::Task<> LogTarget::tend(pg::Connection& connection) {
  if (gatherers_.empty()) co_return;
  const SteadyTime now = clock_.steady_now();
  if (!server_.known || now - asked_at_ > kAskAgain || ask_again_.exchange(false)) {
    ServerLog server = server_;
    auto learned = co_await learn(connection, now + kTendTimeout, server);
    ++stats_.statements;
    if (!learned) {
      failure_ = learned.error().message;
      co_return;
    }
    asked_at_ = now;
    std::from_chars(target_.system_identifier.data(), target_.system_identifier.data() + target_.system_identifier.size(),
                    server.system_identifier);
    const bool at_rest = co_await files_at_rest();
    if (!at_rest) co_return;
    server_ = std::move(server);
    choose();
  }
  if (place_.how != LogPlace::How::kServer) co_return;
  forget_plans_of_other();
  bool any = false;
  const auto feed = [&](std::string_view bytes, bool other_file) {
    if (other_file) follower_.cut();
    any = any || !bytes.empty();
    follower_.feed(bytes);
  };
  auto read = co_await server_tail_.read(connection, server_, now + kTendTimeout, feed);
  stats_.statements += 2;
  failure_ = read ? "" : read.error().message;
  if (read && !any) follower_.settle();
  note_position(server_tail_.position(follower_.open_bytes()));
}

Reading LogTarget::read_files(const catalog::Source& source) {
  std::string failed;
  std::size_t total = 0;
  while (total < kReadBytesMax) {
    const auto piece = tail_->read();
    if (!piece) {
      failed = piece.error().message;
      break;
    }
    if (piece->other_file) follower_.cut();
    if (piece->lost_bytes != 0) follower_.lost(piece->lost_bytes);
    follower_.feed(piece->bytes);
    total += piece->bytes.size();
    if (piece->bytes.empty()) break;
  }
  if (total == 0) follower_.settle();
  Reading reading = follower_.take_events(source);
  if (!failed.empty() && reading.cells.rows == 0) return Reading::failed(wire::Outcome::kAbsent, failed);
  return reading;
}

net::Task<> LogTarget::read(Gatherer& gatherer) {
  const catalog::Source& source = gatherer.source();
  const Outbox::Expecting expecting(outbox_);
  const std::int64_t started_us = to_micros(clock_.now());
  const SteadyTime started = clock_.steady_now();
  Reading reading;
  keep_position();
  forget_plans_of_other();
  if (place_.how == LogPlace::How::kNowhere && knows_where()) choose();
  if (place_.how == LogPlace::How::kNowhere) {
    // Until somebody could have connected, nothing is wrong.
    SteadyTime& told = told_nowhere_.try_emplace(&gatherer, knows_where() ? SteadyTime{} : begun_).first->second;
    if (started - told < kNowhereInterval) co_return;
    told = started;
    if (place_.why.empty()) place_.why = place_of(options_, server_).why;
    reading = Reading::failed(knows_where() ? wire::Outcome::kAbsent : wire::Outcome::kUnreachable, place_.why);
  } else if (source.reader == kCounts) {
    reading = follower_.counts(source);
  } else if (place_.how == LogPlace::How::kServer && !failure_.empty()) {
    reading = Reading::failed(wire::Outcome::kError, failure_);
  } else if (is_plan_source(source)) {
    reading = take(source, started_us);
    if (!file_failure_.empty() && reading.cells.rows == 0) reading = Reading::failed(wire::Outcome::kAbsent, file_failure_);
  } else if (place_.how == LogPlace::How::kServer) {
    reading = take(source, started_us);
  } else {
    files_read_ = true;
    reading = co_await loop_.run_blocking([&] { return read_files(source); });
    files_read_ = false;
    file_failure_ = reading.outcome == wire::Outcome::kAbsent ? reading.detail : "";
    if (reading.has_rows()) note_position(tail_->position(follower_.open_bytes()));
  }
  reading.started_us = started_us;
  reading.duration_us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(clock_.steady_now() - started).count());
  gatherer.add(target_, std::move(reading));
}

Reading LogTarget::take(const catalog::Source& source, std::int64_t now_us) {
  return is_plan_source(source) ? plans_.take(source, now_us) : follower_.take_events(source);
}

// Whether no worker is using the follower (any more).
net::Task<bool> LogTarget::files_at_rest() {
  while (files_read_) {
    const Status slept = co_await loop_.sleep(std::chrono::milliseconds{5});
    if (!slept) co_return false;
  }
  co_return true;
}

net::Task<> LogTarget::hand_over() {
  const bool at_rest = co_await files_at_rest();
  if (!at_rest) co_return;
  const std::int64_t now_us = to_micros(clock_.now());
  for (const auto& gatherer : gatherers_) {
    if (gatherer->source().reader == kCounts) continue;
    Reading reading = take(gatherer->source(), now_us);
    reading.started_us = now_us;
    if (reading.cells.rows != 0) gatherer->add(target_, std::move(reading));
  }
}

net::Task<> LogTarget::read_once() {
  for (const auto& gatherer : gatherers_) co_await read(*gatherer);
}

net::Task<> LogTarget::run() {
  Schedule schedule(beat_);
  std::uint64_t intervals_seen = intervals_.version();
  for (const auto& gatherer : gatherers_) schedule.add(intervals_.of(gatherer->source()), clock_.steady_now());
  while (!outbox_.closed() && !loop_.stopping() && !schedule.empty()) {
    if (intervals_seen != intervals_.version()) {
      intervals_seen = intervals_.version();
      for (std::size_t i = 0; i < gatherers_.size(); ++i)
        schedule.set_interval(i, intervals_.of(gatherers_[i]->source()), clock_.steady_now());
    }
    const Schedule::Due due = schedule.next();
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(due.at - clock_.steady_now());
    if (pause.count() > 0) {
      const Status slept = co_await loop_.sleep(pause);
      if (!slept || outbox_.closed()) break;
    }
    co_await read(*gatherers_[due.entry]);
    schedule.done(due.entry, clock_.steady_now());
  }
}

}  // namespace pga::collect
