#include "ingest/registry.h"

#include <algorithm>

#include "base/log.h"

namespace pga::ingest {

void SkewEstimate::add(std::int64_t sent_us, WallTime received) {
  if (received - since_ >= kSkewWindow) {
    previous_ = received - since_ < 2 * kSkewWindow ? current_ : kNone;
    current_ = kNone;
    since_ = received;
  }
  current_ = std::max(current_, sent_us - to_micros(received));
}

std::string why_refused(const directory::Collector& collector) {
  if (collector.locked) return "locked: " + *collector.locked + "; pganalytics-server collector unlock " + collector.uuid + " ends that";
  if (collector.waits_for_approval) return "to be approved by a person: pganalytics-server collector approve " + collector.uuid;
  return "";
}

std::string Registry::uri(const directory::Collector& collector) const {
  return "spiffe://" + authority_ + "/tenant/" + std::to_string(collector.tenant.value) + "/collector/" + collector.uuid;
}

net::Task<Result<directory::Collector>> Registry::identify(const net::PeerCertificate& peer) {
  const auto slash = peer.uri.rfind('/');
  const std::string uuid = slash == std::string::npos ? "" : peer.uri.substr(slash + 1);
  if (!collectors_.contains(uuid) && clock_.steady_now() - loaded_ > std::chrono::seconds(1)) {
    PGA_CO_TRY_STATUS(co_await reload());  // enrolled through another process a moment ago
  }
  const auto found = collectors_.find(uuid);
  if (found == collectors_.end() || uri(found->second) != peer.uri) {
    co_return Error{ErrorCode::kUnauthorized, "the certificate belongs to no collector of this server"};
  }
  directory::Collector collector = found->second;
  if (collector.revoked) co_return Error{ErrorCode::kForbidden, "collector " + collector.name + " was revoked"};
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.now().time_since_epoch()).count();
  if (peer.not_after <= now) co_return Error{ErrorCode::kForbidden, "the certificate of collector " + collector.name + " has expired"};
  PGA_CO_TRY_STATUS(co_await check_generation(collector, peer));
  co_return collector;
}

net::Task<Status> Registry::check_generation(directory::Collector& collector, const net::PeerCertificate& peer) {
  const auto refused = [&] { return Error{ErrorCode::kForbidden, "collector " + collector.name + " is " + why_refused(collector)}; };
  if (!why_refused(collector).empty()) co_return refused();
  if (peer.serial == collector.certificate_serial) {
    if (collector.certificate_used) co_return Status();
    collector.certificate_used = clock_.now();
    put(collector);
    co_return co_await loop_.run_blocking([this, id = collector.id] { return fleet_.note_certificate_used(id); });
  }
  if (peer.serial != collector.previous_serial) {  // older still, or never given out by us
    co_return Error{ErrorCode::kForbidden,
                    "the certificate of collector " + collector.name + " was replaced; is its state directory used twice?"};
  }
  const bool answer_may_be_lost = !collector.certificate_used || clock_.now() - *collector.certificate_used < kReplacedGrace;
  if (answer_may_be_lost) co_return Status();
  collector.locked = "the certificate before generation " + std::to_string(collector.generation) +
                     " came back, so its state directory is used twice or was restored from a copy";
  put(collector);
  PGA_CO_TRY_STATUS(co_await loop_.run_blocking([this, &collector] { return fleet_.lock(collector.id, *collector.locked); }));
  co_return refused();
}

void Registry::put(const directory::Collector& collector) {
  directory::Collector& known = collectors_.try_emplace(collector.uuid, collector).first->second;
  const bool revoked = known.revoked || collector.revoked;  // only a reload may say that it is not
  const bool waits = known.waits_for_approval;              // the same
  known = collector;
  known.revoked = revoked;
  known.waits_for_approval = waits;
  puts_[collector.uuid] = {++put_count_, known};
}

directory::CollectorActivity& Registry::activity(const directory::Collector& collector) {
  directory::CollectorActivity& a = activity_[collector.id];
  a.collector = collector.id;
  return a;
}

void Registry::note_accepted(const directory::Collector& collector, std::uint64_t rows, std::int64_t sent_us, const std::string& version) {
  SkewEstimate& skew = skew_[collector.id];
  skew.add(sent_us, clock_.now());
  directory::CollectorActivity& a = activity(collector);
  ++a.frames;
  a.rows += static_cast<std::int64_t>(rows);
  a.last_seen = clock_.now();
  a.clock_skew = skew.value();
  if (!version.empty()) a.version = version;
}

net::Task<Result<directory::CollectorConfiguration>> Registry::sync_configuration(const directory::Collector& collector, std::int64_t seen,
                                                                                  const std::optional<std::string>& refused) {
  const bool news = seen != collector.configuration_seen || refused != collector.configuration_refused;
  auto wanted = co_await loop_.run_blocking([&]() -> Result<directory::CollectorConfiguration> {
    if (news) PGA_TRY_STATUS(fleet_.note_configuration(collector.id, seen, refused));
    return fleet_.wanted_configuration(collector.id);
  });
  const auto known = collectors_.find(collector.uuid);
  if (wanted && known != collectors_.end()) {
    known->second.configuration = wanted->version;
    known->second.configuration_seen = seen;
    known->second.configuration_refused = refused;
  }
  if (news && refused)
    log_warning("ingest", "collector " + collector.name + " refuses configuration " + std::to_string(seen) + ": " + *refused);
  co_return wanted;
}

net::Task<Status> Registry::reload() {
  const std::uint64_t before = put_count_;
  ++reloads_;
  const auto all = co_await loop_.run_blocking([this] { return fleet_.collectors(); });
  --reloads_;
  if (!all) co_return all.error();
  collectors_.clear();
  for (const auto& collector : *all) collectors_.emplace(collector.uuid, collector);
  for (const auto& [uuid, put] : puts_) {
    if (put.number <= before) continue;
    const auto read = collectors_.try_emplace(uuid, put.collector).first;
    const bool revoked = read->second.revoked;
    const bool waits = read->second.waits_for_approval;
    const auto locked = read->second.locked;
    read->second = put.collector;
    read->second.revoked = revoked;
    read->second.waits_for_approval = waits;
    if (locked) read->second.locked = locked;
  }
  if (reloads_ == 0) puts_.clear();
  loaded_ = clock_.steady_now();
  co_return Status();
}

net::Task<Status> Registry::write_activity() {
  if (activity_.empty()) co_return Status();
  std::vector<directory::CollectorActivity> batch;
  for (const auto& [id, a] : activity_) batch.push_back(a);
  activity_.clear();
  const Status written = co_await loop_.run_blocking([this, &batch] { return fleet_.record_activity(batch); });
  if (!written) {
    for (const directory::CollectorActivity& failed : batch) put_back(failed);
  }
  co_return written;
}

void Registry::put_back(const directory::CollectorActivity& failed) {
  directory::CollectorActivity& a = activity_[failed.collector];
  a.collector = failed.collector;
  a.frames += failed.frames;
  a.rows += failed.rows;
  a.duplicates += failed.duplicates;
  a.refused += failed.refused;
  if (!a.last_seen) a.last_seen = failed.last_seen;
  if (!a.clock_skew) a.clock_skew = failed.clock_skew;
  if (a.version.empty()) a.version = failed.version;
}

net::Task<> Registry::run() {
  for (bool going = true; going;) {
    const Status slept = co_await loop_.sleep(kActivityNotedEvery);
    going = slept.has_value();
    if (const Status written = co_await write_activity(); !written) log_warning("ingest", "collectors' totals: " + written.error().message);
    if (going && clock_.steady_now() - loaded_ >= kRegistryAgeMax - kActivityNotedEvery) {
      if (const Status loaded = co_await reload(); !loaded) log_warning("ingest", "collectors: " + loaded.error().message);
    }
  }
}

}  // namespace pga::ingest
