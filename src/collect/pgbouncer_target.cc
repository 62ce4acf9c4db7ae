#include "collect/pgbouncer_target.h"

#include <algorithm>

#include "base/log.h"
#include "collect/schedule.h"
#include "collect/show_reader.h"
#include "net/retry.h"

namespace pga::collect {
namespace {

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::chrono::seconds kIdentityTimeout{5};
constexpr std::chrono::seconds kUnreachableInterval{10};  // an unreachable pooler is not reported every second
constexpr std::chrono::milliseconds kNap{250};            // while there is no connection

}  // namespace

net::Task<pg::Answer<std::string>> pgbouncer_version(pg::Connection& connection, Deadline deadline) {
  auto rows = co_await connection.query("SHOW VERSION", deadline);
  if (!rows) co_return tl::unexpected(std::move(rows).error());
  const std::string version(rows->size() == 1 && rows->columns() == 1 ? rows->at(0, 0).value_or("") : "");  // "PgBouncer 1.18.0"
  constexpr std::string_view kName = "PgBouncer ";
  if (!version.starts_with(kName))
    co_return tl::unexpected(
        pg::Failure{"", "this is no console of a PgBouncer: it answers \"" + version + "\" to SHOW VERSION", true, false});
  co_return version.substr(kName.size());
}

PgbouncerTarget::PgbouncerTarget(PgbouncerTargetOptions options, const catalog::Catalog& catalog, const Intervals& intervals,
                                 net::Loop& loop, Outbox& outbox, SelfStats& stats, Clock& clock, Random& random)
    : options_(std::move(options)), intervals_(intervals), loop_(loop), outbox_(outbox), stats_(stats), clock_(clock), random_(random) {
  target_.kind = "pgbouncer";
  target_.name = options_.name;
  for (const catalog::Source& source : catalog.sources()) {
    if (source.scope == catalog::Scope::kPooler) items_.push_back({Gatherer(source, "", outbox, stats), {}});
  }
}

net::Task<pg::Answer<void>> PgbouncerTarget::connect() {
  pg::ConnectOptions options = options_.connect;
  auto made = co_await pg::Connection::connect_console(loop_, std::move(options), clock_.steady_now() + kConnectTimeout);
  if (!made) co_return tl::unexpected(std::move(made).error());
  auto version = co_await pgbouncer_version(**made, clock_.steady_now() + kIdentityTimeout);
  stats_.count_statements(target_, 1, 0);
  if (!version) co_return tl::unexpected(std::move(version).error());
  target_.version = std::move(*version);
  connection_ = std::move(*made);
  // A console does not say since when its pooler runs. A restart has closed the connection before, so whenever it is new the counters may
  // have begun from zero, and by now be higher than they were: one interval is not known, none is wrong.
  for (Item& item : items_) item.gatherer.forget(false);
  co_return pg::Answer<void>{};
}

net::Task<> PgbouncerTarget::read(Item& item) {
  const Outbox::Expecting expecting(outbox_);
  Reading reading = co_await read_show(item.gatherer.source(), *connection_, clock_);
  stats_.count_statements(target_, 1, reading.duration_us);
  item.gatherer.add(target_, std::move(reading));
  if (!connection_->alive()) connection_.reset();
}

void PgbouncerTarget::unreachable(Item& item, const std::string& why) {
  const SteadyTime now = clock_.steady_now();
  if (now - item.unreachable_at < kUnreachableInterval) return;
  item.unreachable_at = now;
  Reading reading = Reading::failed(wire::Outcome::kUnreachable, why);
  reading.started_us = to_micros(clock_.now());
  item.gatherer.add(target_, std::move(reading));
}

net::Task<> PgbouncerTarget::run() {
  net::Backoff backoff({std::chrono::milliseconds{500}, std::chrono::milliseconds{15'000}}, random_);
  Schedule schedule(options_.beat);
  std::uint64_t intervals_seen = intervals_.version();
  for (const Item& item : items_) schedule.add(intervals_.of(item.gatherer.source()), clock_.steady_now());
  SteadyTime connect_again{};
  std::string failure;
  while (!outbox_.closed() && !loop_.stopping() && !schedule.empty()) {
    if (!connection_ && clock_.steady_now() >= connect_again) {
      auto connected = co_await connect();
      if (connected) {
        if (!failure.empty()) log_info(options_.name, "connected again");
        failure.clear();
        backoff.succeeded();
      } else {
        if (failure != connected.error().message) log_warning(options_.name, connected.error().message);
        failure = connected.error().message;
        connect_again = clock_.steady_now() + backoff.next();
      }
    }
    if (intervals_seen != intervals_.version()) {
      intervals_seen = intervals_.version();
      for (std::size_t i = 0; i < items_.size(); ++i)
        schedule.set_interval(i, intervals_.of(items_[i].gatherer.source()), clock_.steady_now());
    }
    const Schedule::Due due = schedule.next();
    const auto pause = std::chrono::duration_cast<std::chrono::microseconds>(due.at - clock_.steady_now());
    if (pause.count() > 0) {
      const auto nap = connection_ ? pause : std::min<std::chrono::microseconds>(pause, kNap);
      const Status slept = co_await loop_.sleep(nap);
      if (!slept) break;
      if (nap < pause || outbox_.closed()) continue;
    }
    if (connection_) {
      co_await read(items_[due.entry]);
    } else {
      unreachable(items_[due.entry], failure);
    }
    schedule.done(due.entry, clock_.steady_now());
    if (outbox_.is_full()) static_cast<void>(co_await outbox_.flush());
  }
  connection_.reset();
}

net::Task<bool> PgbouncerTarget::read_once() {
  if (!connection_) {
    auto connected = co_await connect();
    if (!connected) {
      log_error(options_.name, connected.error().message);
      for (Item& item : items_) unreachable(item, connected.error().message);
      co_return false;
    }
  }
  for (Item& item : items_) {
    if (connection_) co_await read(item);
  }
  co_return true;
}

}  // namespace pga::collect
