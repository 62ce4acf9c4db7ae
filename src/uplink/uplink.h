// Sends the spool's frames to the server, one at a time, until each is acknowledged: the newest first, the backlog behind.
#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "journal/journal.h"
#include "net/loop.h"
#include "net/retry.h"
#include "uplink/lanes.h"
#include "uplink/transport.h"
#include "wire/codec.h"

namespace pga::uplink {

struct UplinkOptions {
  std::filesystem::path state_dir;  // quarantine/ is in it
  bool json = false;                // send the JSON twin from the start
  net::RetryOptions retry{std::chrono::milliseconds{500}, std::chrono::milliseconds{30'000}};
  // Called on a worker with each acknowledged frame before the spool forgets it; if it fails, the frame is sent again.
  std::function<Status(const journal::Record&)> on_acknowledged = {};
  // Called with the version of the configuration that an answer names.
  std::function<void(std::uint64_t)> on_configuration = {};
  std::size_t quarantine_max = 1'000;  // files; beyond, refused frames are only counted
};

struct UplinkStats {
  std::uint64_t frames_acknowledged = 0;
  std::uint64_t rows_acknowledged = 0;
  std::uint64_t bytes_sent = 0;     // bodies of acknowledged frames
  std::uint64_t push_failures = 0;  // pushes that were tried again
  std::uint64_t frames_quarantined = 0;
  std::string state = "starting";  // a sentence for status.json
  bool catching_up = false;        // a backlog is being sent
  double push_ms_p50 = 0;          // of the last pushes, 0 if none
  double push_ms_p99 = 0;
};

class Uplink {
 public:
  // All outlive run(). `filled` is set whenever the spool got a record.
  Uplink(UplinkOptions options, Transport& transport, net::Loop& loop, journal::Journal& spool, net::Event& filled, const Clock& clock,
         Random& random);
  ~Uplink();

  net::Task<> run();                         // until the loop stops
  net::Task<bool> drain(Deadline deadline);  // true once the spool is empty; run() goes on sending meanwhile
  [[nodiscard]] UplinkStats stats() const;
  void set_json(bool json);  // which spelling the next frame has

 private:
  enum class Verdict : std::uint8_t { kAcknowledged, kRefused, kAgain, kDictionaryWanted, kJsonWanted };
  struct Pushed {
    Verdict verdict = Verdict::kAgain;
    std::string why;
    std::uint64_t rows = 0;
    std::size_t bytes = 0;  // of the body
    std::optional<std::chrono::seconds> retry_after;
  };

  // What is to be waited for before the next frame; nothing: no wait.
  net::Task<std::optional<std::chrono::microseconds>> send(const Lanes::Pick& pick);
  net::Task<Status> settle(const journal::Record& record, const Pushed& pushed);
  net::Task<Pushed> push_with_answers(const journal::Record& record);  // pushes again where the answer says how
  net::Task<Pushed> push(const journal::Record& record);
  [[nodiscard]] bool sends_json() const { return json_ || clock_.steady_now() < binary_again_at_; }
  Result<std::string> body_of(const journal::Record& record, bool json);  // blocking
  static Verdict verdict_of(int status, bool json);
  void quarantine(const journal::Record& record, const std::string& why);
  void set_state(std::string state);

  const UplinkOptions options_;
  Transport& transport_;
  net::Loop& loop_;
  journal::Journal& spool_;
  net::Event& filled_;
  const Clock& clock_;
  net::Backoff backoff_;
  Lanes lanes_;
  bool was_ready_ = false;
  std::uint64_t quarantined_before_ = 0;  // files that earlier runs left in quarantine/
  wire::Decoder decoder_;                 // of the spool's frames
  wire::Encoder encoder_;
  wire::SenderDictionary dictionary_;  // what the server has of this stream
  bool json_;
  SteadyTime binary_again_at_{};  // after a server that takes only JSON
  UplinkStats stats_;
  std::deque<double> push_ms_;
};

}  // namespace pga::uplink
