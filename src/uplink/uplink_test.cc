#include "uplink/uplink.h"

#include <doctest/doctest.h>

#include <map>

#include "base/log.h"
#include "base/temporary_folder_for_test.h"
#include "journal/memory_disk.h"

namespace pga::uplink {
namespace {

// Answers each frame with a status, the first one with `refusal`, and stops the loop when the spool is empty.
struct Server final : Transport {
  explicit Server(net::Loop& on) : loop(on) {}
  net::Task<Status> ready() override { co_return Status{}; }
  net::Task<Result<net::Response>> post(std::string, std::string, std::string) override {
    net::Response response;
    response.status = posts++ == 0 ? refusal : 200;
    response.body = response.status == 200 ? R"({"rows": 0})" : R"({"detail": "not this one"})";
    if (posts == posts_expected) loop.post([this] { loop.stop(); });
    co_return Result<net::Response>(std::move(response));
  }
  std::string peer() const override { return "a server"; }
  net::Loop& loop;
  int refusal = 200;
  int posts = 0;
  int posts_expected = 0;
};

TEST_CASE("the gaps of a frame that is refused for good are told again, those of an acknowledged one are settled") {
  struct Case {
    const char* what;
    int status;
    int posts;
    std::size_t gaps;  // afterwards
    std::uint64_t quarantined;
  };
  const Case cases[] = {{"acknowledged", 200, 1, 0, 0}, {"refused", 422, 1, 1, 1}, {"too large", 413, 1, 1, 1}};
  set_log_level(LogLevel::kOff);
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const TemporaryFolder folder;
    FakeClock clock;
    journal::MemoryDisk disk;
    SeededRandom random(1);
    const auto spool = journal::Journal::open({"/spool", 512, 2 * kKiB, true}, clock, disk, random).value();
    while (spool->gaps().empty()) REQUIRE(spool->append(Bytes(100)));
    const std::uint64_t last = spool->last_index();
    REQUIRE(spool->acknowledge(last));
    wire::Frame frame;
    frame.epoch = spool->stats().log_id;
    frame.sequence = last + 1;
    const auto record = spool->append(wire::Encoder().encode(frame).value());
    REQUIRE(record);
    REQUIRE(spool->sync());
    REQUIRE(spool->gaps_told(1, record->index));

    net::Loop loop;
    Server server(loop);
    server.refusal = c.status;
    server.posts_expected = c.posts;
    net::Event filled(loop);
    Uplink uplink({.state_dir = folder.path}, server, loop, *spool, filled, clock, random);
    loop.spawn(uplink.run());
    loop.run();
    CHECK(spool->stats().records == 0);
    CHECK(spool->gaps().size() == c.gaps);
    CHECK(uplink.stats().frames_quarantined == c.quarantined);
    CHECK(uplink.stats().frames_acknowledged == 1 - c.quarantined);
  }
  set_log_level(LogLevel::kInfo);
}

}  // namespace
}  // namespace pga::uplink
