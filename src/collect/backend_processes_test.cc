#include "collect/backend_processes.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>

#include "base/temporary_folder_for_test.h"

namespace pga::collect {
namespace {

const catalog::Source& the_source() {
  static const auto catalog = catalog::Catalog::load();
  REQUIRE(catalog);
  return *catalog->find("host.backends");
}

struct FakeProc {
  TemporaryFolder folder;
  BackendProcesses processes;

  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((folder.path / file).parent_path());
    std::ofstream(folder.path / file) << text;
  }
  // The name has a bracket and blanks, as anybody may give to a process.
  void process(int pid, int parent, int ran_ns, int ticks, const std::string& title, bool io = true) const {
    const std::string at = std::to_string(pid) + "/";
    write(at + "stat", std::to_string(pid) + " (post) gres: x) S " + std::to_string(parent) + " 1 1 0 -1 4194560 111 0 3 0 " +
                           std::to_string(ticks) + " 7 0 0 20 0 1 0 5000 229449728 2048 1844674407\n");
    write(at + "statm", "56018 2048 1500 1900 0 700 0\n");
    write(at + "schedstat", std::to_string(ran_ns) + " 4000 12\n");
    write(at + "cmdline", title + std::string(3, '\0'));
    if (io)
      write(at + "io", "rchar: 999\nwchar: 888\nsyscr: 1\nsyscw: 2\nread_bytes: 8192\nwrite_bytes: 16384\ncancelled_write_bytes: 0\n");
  }
  struct Rows {
    std::map<std::int64_t, std::map<std::string, std::int64_t>> numbers;  // by pid, then column
    std::map<std::int64_t, std::string> types;
    std::string note;
  };
  Rows read(std::size_t processes_max = 1000) {
    Cells cells;
    RowWriter out(the_source(), cells);
    auto note = processes.read(folder.path, 10, processes_max, out);
    REQUIRE_MESSAGE(note, (note ? "" : note.error().message));
    Rows rows;
    rows.note = *note;
    for (std::size_t row = 0; row < cells.rows; ++row) {
      const std::int64_t pid = cells.columns[0].values[row];
      for (std::size_t i = 0; i < the_source().columns.size(); ++i) {
        if (cells.columns[i].present[row] == 0) continue;
        if (cells.columns[i].texts.empty())
          rows.numbers[pid][the_source().columns[i].name] = cells.columns[i].values[row];
        else
          rows.types[pid] = cells.columns[i].texts[row];
      }
    }
    return rows;
  }
};

TEST_CASE("the postmaster and its children are read, other processes are not") {
  FakeProc proc;
  proc.process(10, 1, 5, 1, "/usr/lib/postgresql/15/bin/postgres");
  proc.process(11, 10, 6, 2, "postgres: checkpointer ");
  proc.process(12, 10, 9, 4, "postgres: alice shop 127.0.0.1(5432) idle");
  proc.process(13, 12, 9, 4, "postgres: not a child");
  proc.write("self/stat", "");
  auto got = proc.read();
  CHECK(got.note.empty());
  REQUIRE(got.numbers.size() == 3);
  CHECK(got.types[10] == "postmaster");
  CHECK(got.types[11] == "checkpointer");
  CHECK(got.types[12] == "client backend");
  auto& backend = got.numbers[12];
  CHECK(backend["cpu_ns"] == 9);
  CHECK(backend["cpu_wait_ns"] == 4000);
  CHECK(backend["cpu_user_ns"] == 40'000'000);
  CHECK(backend["cpu_system_ns"] == 70'000'000);
  CHECK(backend["minor_faults"] == 111);
  CHECK(backend["major_faults"] == 3);
  CHECK(backend["started_us"] == 50'000'000);
  CHECK(backend["rss_bytes"] == 2048 * 4096);
  CHECK(backend["private_bytes"] == 548 * 4096);
  CHECK(backend["read_bytes"] == 8192);
  CHECK(backend["write_bytes"] == 16384);
}

TEST_CASE("the kernel's list of children is used where it has one") {
  FakeProc proc;
  proc.process(10, 1, 5, 1, "postgres");
  proc.process(11, 10, 6, 2, "postgres: checkpointer ");
  proc.process(12, 10, 6, 2, "postgres: alice shop [local] idle");
  proc.write("10/task/10/children", "11 99 ");  // 99 has ended since
  CHECK(proc.read().numbers.size() == 2);
}

TEST_CASE("a process that did not run costs one file, one that ran is read anew") {
  FakeProc proc;
  proc.process(10, 1, 5, 1, "postgres");
  proc.process(11, 10, 6, 2, "postgres: checkpointer ");
  proc.process(12, 10, 6, 2, "postgres: alice shop [local] idle");
  CHECK(proc.read().numbers.size() == 3);
  for (const char* file : {"stat", "statm", "io", "cmdline"}) std::filesystem::remove(proc.folder.path / "11" / file);
  proc.process(12, 10, 7, 3, "postgres: alice shop [local] active");
  auto got = proc.read();
  CHECK(got.numbers[11]["cpu_user_ns"] == 20'000'000);
  CHECK(got.types[11] == "checkpointer");
  CHECK(got.numbers[12]["cpu_user_ns"] == 30'000'000);
  CHECK(got.numbers[12]["cpu_ns"] == 7);
}

TEST_CASE("a child that was seen before it had a title of its own gets its type when it has") {
  FakeProc proc;
  proc.process(10, 1, 5, 1, "postgres");
  proc.process(11, 10, 6, 2, "postgres");
  CHECK(proc.read().types[11] == "postmaster");
  proc.process(11, 10, 7, 2, "postgres: alice shop [local] idle");
  auto got = proc.read();
  CHECK(got.types[10] == "postmaster");
  CHECK(got.types[11] == "client backend");
}

TEST_CASE("without the right to see input and output the rest is read and the reading says why") {
  FakeProc proc;
  proc.process(10, 1, 5, 1, "postgres", false);
  proc.process(11, 10, 6, 2, "postgres: walwriter ", false);
  for (int pass = 0; pass < 2; ++pass) {
    auto got = proc.read();
    CHECK(got.numbers.size() == 2);
    CHECK(!got.numbers[11].contains("read_bytes"));
    CHECK(got.note.find("missing for 2 processes") != std::string::npos);
  }
}

TEST_CASE("more processes than the limit are not read") {
  FakeProc proc;
  proc.process(10, 1, 5, 1, "postgres");
  for (int pid = 20; pid < 30; ++pid) proc.process(pid, 10, 6, 2, "postgres: a b [local] idle");
  CHECK(proc.read(4).numbers.size() == 5);  // one more, so that the reading is known to be cut
}

TEST_CASE("a postmaster that is gone is no reading") {
  FakeProc proc;
  Cells cells;
  RowWriter out(the_source(), cells);
  const auto got = proc.processes.read(proc.folder.path, 10, 1000, out);
  REQUIRE(!got);
  CHECK(got.error().code == ErrorCode::kNotFound);
  CHECK(got.error().message.find("process 10") != std::string::npos);
}

TEST_CASE("only known types leave a title, whatever users, databases and clusters are called") {
  struct Case {
    const char* title;
    const char* type;
  };
  const Case cases[] = {
      {"/usr/lib/postgresql/15/bin/postgres", "postmaster"},
      {"postgres: checkpointer ", "checkpointer"},
      {"postgres: checkpointer performing restartpoint", "checkpointer"},
      {"postgres: 15/main: background writer ", "background writer"},
      {"postgres: walsender rep 10.0.0.1(5432) streaming 0/3000148", "walsender"},
      {"postgres: autovacuum worker shop", "autovacuum worker"},
      {"postgres: parallel worker for PID 4711 ", "parallel worker"},
      {"postgres: logical replication launcher ", "logical replication launcher"},
      {"postgres: io worker 2", "io worker"},
      {"postgres: alice shop 127.0.0.1(5432) SELECT", "client backend"},
      {"postgres: alice secret checkpointer", "client backend"},
      {"postgres: startups shop [local] idle", "client backend"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.title);
    CHECK(backend_type(c.title) == c.type);
  }
}

}  // namespace
}  // namespace pga::collect
