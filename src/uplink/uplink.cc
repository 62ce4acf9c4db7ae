#include "uplink/uplink.h"

#include <algorithm>

#include "base/files.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/planted.h"
#include "base/text.h"
#include "uplink/answers_internal.h"
#include "wire/json_twin.h"

namespace pga::uplink {
namespace {

namespace json = boost::json;

constexpr std::size_t kPushesRemembered = 4'096;
constexpr std::chrono::seconds kIdleWait{30};
constexpr std::size_t kSmallFrameBytes = 32 * kKiB;  // decoded and encoded in less time than it takes to wake a worker
constexpr std::chrono::hours kBinaryAgain{1};
constexpr std::string_view kBinaryType = "application/vnd.pganalytics.frame";
constexpr std::string_view kJsonType = "application/json";

std::uint64_t files_in(const std::filesystem::path& directory) {
  std::error_code error;
  std::uint64_t files = 0;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) ++files;
  return files;
}

}  // namespace

Uplink::Uplink(UplinkOptions options, Transport& transport, net::Loop& loop, journal::Journal& spool, net::Event& filled,
               const Clock& clock, Random& random)
    : options_(std::move(options)),
      transport_(transport),
      loop_(loop),
      spool_(spool),
      filled_(filled),
      clock_(clock),
      backoff_(options_.retry, random),
      lanes_(spool),
      json_(options_.json) {
  quarantined_before_ = files_in(options_.state_dir / "quarantine");
}

Uplink::~Uplink() = default;

UplinkStats Uplink::stats() const {
  UplinkStats stats = stats_;
  stats.catching_up = lanes_.catching_up();
  if (!push_ms_.empty()) {
    std::vector<double> sorted(push_ms_.begin(), push_ms_.end());
    std::sort(sorted.begin(), sorted.end());
    stats.push_ms_p50 = sorted[sorted.size() / 2];
    stats.push_ms_p99 = sorted[std::min(sorted.size() - 1, sorted.size() * 99 / 100)];
  }
  return stats;
}

void Uplink::set_json(bool json) {
  if (json != json_) log_info("uplink", json ? "frames are sent as JSON from now on" : "frames are sent in binary from now on");
  json_ = json;
  binary_again_at_ = {};
}

void Uplink::set_state(std::string state) {
  if (state == stats_.state) return;
  log_info("uplink", state);
  stats_.state = std::move(state);
}

net::Task<> Uplink::run() {
  while (!loop_.stopping()) {
    filled_.reset();
    auto pick = lanes_.next(clock_.steady_now());
    if (!pick) {
      set_state("cannot read the spool: " + pick.error().message);
      const Status slept = co_await loop_.sleep(backoff_.next());
      if (!slept) break;
      continue;
    }
    if (!pick->record) {
      // Nothing to send: keep certificate and token fresh all the same, so that the next push does not wait for them.
      if (was_ready_ && !pick->backlog) static_cast<void>(co_await transport_.ready());
      static_cast<void>(co_await filled_.wait(std::min(clock_.steady_now() + kIdleWait, pick->wait_until)));
      continue;
    }
    const auto pause = co_await send(*pick);
    if (!pause) continue;
    const Status slept = co_await loop_.sleep(*pause);
    if (!slept) break;
  }
}

net::Task<std::optional<std::chrono::microseconds>> Uplink::send(const Lanes::Pick& pick) {
  const SteadyTime begun = clock_.steady_now();
  if (auto is_ready = co_await transport_.ready(); !is_ready) {
    ++stats_.push_failures;
    set_state("not connected: " + is_ready.error().message);
    co_return backoff_.next();
  }
  was_ready_ = true;
  const Pushed pushed = co_await push_with_answers(*pick.record);
  if (pushed.verdict != Verdict::kAcknowledged && pushed.verdict != Verdict::kRefused) {
    ++stats_.push_failures;
    set_state("frame " + std::to_string(pick.record->id.index) + " will be sent again: " + pushed.why);
    co_return backoff_.next(pushed.retry_after);
  }
  if (auto settled = co_await settle(*pick.record, pushed); !settled) {
    log_error("spool", settled.error().message);
    co_return backoff_.next();
  }
  backoff_.succeeded();
  if (pick.backlog) lanes_.backlog_sent(clock_.steady_now(), clock_.steady_now() - begun);
  if (pushed.verdict == Verdict::kAcknowledged) {
    set_state(lanes_.catching_up() ? "connected to " + transport_.peer() + ", sending what waited" : "connected to " + transport_.peer());
  }
  co_return std::nullopt;
}

net::Task<Status> Uplink::settle(const journal::Record& record, const Pushed& pushed) {
  const bool acknowledged = pushed.verdict == Verdict::kAcknowledged;
  if (!acknowledged) quarantine(record, pushed.why);
  const Status forgotten = co_await loop_.run_blocking([&]() -> Status {
    if (options_.on_acknowledged && acknowledged) PGA_TRY_STATUS(options_.on_acknowledged(record));
    if (!acknowledged) return spool_.give_up(record.id.index);
    if (planted("acknowledge-all-before")) return spool_.acknowledge(record.id.index);
    return spool_.acknowledge_one(record.id.index);
  });
  PGA_CO_TRY_STATUS(forgotten);
  if (acknowledged) {
    ++stats_.frames_acknowledged;
    stats_.rows_acknowledged += pushed.rows;
    stats_.bytes_sent += pushed.bytes;
  }
  co_return Status{};
}

net::Task<bool> Uplink::drain(Deadline deadline) {
  lanes_.hurry();
  filled_.set();
  while (clock_.steady_now() < deadline) {
    if (spool_.acknowledged_index() >= spool_.last_index()) co_return true;
    // g++ 12.2 resumes a wrong frame when the awaited Status is a temporary of this condition.
    const Status slept = co_await loop_.sleep(std::chrono::milliseconds{50});
    if (!slept) break;
  }
  co_return spool_.acknowledged_index() >= spool_.last_index();
}

net::Task<Uplink::Pushed> Uplink::push_with_answers(const journal::Record& record) {
  Pushed pushed = co_await push(record);
  if (pushed.verdict == Verdict::kJsonWanted) {
    log_warning("uplink", "the server takes no binary frames: they are sent as JSON, and binary is tried again in an hour");
    binary_again_at_ = clock_.steady_now() + kBinaryAgain;
    pushed = co_await push(record);
  }
  if (pushed.verdict == Verdict::kDictionaryWanted) pushed = co_await push(record);  // push() has forgotten the dictionary
  co_return pushed;
}

// The spool keeps frames that stand alone; on the way the stream's dictionary makes them shorter.
Result<std::string> Uplink::body_of(const journal::Record& record, bool json) {
  auto frame = decoder_.decode(record.payload);
  if (!frame) return frame.error().with_context("the spool's frame cannot be read");
  if (json) return wire::to_json(*frame);
  const auto bytes = encoder_.encode(*frame, dictionary_);
  return std::string(bytes ? as_text(*bytes) : as_text(record.payload));
}

Uplink::Verdict Uplink::verdict_of(int status, bool json) {
  switch (status) {
    case 409:
      return Verdict::kDictionaryWanted;
    case 415:
      return json ? Verdict::kRefused : Verdict::kJsonWanted;
    case 400:
    case 413:
    case 422:
      return Verdict::kRefused;
    default:
      return Verdict::kAgain;  // 401 after a new token and 403: revoked perhaps, and perhaps not for ever; the frame stays in the spool
  }
}

net::Task<Uplink::Pushed> Uplink::push(const journal::Record& record) {
  Pushed pushed;
  const bool json = sends_json();
  Result<std::string> body = std::string();
  if (record.payload.size() <= kSmallFrameBytes)
    body = body_of(record, json);
  else
    body = co_await loop_.run_blocking([&] { return body_of(record, json); });
  if (!body) co_return Pushed{Verdict::kRefused, body.error().message, 0, 0, std::nullopt};
  pushed.bytes = body->size();
  const SteadyTime started = clock_.steady_now();
  auto response = co_await transport_.post("/v1/frames", std::string(json ? kJsonType : kBinaryType), std::move(*body));
  const bool ok = response && response->status == 200;
  const auto answer = ok ? parse_answer(response->body) : Result<json::value>(unavailable("no answer"));
  // What the server has is certain only if it says so.
  const auto dictionary = answer ? text_member(*answer, "dictionary") : Result<std::string>(answer.error());
  const bool known = dictionary && *dictionary == to_hex(dictionary_.state());
  if (!json && !known && !planted("keep-dictionary")) dictionary_.reset();
  if (planted("acknowledge-unanswered")) pushed.verdict = Verdict::kAcknowledged;
  if (!response) {
    pushed.why = response.error().message;
    co_return pushed;
  }
  if (!ok) {
    pushed.why = problem(*response);
    pushed.retry_after = retry_after(*response);
    pushed.verdict = planted("acknowledge-any-status") ? Verdict::kAcknowledged : verdict_of(response->status, json);
    co_return pushed;
  }
  if (options_.on_configuration && answer) {
    if (const auto version = number_member(*answer, "configuration")) options_.on_configuration(*version);
  }
  const auto rows = answer ? number_member(*answer, "rows") : Result<std::uint64_t>(answer.error());
  if (!rows) {
    pushed.why = rows.error().message;  // not our server: what it says it took may be gone
    co_return pushed;
  }
  push_ms_.push_back(std::chrono::duration<double, std::milli>(clock_.steady_now() - started).count());
  if (push_ms_.size() > kPushesRemembered) push_ms_.pop_front();
  pushed.verdict = Verdict::kAcknowledged;
  pushed.rows = *rows;
  co_return pushed;
}

void Uplink::quarantine(const journal::Record& record, const std::string& why) {
  const std::uint64_t number = ++stats_.frames_quarantined;
  log_error("uplink", "frame " + std::to_string(record.id.index) + " was refused for good and put into quarantine: " + why);
  if (number + quarantined_before_ > options_.quarantine_max) return;
  const auto directory = options_.state_dir / "quarantine";
  const auto file = directory / (std::to_string(record.id.index) + ".frame");
  auto kept = make_directories(directory);
  if (kept) kept = write_file_atomic(file, as_text(record.payload));
  if (!kept) log_error("uplink", kept.error().message);
}

}  // namespace pga::uplink
