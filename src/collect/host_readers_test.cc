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
  const LocalServers no_servers;
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path / file).parent_path());
    std::ofstream(path / file) << text;
  }
  // /proc is this folder, /sys the folder "sys" in it.
  [[nodiscard]] Reading read(const catalog::Source& source) const { return HostReaders(path, path / "sys", no_servers).read(source); }
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
  const Reading reading = proc.read(source);
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
  const Reading reading = proc.read(source);
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
  auto got = row(source, proc.read(source));
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
  const Reading reading = proc.read(source);
  REQUIRE(reading.cells.rows == 1);
  CHECK(reading.cells.columns[0].texts[0] == "/");
  CHECK(row(source, reading)["size_bytes"] > 0);
}

TEST_CASE("what cannot be read is a failed reading with its reason") {
  const FakeProc proc;
  const Reading reading = proc.read(*the_catalog().find("host.cpu"));
  CHECK(reading.outcome == wire::Outcome::kAbsent);
  CHECK(reading.detail.find("/stat") != std::string::npos);
}

TEST_CASE("cores are read one by one") {
  const FakeProc proc;
  proc.write("stat", "cpu  100 1 50 1000 20 3 4 5 0 0\ncpu0 50 1 20 500 10 1 2 3 0 0\ncpu7 50 0 30 500 10 2 2 2 0 0\nintr 5 1 2\n");
  const auto& source = *the_catalog().find("host.cores");
  const Reading reading = proc.read(source);
  REQUIRE(reading.cells.rows == 2);
  auto got = row(source, reading, 1);
  CHECK(got["core"] == 7);
  CHECK(got["busy_ns"] == 840'000'000);
  CHECK(got["irq_ns"] == 40'000'000);
}

TEST_CASE("pressure is the totals, and a kernel without it says how to get it") {
  const FakeProc proc;
  const auto& source = *the_catalog().find("host.pressure");
  const Reading without = proc.read(source);
  CHECK(without.outcome == wire::Outcome::kAbsent);
  CHECK(without.detail.find("psi=1") != std::string::npos);
  proc.write("pressure/cpu", "some avg10=98.19 avg60=93.07 avg300=60.20 total=7978785188\n");
  proc.write("pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n");
  proc.write("pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  const Reading reading = proc.read(source);
  REQUIRE(reading.cells.rows == 3);
  auto cpu = row(source, reading, 0);
  CHECK(cpu["some_us"] == 7'978'785'188);
  CHECK(!cpu.contains("full_us"));
  CHECK(row(source, reading, 1)["full_us"] == 3);
}

TEST_CASE("stalls of the zones are summed and what a kernel does not count stays null") {
  const FakeProc proc;
  proc.write("vmstat", "pgpgin 10\npswpout 2\nallocstall_dma 1\nallocstall_normal 2\nallocstall_movable 4\noom_kill 1\n");
  const auto& source = *the_catalog().find("host.paging");
  auto got = row(source, proc.read(source));
  CHECK(got["paged_in_bytes"] == 10'240);
  CHECK(got["swapped_out_pages"] == 2);
  CHECK(got["reclaim_stalls"] == 7);
  CHECK(got["oom_kills"] == 1);
  CHECK(!got.contains("compaction_stalls"));
}

TEST_CASE("memory nodes may be numbered with holes") {
  const FakeProc proc;
  const std::string meminfo = " MemTotal:       100 kB\nNode 0 MemFree:         40 kB\nNode 0 FilePages: 7 kB\n";
  for (const char* node : {"0", "2"}) {
    proc.write("sys/devices/system/node/node" + std::string(node) + "/meminfo", "Node " + std::string(node) + meminfo);
    proc.write("sys/devices/system/node/node" + std::string(node) + "/numastat", "numa_hit 5\nnuma_miss 1\nother_node 2\n");
  }
  const auto& source = *the_catalog().find("host.numa");
  const Reading reading = proc.read(source);
  REQUIRE(reading.cells.rows == 2);
  auto got = row(source, reading, 1);
  CHECK(got["node"] == 2);
  CHECK(got["total_bytes"] == 102'400);
  CHECK(got["misses"] == 1);
  CHECK(got["remote"] == 2);
}

TEST_CASE("discards and flushes are read where the kernel counts them, and a volume has its name") {
  const FakeProc proc;
  proc.write(
      "diskstats",
      " 253 0 dm-0 1 0 8 1 1 0 8 1 0 1 2 3 0 16 4 5 6\n   8 0 sda 1 0 8 1 1 0 8 1 0 1 2 3 0 16 4\n   8 16 sdb 1 0 8 1 1 0 8 1 0 1 2\n");
  proc.write("sys/block/dm-0/dm/name", "vg-pgdata\n");
  const auto& source = *the_catalog().find("host.disks");
  const Reading reading = proc.read(source);
  REQUIRE(reading.cells.rows == 3);
  auto volume = row(source, reading, 0);
  CHECK(volume["discards"] == 3);
  CHECK(volume["discard_bytes"] == 16 * 512);
  CHECK(volume["flushes"] == 5);
  CHECK(volume["flush_time_ns"] == 6'000'000);
  CHECK(reading.cells.columns[1].texts[0] == "vg-pgdata");
  CHECK(reading.cells.columns[1].present[1] == 0);
  CHECK(row(source, reading, 1).contains("discards"));
  CHECK(!row(source, reading, 1).contains("flushes"));
  CHECK(!row(source, reading, 2).contains("discards"));
}

TEST_CASE("interfaces are read with or without a blank behind the colon, and containers' cables are left out") {
  const FakeProc proc;
  proc.write("net/dev",
             "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame "
             "compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
             "    lo:4702    59    0    0    0     0          0         0 4702    59    0    0    0     0       0          0\n"
             "  eth0: 1800     46    1    2    3     0          0         0  3121      31    4    5    6     0       0          0\n"
             "veth12ab: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n");
  proc.write("sys/class/net/eth0/speed", "10000\n");
  proc.write("sys/class/net/lo/speed", "-1\n");
  const auto& source = *the_catalog().find("host.network");
  const Reading reading = proc.read(source);
  REQUIRE(reading.cells.rows == 2);
  CHECK(row(source, reading, 0)["received_bytes"] == 4702);
  CHECK(!row(source, reading, 0).contains("speed_bytes"));
  auto eth0 = row(source, reading, 1);
  CHECK(eth0["receive_drops"] == 5);
  CHECK(eth0["sent_bytes"] == 3121);
  CHECK(eth0["send_drops"] == 11);
  CHECK(eth0["speed_bytes"] == 1'250'000'000);
}

TEST_CASE("columns of TCP are found by their names wherever a kernel has them") {
  const FakeProc proc;
  proc.write(
      "net/snmp",
      "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: RtoMax CurrEstab RetransSegs\nTcp: 120000 106 47733\nUdp: NoPorts RcvbufErrors\nUdp: "
      "1 9\nUdpLite: RcvbufErrors\nUdpLite: 3\n");
  proc.write("net/netstat", "TcpExt: ListenDrops Fresh ListenOverflows\nTcpExt: 4 5\nIpExt: InOctets\nIpExt: 1\n");
  proc.write("net/sockstat", "sockets: used 171\nTCP: inuse 117 orphan 1 tw 350 alloc 119 mem 0\nUDP: inuse 0 mem 0\n");
  const auto& source = *the_catalog().find("host.tcp");
  auto got = row(source, proc.read(source));
  CHECK(got["established"] == 106);
  CHECK(got["retransmitted"] == 47'733);
  CHECK(got["listen_drops"] == 4);
  CHECK(!got.contains("listen_overflows"));  // its line is cut short
  CHECK(got["udp_receive_buffer_errors"] == 9);
  CHECK(got["time_wait"] == 350);
}

TEST_CASE("the machine's limits are read beside what is used of them") {
  const FakeProc proc;
  proc.write("uptime", "14504.99 5107.24\n");
  proc.write("loadavg", "0.50 1.25 2.00 3/412 4242\n");
  proc.write("sys/fs/file-nr", "4978\t0\t2466165\n");
  proc.write("sys/kernel/pid_max", "4194304\n");
  const auto& source = *the_catalog().find("host.system");
  auto got = row(source, proc.read(source));
  CHECK(got["uptime_us"] == 14'504'990'000);
  CHECK(got["files_open"] == 4978);
  CHECK(got["files_max"] == 2'466'165);
  CHECK(got["threads"] == 412);
  CHECK(got["pid_max"] == 4'194'304);
  CHECK(!got.contains("connections_tracked"));
}

TEST_CASE("of a list of choices the one in force is the setting") {
  const FakeProc proc;
  proc.write("sys/vm/swappiness", "10\n");
  proc.write("sys/kernel/sem", "32000\t1024000000\t500\t32000\n");
  proc.write("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  proc.write("sys/block/sda/queue/scheduler", "[mq-deadline] kyber none\n");
  proc.write("sys/block/loop0/queue/scheduler", "[none]\n");
  const auto& source = *the_catalog().find("host.settings");
  const Reading reading = proc.read(source);
  std::map<std::string, std::string> got;
  for (std::size_t i = 0; i < reading.cells.rows; ++i)
    got[std::string(reading.cells.columns[0].texts[i])] = reading.cells.columns[1].texts[i];
  CHECK(got["vm.swappiness"] == "10");
  CHECK(got["kernel.sem"] == "32000\t1024000000\t500\t32000");
  CHECK(got["transparent_hugepage.enabled"] == "madvise");
  CHECK(got["disk.sda.scheduler"] == "mq-deadline");
  CHECK(got.contains("kernel.release"));
  CHECK(!got.contains("disk.loop0.scheduler"));
  CHECK(!got.contains("boot_id"));
}

struct FakeGroups : FakeProc {
  FakeGroups() {
    write("self/mounts", "sysfs /sys sysfs rw 0 0\ncgroup2 " + (path / "groups").string() + " cgroup2 rw 0 0\n");
    write("self/cgroup", "4:memory:/elsewhere\n0::/system.slice/collector.service\n");
    write("77/cgroup", "0::/system.slice/postgresql.service\n");
    write("groups/system.slice/memory.max", "3000000\n");
    write("groups/system.slice/cpu.max", "max 100000\n");
    const std::string group = "groups/system.slice/postgresql.service/";
    write(group + "memory.current", "2000000\n");
    write(group + "memory.max", "max\n");
    write(group + "cpu.max", "150000 100000\n");
    write(group + "cpu.stat", "usage_usec 100\nuser_usec 60\nsystem_usec 40\nnr_periods 10\nnr_throttled 3\nthrottled_usec 77\n");
    write(group + "memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 0\n");
    write(group + "io.stat",
          "8:0 rbytes=100 wbytes=200 rios=1 wios=2 dbytes=0 dios=0\n253:0 rbytes=100 wbytes=200 rios=1 wios=2\n8:16 "
          "rbytes=5 wbytes=6 rios=1 wios=1\n");
    write(group + "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=8\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
    write("sys/dev/block/253:0/dm/name", "vg\n");
  }
};

TEST_CASE("a server's control group has the tightest limit above it and counts what lies on a volume once") {
  const FakeGroups proc;
  LocalServers servers;
  servers.set("shop", {"postgres", "shop", "1", "18"}, 77);
  const auto& source = *the_catalog().find("host.cgroups");
  const Reading reading = HostReaders(proc.path, proc.path / "sys", servers).read(source);
  REQUIRE(reading.outcome == wire::Outcome::kComplete);
  REQUIRE(reading.cells.rows == 1);  // the collector's has no memory controller
  CHECK(reading.cells.columns[0].texts[0] == "/system.slice/postgresql.service");
  CHECK(reading.cells.columns[1].texts[0] == "shop");
  auto got = row(source, reading);
  CHECK(got["memory_max_bytes"] == 3'000'000);
  CHECK(std::bit_cast<double>(got["cpu_max_cores"]) == 1.5);
  CHECK(got["throttled_us"] == 77);
  CHECK(got["oom_kills"] == 4);
  CHECK(got["read_bytes"] == 105);
  CHECK(got["writes"] == 3);
  CHECK(got["memory_pressure_full_us"] == 9);
  CHECK(!got.contains("swap_bytes"));
}

TEST_CASE("in a container the root of the groups is the container's own") {
  const FakeProc proc;
  proc.write("self/mounts", "cgroup " + (proc.path / "groups").string() + " cgroup2 rw 0 0\n");
  proc.write("self/cgroup", "0::/\n");
  proc.write("groups/memory.current", "7\n");
  proc.write("groups/memory.max", "9\n");
  const auto& source = *the_catalog().find("host.cgroups");
  const Reading reading = proc.read(source);
  REQUIRE(reading.outcome == wire::Outcome::kComplete);
  CHECK(reading.cells.columns[1].texts[0] == "collector");
  CHECK(row(source, reading)["memory_bytes"] == 7);
  CHECK(row(source, reading)["memory_max_bytes"] == 9);
}

TEST_CASE("without control groups of version 2 the reading says so instead of being empty") {
  const FakeGroups groups;
  const auto& source = *the_catalog().find("host.cgroups");
  const Reading reading = groups.read(source);  // no servers, and the collector's own has no memory controller
  CHECK(reading.outcome == wire::Outcome::kAbsent);
  CHECK(reading.detail.find("memory controller") != std::string::npos);
  const FakeProc proc;
  proc.write("self/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n");
  CHECK(proc.read(source).outcome == wire::Outcome::kAbsent);
}

TEST_CASE("every reader answers on this machine with what is declared or with why not") {
  const LocalServers no_servers;
  HostReaders readers("/proc", "/sys", no_servers);
  for (const auto& source : the_catalog().sources()) {
    if (source.scope != catalog::Scope::kHost) continue;
    CAPTURE(source.name);
    const Reading reading = readers.read(source);
    if (reading.outcome != wire::Outcome::kComplete) {
      CHECK(reading.outcome == wire::Outcome::kAbsent);
      CHECK(reading.detail.find("no reader") == std::string::npos);
      CHECK(!reading.detail.empty());
      continue;
    }
    for (std::size_t i = 0; reading.cells.rows > 0 && i < source.columns.size(); ++i)
      CHECK_MESSAGE((reading.cells.columns[i].present[0] == 1 || source.columns[i].nullable), source.columns[i].name);
  }
  for (const char* name : {"host.cpu", "host.memory", "host.disks", "host.network", "host.tcp", "host.paging", "host.system"})
    CHECK_MESSAGE(readers.read(*the_catalog().find(name)).cells.rows > 0, name);
  const auto& self = *the_catalog().find("collector.self");
  auto got = row(self, read_self(self, {}, {}, 0));
  CHECK(got.size() == self.columns.size());
  CHECK(got["rss_bytes"] > 1'000'000);
}

TEST_CASE("what a target costs is told apart from another's, and a machine from the collector of the same name") {
  SelfStats stats;
  const wire::Target shop{"postgres", "shop", "", ""}, host{"host", "db1", "", ""}, self{"collector", "db1", "", ""};
  stats.count_statements(shop, 2, 300);
  stats.count_statements(shop, 1, 50);
  wire::Batch batch;
  batch.rows_seen = 10;
  batch.rows = 3;
  stats.count_reading(shop, batch);
  batch.outcome = wire::Outcome::kTimeout;
  stats.count_reading(shop, batch);
  stats.count_reading(host, {});
  stats.count_reading(self, {});
  stats.set_clock(shop, -1'500);
  const auto& source = *the_catalog().find("collector.targets");
  const Reading reading = read_targets(source, stats);
  REQUIRE(reading.cells.rows == 3);
  auto got = row(source, reading, 2);
  CHECK(reading.cells.columns[0].texts[2] == "shop");
  CHECK(got["statements"] == 3);
  CHECK(got["statement_time_us"] == 350);
  CHECK(got["readings"] == 2);
  CHECK(got["complete"] == 1);
  CHECK(got["timeout"] == 1);
  CHECK(got["unreachable"] == 0);
  CHECK(got["rows_seen"] == 20);
  CHECK(got["rows_sent"] == 6);
  CHECK(got["clock_ahead_us"] == -1'500);
  CHECK(!row(source, reading, 0).contains("clock_ahead_us"));
  CHECK(stats.readings == 4);
  CHECK(stats.readings_failed == 1);
}

}  // namespace
}  // namespace pga::collect
