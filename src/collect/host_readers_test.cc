#include "collect/host_readers.h"

#include <doctest/doctest.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/temporary_folder_for_test.h"
#include "collect/self_stats.h"

namespace pga::collect {
namespace {

struct FakeProc {
  TemporaryFolder folder;
  const std::filesystem::path& path = folder.path;
  FakeProc() { std::filesystem::create_directory(path / "self"); }
  void write(const char* file, const char* text) const { std::ofstream(path / file) << text; }
};

// The cells of one row by column; text cells are left out.
std::map<std::string, std::int64_t> row(const catalog::Source& source, const Reading& reading, std::size_t at = 0) {
  std::map<std::string, std::int64_t> out;
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    const CellColumn& column = reading.cells.columns[i];
    if (column.present[at] != 0 && column.texts.empty()) out[source.columns[i].name] = column.values[at];
  }
  return out;
}

const catalog::Catalog& the_catalog() {
  static const auto catalog = catalog::Catalog::load();
  REQUIRE(catalog);
  return *catalog;
}

TEST_CASE("processor times are read in nanoseconds and cores are counted") {
  const FakeProc proc;
  proc.write("stat",
             "cpu  100 1 50 1000 20 3 4 5 0 0\ncpu0 50 0 0 0\ncpu1 50 0 0 0\nctxt 77\nprocesses 9\nprocs_running 2\nprocs_blocked 1\n");
  proc.write("loadavg", "0.50 1.25 2.00 1/100 4242\n");
  const auto& source = *the_catalog().find("host.cpu");
  const Reading reading = read_host(source, proc.path);
  REQUIRE(reading.outcome == wire::Outcome::kComplete);
  auto got = row(source, reading);
  CHECK(got["cores"] == 2);
  CHECK(got["user_ns"] == 1'000'000'000);
  CHECK(got["irq_ns"] == 70'000'000);
  CHECK(got["context_switches"] == 77);
  CHECK(got["processes_blocked"] == 1);
  CHECK(std::bit_cast<double>(got["load5"]) == 1.25);
}

TEST_CASE("whole disks are reported and their partitions are not") {
  const FakeProc proc;
  proc.write("diskstats",
             "   8 0 sda 10 0 80 5 20 0 160 6 1 7 11\n   8 1 sda1 9 0 8 5 2 0 16 6 0 7 11\n 259 0 nvme0n1 1 0 8 1 1 0 8 1 0 1 2\n 259 1 "
             "nvme0n1p1 1 0 8 1 1 0 8 1 0 1 2\n"
             "   7 0 loop0 1 0 8 1 1 0 8 1 0 1 2\n 253 0 dm-0 1 0 8 1 1 0 8 1 0 1 2\n 254 0 vda 1 0 8 1 1 0 8 1 0 1 2\n 179 1 mmcblk0p1 1 "
             "0 8 1 1 0 8 1 0 1 2\n garbage\n");
  const auto& source = *the_catalog().find("host.disks");
  const Reading reading = read_host(source, proc.path);
  std::string devices;
  for (const auto text : reading.cells.columns[0].texts) devices += std::string(text) + " ";
  CHECK(devices == "sda nvme0n1 dm-0 vda ");
  auto got = row(source, reading);
  CHECK(got["read_bytes"] == 80 * 512);
  CHECK(got["write_time_ns"] == 6'000'000);
  CHECK(got["in_progress"] == 1);
  CHECK(got["busy_ns"] == 7'000'000);
}

TEST_CASE("memory is read in bytes and a line that a kernel does not have stays null") {
  const FakeProc proc;
  proc.write("meminfo", "MemTotal:       1000 kB\nMemFree:         100 kB\nHugePages_Total:       3\n");
  const auto& source = *the_catalog().find("host.memory");
  auto got = row(source, read_host(source, proc.path));
  CHECK(got["total_bytes"] == 1'024'000);
  CHECK(got["huge_pages_total"] == 3);
  CHECK(!got.contains("available_bytes"));
}

TEST_CASE("a file system is reported once however often it is mounted, and pseudo file systems are not") {
  const FakeProc proc;
  proc.write("self/mounts",
             "/dev/root / ext4 rw 0 0\n/dev/root /mnt\\040x ext4 rw 0 0\nproc /proc proc rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/gone "
             "/no/such/place ext4 rw 0 0\n");
  const auto& source = *the_catalog().find("host.filesystems");
  const Reading reading = read_host(source, proc.path);
  REQUIRE(reading.cells.rows == 1);
  CHECK(reading.cells.columns[0].texts[0] == "/");
  CHECK(row(source, reading)["size_bytes"] > 0);
}

TEST_CASE("what cannot be read is a failed reading with its reason") {
  const FakeProc proc;
  const Reading reading = read_host(*the_catalog().find("host.cpu"), proc.path);
  CHECK(reading.outcome == wire::Outcome::kAbsent);
  CHECK(reading.detail.find("/stat") != std::string::npos);
}

TEST_CASE("the readers fill every declared column on this machine") {
  for (const auto& source : the_catalog().sources()) {
    if (source.scope != catalog::Scope::kHost) continue;
    CAPTURE(source.name);
    const Reading reading = read_host(source, "/proc");
    REQUIRE(reading.outcome == wire::Outcome::kComplete);
    for (std::size_t i = 0; reading.cells.rows > 0 && i < source.columns.size(); ++i)
      CHECK_MESSAGE(reading.cells.columns[i].present[0] == 1, source.columns[i].name);
  }
  const auto& self = *the_catalog().find("collector.self");
  auto got = row(self, read_self(self, {}, {}, 0));
  CHECK(got.size() == self.columns.size());
  CHECK(got["rss_bytes"] > 1'000'000);
}

}  // namespace
}  // namespace pga::collect
