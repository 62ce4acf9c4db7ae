#include "uplink/configuration_pull.h"

#include <boost/json.hpp>

#include "base/files.h"
#include "base/limits.h"
#include "base/log.h"
#include "uplink/answers_internal.h"

namespace pga::uplink {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = 256 * kKiB;
constexpr net::RetryOptions kAgain{std::chrono::seconds{2}, std::chrono::minutes{5}};

std::filesystem::path file_in(const std::filesystem::path& state_dir) { return state_dir / "configuration.json"; }

}  // namespace

ConfigurationPull::ConfigurationPull(std::filesystem::path state_dir, Transport& transport, net::Loop& loop, Random& random, Apply apply)
    : state_dir_(std::move(state_dir)),
      transport_(transport),
      loop_(loop),
      apply_(std::move(apply)),
      backoff_(kAgain, random),
      changed_(loop) {}

void ConfigurationPull::restore() {
  const auto text = read_file(file_in(state_dir_), kFileBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return;
  const auto work = [&]() -> Status {
    if (!text) return text.error();
    PGA_TRY(const json::value kept, parse_answer(*text));
    PGA_TRY(const std::uint64_t version, number_member(kept, "version"));
    PGA_TRY(const std::string yaml, text_member(kept, "yaml"));
    PGA_TRY_STATUS(apply_(yaml));
    wanted_ = seen_ = in_force_ = version;
    return {};
  };
  if (const Status restored = work(); !restored)
    log_warning("configuration", file_in(state_dir_).string() + " is set aside, the server is asked again: " + restored.error().message);
}

void ConfigurationPull::announced(std::uint64_t version) {
  if (version == wanted_) return;
  wanted_ = version;
  changed_.set();
}

net::Task<> ConfigurationPull::run() {
  while (!loop_.stopping()) {
    changed_.reset();
    if (wanted_ == seen_ && told_) {
      const Status changed = co_await changed_.wait(Deadline::max());
      if (!changed) break;
      continue;
    }
    const Status synced = co_await sync();
    if (synced) {
      backoff_.succeeded();
      failure_.clear();
      continue;
    }
    if (failure_ != synced.error().message) log_warning("configuration", "it stays as it is: " + synced.error().message);
    failure_ = synced.error().message;
    const Status slept = co_await loop_.sleep(backoff_.next());
    if (!slept) break;
  }
}

net::Task<Status> ConfigurationPull::sync() {
  const json::object body = {{"version", seen_}, {"refused", refused_.empty() ? json::value(nullptr) : json::value(refused_)}};
  PGA_CO_TRY(const net::Response response, co_await transport_.post("/v1/configuration", "application/json", json::serialize(body)));
  if (response.status != 200) co_return unavailable("the server gave no configuration, " + problem(response));
  PGA_CO_TRY(const json::value answer, parse_answer(response.body));
  PGA_CO_TRY(const std::uint64_t version, number_member(answer, "version"));
  if (version == seen_) {
    wanted_ = version;
    told_ = true;
    co_return Status{};
  }
  PGA_CO_TRY(const std::string yaml, text_member(answer, "yaml"));
  take(version, yaml);
  co_return Status{};
}

void ConfigurationPull::take(std::uint64_t version, const std::string& yaml) {
  wanted_ = seen_ = version;
  told_ = false;
  refused_.clear();
  if (const Status applied = apply_(yaml); !applied) {
    refused_ = applied.error().message;
    log_error("configuration", "version " + std::to_string(version) + " of the server is refused as a whole: " + refused_);
    return;
  }
  in_force_ = version;
  log_info("configuration", "version " + std::to_string(version) + " of the server is in force");
  const json::object kept = {{"version", version}, {"yaml", yaml}};
  auto written = write_file_atomic(file_in(state_dir_), json::serialize(kept), 0600);
  if (!written) log_warning("configuration", "it is asked for again after a restart: " + written.error().message);
}

}  // namespace pga::uplink
