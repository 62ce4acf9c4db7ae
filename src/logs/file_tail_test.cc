#include "logs/file_tail.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/temporary_folder_for_test.h"

namespace pga::logs {
namespace {

struct Logs {
  TemporaryFolder folder;
  std::filesystem::path current = folder.path / "a.csv";
  FileTail tail = follow();

  FileTail follow() {
    return FileTail([this]() -> Result<std::filesystem::path> { return current; });
  }
  void write(const std::filesystem::path& path, const std::string& text) const { std::ofstream(path, std::ios::app) << text; }
  // Rotated files are told apart by when they were written last.
  void aged(const std::filesystem::path& path, int seconds) const {
    const timespec at[2] = {{1'800'000'000 + seconds, 0}, {1'800'000'000 + seconds, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), at, 0) == 0);
  }
  // Everything that is new; "#" where another file begins.
  static std::string all(FileTail& tail) {
    std::string out;
    while (true) {
      const auto piece = tail.read();
      REQUIRE(piece);
      if (piece->other_file) out += "#";
      if (piece->bytes.empty()) return out;
      out += piece->bytes;
    }
  }
  std::string all() { return all(tail); }
};

TEST_CASE("a log is followed from its end on, and through every way of rotating it") {
  Logs logs;
  logs.write(logs.current, "old\n");
  CHECK(logs.all() == "");
  logs.write(logs.current, "one\n");
  CHECK(logs.all() == "one\n");

  SUBCASE("to another name, and what came into the elder one last is read first") {
    logs.write(logs.current, "two\n");
    logs.aged(logs.current, 1);
    logs.current = logs.folder.path / "b.csv";
    logs.write(logs.current, "three\n");
    logs.aged(logs.current, 2);
    CHECK(logs.all() == "two\n#three\n");
  }
  SUBCASE("several times since") {
    logs.aged(logs.current, 1);
    logs.write(logs.folder.path / "b.csv", "b\n");
    logs.aged(logs.folder.path / "b.csv", 2);
    logs.write(logs.folder.path / "c.csv", "c\n");
    logs.aged(logs.folder.path / "c.csv", 3);
    logs.write(logs.folder.path / "x.log", "another format\n");
    logs.current = logs.folder.path / "c.csv";
    CHECK(logs.all() == "#b\n#c\n");
  }
  SUBCASE("renamed, with a new file in its place") {
    logs.write(logs.current, "two\n");
    std::filesystem::rename(logs.current, logs.folder.path / "a.csv.1");
    logs.aged(logs.folder.path / "a.csv.1", 1);
    CHECK(logs.all() == "two\n");
    logs.write(logs.current, "three\n");
    logs.aged(logs.current, 2);
    CHECK(logs.all() == "#three\n");
  }
  SUBCASE("copied and truncated") {
    std::filesystem::resize_file(logs.current, 0);
    logs.write(logs.current, "2\n");
    CHECK(logs.all() == "#2\n");
  }
  SUBCASE("truncated and longer again before we looked") {
    std::filesystem::resize_file(logs.current, 0);
    logs.write(logs.current, "another, longer beginning\n");
    CHECK(logs.all() == "#another, longer beginning\n");
  }
  SUBCASE("removed, and made again later") {
    std::filesystem::remove(logs.current);
    CHECK(logs.all() == "");
    logs.write(logs.current, "anew\n");
    logs.aged(logs.current, 1'000);
    CHECK(logs.all() == "#anew\n");
  }
}

TEST_CASE("what is written between begin and the first read is read") {
  Logs logs;
  logs.write(logs.current, "old\n");
  REQUIRE(logs.tail.begin());
  logs.write(logs.current, "one\n");
  REQUIRE(logs.tail.begin());
  CHECK(logs.all() == "one\n");
}

TEST_CASE("after a restart reading goes on where it was, whatever the file is called by then") {
  Logs logs;
  logs.write(logs.current, "old\n");
  CHECK(logs.all() == "");
  logs.write(logs.current, "one\ntw");
  CHECK(logs.all() == "one\ntw");
  const auto position = Position::parse(logs.tail.position(2).to_text());
  REQUIRE(position);
  CHECK(*position == logs.tail.position(2));
  logs.write(logs.current, "o\n");
  FileTail next = logs.follow();
  next.resume(*position);

  SUBCASE("the same") { CHECK(logs.all(next) == "two\n"); }
  SUBCASE("renamed") {
    std::filesystem::rename(logs.current, logs.folder.path / "a.csv.1");
    logs.aged(logs.folder.path / "a.csv.1", 1);
    logs.write(logs.current, "three\n");
    logs.aged(logs.current, 2);
    CHECK(logs.all(next) == "two\n#three\n");
  }
  SUBCASE("gone: what is there is new") {
    std::filesystem::remove(logs.current);
    logs.write(logs.current, "three\n");
    CHECK(logs.all(next) == "three\n");
  }
  SUBCASE("the same inode with another beginning") {
    std::filesystem::resize_file(logs.current, 0);
    logs.write(logs.current, "a new file with more bytes\n");
    CHECK(logs.all(next) == "a new file with more bytes\n");
  }
}

TEST_CASE("a log that the server has only just turned to is all new") {
  Logs logs;
  logs.write(logs.current, "one\n");
  logs.tail.from_beginning();
  CHECK(logs.all() == "one\n");
}

TEST_CASE("a log that is not there is said, and read once it is") {
  Logs logs;
  const auto piece = logs.tail.read();
  REQUIRE(!piece);
  CHECK(piece.error().code == ErrorCode::kNotFound);
  for (const char* bad : {"", "1 2 3", "1 2 3 0000000000000000 \n1", "x 2 3 0000000000000000 a\n", "1 2 999999 0000000000000000 a\n"})
    CHECK(!Position::parse(bad));
}

}  // namespace
}  // namespace pga::logs
