#include "journal/journal.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "base/temporary_folder_for_test.h"
#include "base/text.h"
#include "journal/format_internal.h"
#include "journal/memory_disk.h"

namespace pga::journal {
namespace {

namespace fs = std::filesystem;

struct TemporaryDirectory {
  [[nodiscard]] fs::path log() const { return folder.path / "log"; }
  TemporaryFolder folder;
};

// Another disk with faults: syncs that fail, and a size at which it is full.
class FaultyDisk final : public Disk {
 public:
  explicit FaultyDisk(Disk& disk = posix_disk()) : disk_(disk) {}
  std::atomic<int> syncs_to_fail{0};
  std::atomic<std::uint64_t> bytes_left{UINT64_MAX};  // of segment files
  std::atomic<int> syncs{0};

  Result<std::unique_ptr<DiskFile>> create(const fs::path& path) override { return wrap(disk_.create(path)); }
  Result<std::unique_ptr<DiskFile>> open(const fs::path& path) override { return wrap(disk_.open(path)); }
  Status remove(const fs::path& path) override { return disk_.remove(path); }
  Status sync_directory(const fs::path& path) override { return disk_.sync_directory(path); }
  Result<std::string> read_small(const fs::path& path, std::size_t max) override { return disk_.read_small(path, max); }
  Status replace_small(const fs::path& path, std::string_view content) override { return disk_.replace_small(path, content); }
  Status make_directory(const fs::path& path) override { return disk_.make_directory(path); }
  Result<std::vector<std::string>> list(const fs::path& directory) override { return disk_.list(directory); }
  Result<std::shared_ptr<void>> lock(const fs::path& path) override { return disk_.lock(path); }

 private:
  struct File final : DiskFile {
    File(std::unique_ptr<DiskFile> f, FaultyDisk& d) : file(std::move(f)), disk(d) {}
    Status write(std::uint64_t offset, ByteView bytes) override {
      const std::uint64_t fits = std::min<std::uint64_t>(bytes.size(), disk.bytes_left);
      PGA_TRY_STATUS(file->write(offset, bytes.first(fits)));
      if (disk.bytes_left != UINT64_MAX) disk.bytes_left -= fits;
      if (fits < bytes.size()) return unavailable("write: No space left on device");
      return {};
    }
    Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override { return file->read(offset, out); }
    Result<std::uint64_t> size() const override { return file->size(); }
    Status truncate(std::uint64_t size) override { return file->truncate(size); }
    Status sync() override {
      ++disk.syncs;
      if (disk.syncs_to_fail > 0) {
        --disk.syncs_to_fail;
        return unavailable("fdatasync: Input/output error");
      }
      return file->sync();
    }
    std::unique_ptr<DiskFile> file;
    FaultyDisk& disk;
  };
  Disk& disk_;
  Result<std::unique_ptr<DiskFile>> wrap(Result<std::unique_ptr<DiskFile>> file) {
    if (!file) return file;
    return Result<std::unique_ptr<DiskFile>>(std::make_unique<File>(std::move(*file), *this));
  }
};

// Damage of one kind done to a whole log, once each. Sanitizers find what they are for in a part of them, at a tenth of the speed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PGA_JOURNAL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PGA_JOURNAL_SANITIZED 1
#endif
#endif
#ifdef PGA_JOURNAL_SANITIZED
constexpr int kFlips = 1'000;
constexpr std::size_t kCutStep = 61;  // a prime, so that every kind of offset in a record comes
#else
constexpr int kFlips = 10'000;
constexpr std::size_t kCutStep = 1;  // every byte
#endif

Options small_log(const TemporaryDirectory& directory) { return {directory.log(), 1024, 64 * kKiB, true}; }

std::unique_ptr<Journal> must_open(const Options& options, Clock& clock, Disk& disk = posix_disk()) {
  auto journal = Journal::open(options, clock, disk);
  if (!journal) FAIL(journal.error().message);
  return std::move(*journal);
}

std::uint64_t must_append(Journal& journal, std::string_view text) {
  const auto id = journal.append(as_bytes(text));
  if (!id) FAIL(id.error().message);
  return id->index;
}

// index -> payload of everything that next() gives after `after`.
std::map<std::uint64_t, std::string> read_all(Journal& journal, std::uint64_t after = 0) {
  std::map<std::uint64_t, std::string> out;
  while (true) {
    const auto record = journal.next(after);
    if (!record) FAIL(record.error().message);
    if (!*record) return out;
    CHECK((*record)->id.index > after);
    after = (*record)->id.index;
    out[after] = as_text((*record)->payload);
  }
}

std::vector<fs::path> segment_files(const TemporaryDirectory& directory) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(directory.log())) {
    if (entry.path().extension() == ".seg") out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

std::vector<fs::path> segment_files(const MemoryDisk& disk) {
  std::vector<fs::path> out;
  for (const auto& [path, content] : disk.files) {
    if (path.ends_with(".seg")) out.emplace_back(path);
  }
  return out;
}

void flip_bit(MemoryDisk& disk, const fs::path& path, std::uint64_t bit) {
  disk.bytes(path.string()).at(bit / 8) ^= static_cast<std::byte>(1 << (bit % 8));
}

void flip_bit(const fs::path& path, std::uint64_t bit) {
  std::string content = *read_file(path, 64 * kMiB);
  content.at(bit / 8) = static_cast<char>(content.at(bit / 8) ^ (1 << (bit % 8)));
  REQUIRE(write_file_atomic(path, content));
}

TEST_CASE("records come back in order, also after closing and opening again") {
  TemporaryDirectory directory;
  FakeClock clock;
  std::uint64_t log_id = 0;
  {
    const auto journal = must_open(small_log(directory), clock);
    log_id = journal->stats().log_id;
    for (int i = 1; i <= 100; ++i) CHECK(must_append(*journal, "record " + std::to_string(i)) == static_cast<std::uint64_t>(i));
    REQUIRE(journal->sync());
    CHECK(read_all(*journal).size() == 100);
    CHECK(journal->segments().size() > 3);
  }
  const auto journal = must_open(small_log(directory), clock);
  CHECK(journal->stats().log_id == log_id);
  CHECK(journal->stats().torn_bytes == 0);
  const auto all = read_all(*journal);
  CHECK(all.size() == 100);
  CHECK(all.at(57) == "record 57");
  CHECK(read_all(*journal, 98).size() == 2);
  CHECK(journal->last_index() == 100);
  CHECK(journal->gaps().empty());
  CHECK(must_append(*journal, "") == 101);  // an empty record is one too
  CHECK(read_all(*journal, 100).at(101).empty());
}

// docs/journal.md byte by byte; also the seed of fuzz/journal.cc.
TEST_CASE("the vector of a segment is what a journal writes and reads") {
  const fs::path path = fs::path(PGA_SOURCE_DIR) / "src/journal/testdata/segment.hex";
  Bytes bytes = encode_segment_header({0x0123456789abcdef, 1'763'927'436'000, 5});
  for (const auto& [index, payload] : {std::pair<std::uint64_t, const char*>{5, "five"}, {6, ""}, {7, "seven"}}) {
    Bytes record;
    encode_record(record_crc_seed(0x0123456789abcdef, 1'763'927'436'000), index, 1'763'927'436'500'000, as_bytes(payload), record);
    bytes.insert(bytes.end(), record.begin(), record.end());
  }
  std::string digits;
  const std::string text = *read_file(path, kMiB);
  for (const char c : text) {
    if (c == '#') break;
    if (c != '\n') digits += c;
  }
  CHECK(digits == to_hex(bytes));

  MemoryDisk disk;
  FakeClock clock;
  disk.put("/log/00000001763927436000.seg", bytes);
  const auto journal = must_open({"/log", kMiB, 4 * kMiB, true}, clock, disk);
  CHECK(journal->stats().log_id == 0x0123456789abcdef);
  CHECK(journal->last_index() == 7);
  CHECK(read_all(*journal) == std::map<std::uint64_t, std::string>{{5, "five"}, {6, ""}, {7, "seven"}});
}

TEST_CASE("a log that is open cannot be opened again") {
  TemporaryDirectory directory;
  FakeClock clock;
  auto journal = must_open(small_log(directory), clock);
  const auto second = Journal::open(small_log(directory), clock);
  REQUIRE(!second);
  CHECK(second.error().code == ErrorCode::kUnavailable);
  CHECK(second.error().message.find("is locked") != std::string::npos);
  journal.reset();
  CHECK(Journal::open(small_log(directory), clock));
}

TEST_CASE("the acknowledged mark survives, and what it covers is deleted") {
  TemporaryDirectory directory;
  FakeClock clock;
  {
    const auto journal = must_open(small_log(directory), clock);
    for (int i = 1; i <= 100; ++i) {
      must_append(*journal, "record " + std::to_string(i));
      clock.advance(std::chrono::seconds{1});
    }
    const std::size_t segments = journal->segments().size();
    CHECK(journal->stats().oldest_us == 1'700'000'000'000'000);
    REQUIRE(journal->acknowledge(60));
    CHECK(journal->segments().size() < segments);
    CHECK(journal->stats().records == 40);
    CHECK(journal->stats().oldest_us == 1'700'000'060'000'000);
    CHECK(read_all(*journal).begin()->first == 61);
    const auto beyond = journal->acknowledge(101);
    REQUIRE(!beyond);
    CHECK(beyond.error().message == "record 101 cannot be acknowledged, the last is 100");
  }
  {
    const auto journal = must_open(small_log(directory), clock);
    CHECK(journal->acknowledged_index() == 60);
    CHECK(journal->stats().oldest_us == 1'700'000'060'000'000);
    CHECK(read_all(*journal).size() == 40);
    REQUIRE(journal->acknowledge(100));
  }
  const auto journal = must_open(small_log(directory), clock);
  CHECK(journal->segments().empty());
  CHECK(journal->last_index() == 100);
  CHECK(must_append(*journal, "next") == 101);
}

TEST_CASE("a sealed segment is the same after opening again, and ids of segments are never reused") {
  TemporaryDirectory directory;
  FakeClock clock;
  std::set<std::uint64_t> ids;
  for (int round = 0; round < 5; ++round) {
    const auto journal = must_open(small_log(directory), clock);
    CHECK_FALSE(*journal->seal());
    must_append(*journal, "a");
    must_append(*journal, "b");
    const auto sealed = journal->seal();
    REQUIRE(sealed);
    REQUIRE(*sealed);
    CHECK((*sealed)->sealed);
    CHECK((*sealed)->records == 2);
    CHECK(ids.insert((*sealed)->id).second);
    if (round % 2 == 0) {
      REQUIRE(journal->remove_segment((*sealed)->id));
      CHECK(journal->remove_segment((*sealed)->id).error().code == ErrorCode::kNotFound);
    }
    must_append(*journal, "c");  // stays in a segment that opening seals
    const auto all = journal->segments();
    CHECK_FALSE(all.back().sealed);
    CHECK(journal->remove_segment(all.back().id).error().message == "segment " + std::to_string(all.back().id) + " is not sealed");
    CHECK(ids.insert(all.back().id).second);
  }
  const auto journal = must_open(small_log(directory), clock);
  for (const SegmentInfo& info : journal->segments()) {
    CHECK(info.sealed);
    std::uint64_t records = 0;
    REQUIRE(journal->read_segment(info.id, [&](const Record& record) {
      CHECK(record.id.segment == info.id);
      CHECK(record.id.index == info.first_index + records);
      ++records;
      return true;
    }));
    CHECK(records == info.records);
  }
  CHECK(journal->read_segment(1, [](const Record&) { return true; }).error().code == ErrorCode::kNotFound);
}

TEST_CASE("a log cut at any byte of its last record keeps everything before, and tells of the record") {
  MemoryDisk disk;
  FakeClock clock;
  const Options options{"/log", 64 * kKiB, kMiB, true};
  {
    const auto journal = must_open(options, clock, disk);
    for (const char* text : {"one", "two", "the last record"}) must_append(*journal, text);
  }
  const fs::path file = segment_files(disk).at(0);
  const std::string whole = *disk.read_small(file, kMiB);
  const std::string state = *disk.read_small("/log/state", kMiB);
  const std::size_t record = kRecordHeaderBytes + 15;
  for (std::size_t cut = 1; cut <= record; ++cut) {
    CAPTURE(cut);
    // As after a crash: the state does not know of the records.
    State crashed = *decode_state(state);
    crashed.next_index = 1;
    REQUIRE(disk.replace_small("/log/state", encode_state(crashed)));
    REQUIRE(disk.replace_small(file, whole.substr(0, whole.size() - cut)));
    const auto journal = must_open(options, clock, disk);
    CHECK(read_all(*journal) == std::map<std::uint64_t, std::string>{{1, "one"}, {2, "two"}});
    CHECK(journal->stats().torn_bytes == record - cut);
    const bool begun = cut < record;
    REQUIRE(journal->gaps().size() == (begun ? 1 : 0));
    if (begun) CHECK(journal->gaps()[0].first_index == 3);
    CHECK(must_append(*journal, "after") == (begun ? 4 : 3));
    CHECK(read_all(*journal).size() == 3);
    REQUIRE(journal->acknowledge(2));
    REQUIRE(journal->seal());
    for (const SegmentInfo& info : journal->segments()) REQUIRE(journal->remove_segment(info.id));
  }
}

TEST_CASE("a log cut at any byte of its last 64 KiB keeps every record before the cut and takes new ones") {
  constexpr std::size_t kCutsFrom = 64 * kKiB;  // bytes from the end
  MemoryDisk disk;
  FakeClock clock;
  const Options options{"/log", kMiB, 4 * kMiB, true};
  std::vector<std::string> texts;  // of record 1, 2, …
  std::vector<std::size_t> ends;   // of the same in the file
  std::string empty_state;
  {
    const auto journal = must_open(options, clock, disk);
    empty_state = *disk.read_small("/log/state", kMiB);
    std::mt19937 random(13);
    for (std::size_t bytes = kSegmentHeaderBytes; bytes < kCutsFrom + 4 * kKiB;) {
      std::string& text = texts.emplace_back(random() % 8 == 0 ? random() % 4'000 : random() % 100, 'x');
      for (char& c : text) c = static_cast<char>(random());
      must_append(*journal, text);
      ends.push_back(bytes += kRecordHeaderBytes + text.size());
    }
  }
  const std::vector<fs::path> files = segment_files(disk);
  REQUIRE(files.size() == 1);
  const std::string whole = *disk.read_small(files[0], kMiB);
  REQUIRE(whole.size() == ends.back());
  for (std::size_t size = whole.size() - kCutsFrom; size < whole.size(); size += kCutStep) {
    disk.files.clear();
    REQUIRE(disk.replace_small("/log/state", empty_state));  // as after a crash: it does not know of the records
    REQUIRE(disk.replace_small(files[0], std::string_view(whole).substr(0, size)));
    const auto journal = must_open(options, clock, disk);
    const auto kept = static_cast<std::size_t>(std::ranges::upper_bound(ends, size) - ends.begin());
    const std::size_t torn = size - (kept == 0 ? kSegmentHeaderBytes : ends[kept - 1]);
    const std::uint64_t added = must_append(*journal, "after the cut");
    const auto all = read_all(*journal);
    const auto gaps = journal->gaps();
    bool good = journal->stats().torn_bytes == torn && added == kept + (torn != 0 ? 2 : 1);
    good = good && gaps.size() == (torn != 0 ? 1 : 0) && (torn == 0 || (gaps[0].first_index == kept + 1 && gaps[0].last_index == kept + 1));
    good = good && all.size() == kept + 1 && all.rbegin()->first == added && all.rbegin()->second == "after the cut";
    for (std::size_t i = 0; good && i < kept; ++i) good = all.contains(i + 1) && all.at(i + 1) == texts[i];
    CHECK_MESSAGE(good, "cut to " << size << " bytes: " << all.size() << " records and " << gaps.size() << " gaps, " << kept << " kept, "
                                  << journal->stats().torn_bytes << " bytes torn, " << torn << " expected");
    if (!good) return;
  }
}

TEST_CASE("any flipped bit loses at most its record, is counted and told once") {
  set_log_level(LogLevel::kOff);
  MemoryDisk disk;
  FakeClock clock;
  const Options options{"/log", 4 * kKiB, kMiB, true};
  std::map<std::uint64_t, std::string> written;
  {
    const auto journal = must_open(options, clock, disk);
    std::mt19937 random(11);
    for (int i = 0; i < 200; ++i) {
      std::string text(random() % 200, 'x');
      for (char& c : text) c = static_cast<char>(random());
      written[must_append(*journal, text)] = text;
    }
  }
  auto files = segment_files(disk);
  REQUIRE(files.size() > 3);
  files.emplace_back("/log/state");
  std::map<fs::path, std::string> pristine;
  for (const fs::path& file : files) pristine[file] = *disk.read_small(file, kMiB);

  std::mt19937 random(12);
  for (int round = 0; round < kFlips; ++round) {
    const fs::path& file = files[random() % files.size()];
    const std::uint64_t bit = random() % (pristine[file].size() * 8);
    CAPTURE(round);
    CAPTURE(file.filename().string());
    CAPTURE(bit);
    flip_bit(disk, file, bit);
    const bool of_records = file.extension() == ".seg" && bit / 8 >= kSegmentHeaderBytes;
    {
      const auto journal = must_open(options, clock, disk);
      const auto got = read_all(*journal);
      CHECK(got.size() == written.size() - (of_records ? 1 : 0));
      for (const auto& [index, text] : got) CHECK(written.at(index) == text);
      CHECK(journal->stats().corrupt_records == (of_records ? 1 : 0));
      CHECK(journal->stats().rebuilt == (of_records ? 0 : 1));
      REQUIRE(journal->gaps().size() == (of_records ? 1 : 0));
      if (of_records) {
        CHECK(journal->gaps()[0].corrupt);
        CHECK(journal->gaps()[0].first_index == journal->gaps()[0].last_index);
        CHECK_FALSE(got.contains(journal->gaps()[0].first_index));
        REQUIRE(journal->gaps_told(1, got.rbegin()->first));
      }
    }
    {
      const auto again = must_open(options, clock, disk);
      CHECK(again->gaps().empty());
      CHECK(again->last_index() == written.size());
    }
    for (const auto& [path, content] : pristine) REQUIRE(disk.replace_small(path, content));
  }
  set_log_level(LogLevel::kInfo);
}

TEST_CASE("damage that appears while the log is open is skipped and told") {
  TemporaryDirectory directory;
  FakeClock clock;
  const Options options{directory.log(), 64 * kKiB, kMiB, true};
  const auto journal = must_open(options, clock);
  for (const char* text : {"one", "two", "three"}) must_append(*journal, text);
  REQUIRE(journal->seal());
  flip_bit(segment_files(directory).at(0), 8 * (kSegmentHeaderBytes + kRecordHeaderBytes + 3 + kRecordHeaderBytes + 1));
  CHECK(read_all(*journal) == std::map<std::uint64_t, std::string>{{1, "one"}, {3, "three"}});
  CHECK(read_all(*journal).size() == 2);
  REQUIRE(journal->gaps().size() == 1);
  CHECK(journal->gaps()[0].first_index == 2);
  CHECK(journal->gaps()[0].last_index == 2);
}

TEST_CASE("a full log drops its oldest segments and says which records went") {
  TemporaryDirectory directory;
  FakeClock clock;
  const Options options{directory.log(), 1024, 8 * kKiB, true};
  std::uint64_t gone = 0;
  {
    const auto journal = must_open(options, clock);
    for (int i = 0; i < 500; ++i) {
      must_append(*journal, std::string(76, 'x'));
      clock.advance(std::chrono::seconds{1});
      CHECK(journal->stats().bytes <= options.total_bytes_max);
    }
    const auto all = read_all(*journal);
    REQUIRE(!all.empty());
    gone = all.begin()->first - 1;
    CHECK(gone > 400);
    CHECK(all.size() == 500 - gone);
    const auto gaps = journal->gaps();
    REQUIRE(gaps.size() == 1);
    CHECK(gaps[0].first_index == 1);
    CHECK(gaps[0].last_index == gone);
    CHECK_FALSE(gaps[0].corrupt);
    CHECK(gaps[0].from_us == 1'700'000'000'000'000);
    CHECK(gaps[0].to_us == 1'700'000'000'000'000 + static_cast<std::int64_t>(gone - 1) * 1'000'000);
    CHECK(journal->stats().dropped_records == gone);
    CHECK(!journal->gaps_told(2, journal->last_index()));
    // A gap that was handed out does not grow under the reader's feet.
    for (int i = 0; i < 50; ++i) must_append(*journal, std::string(76, 'x'));
    REQUIRE(journal->gaps_told(1, journal->last_index()));
  }
  const auto journal = must_open(options, clock);
  const auto gaps = journal->gaps();
  REQUIRE(gaps.size() == 1);
  CHECK(gaps[0].first_index == gone + 1);
  CHECK(journal->append(Bytes(9000)).error().code == ErrorCode::kTooLarge);
  CHECK(journal->append(Bytes(kRecordBytesMax + 1)).error().message == "record of 8388609 bytes exceeds the limit of 8388608");
}

TEST_CASE("a full log that may not drop refuses until something is removed") {
  TemporaryDirectory directory;
  FakeClock clock;
  const auto journal = must_open({directory.log(), 1024, 4 * kKiB, false}, clock);
  Result<RecordId> id = RecordId{};
  std::uint64_t appended = 0;
  while ((id = journal->append(Bytes(100)))) ++appended;
  CHECK(id.error().code == ErrorCode::kUnavailable);
  CHECK(appended > 20);
  CHECK(journal->gaps().empty());
  REQUIRE(journal->remove_segment(journal->segments().front().id));
  CHECK(journal->append(Bytes(100))->index == appended + 1);
}

TEST_CASE("a disk that is full refuses the record and leaves nothing half written") {
  TemporaryDirectory directory;
  FakeClock clock;
  FaultyDisk disk;
  {
    const auto journal = must_open(small_log(directory), clock, disk);
    must_append(*journal, "one");
    for (const std::uint64_t left : {0, 10, 24, 27}) {
      disk.bytes_left = left;
      const auto id = journal->append(as_bytes("two!"));
      REQUIRE(!id);
      CHECK(id.error().code == ErrorCode::kUnavailable);
      CHECK(id.error().message == "append of record 2: write: No space left on device");
    }
    disk.bytes_left = UINT64_MAX;
    CHECK(must_append(*journal, "two") == 2);
    // Also where a new segment would begin.
    REQUIRE(journal->seal());
    for (const std::uint64_t left : {0, 39, 40, 10}) {
      disk.bytes_left = left;
      CHECK(!journal->append(as_bytes("three")));
    }
    disk.bytes_left = UINT64_MAX;
    CHECK(must_append(*journal, "three") == 3);
  }
  const auto journal = must_open(small_log(directory), clock, disk);
  CHECK(read_all(*journal) == std::map<std::uint64_t, std::string>{{1, "one"}, {2, "two"}, {3, "three"}});
  CHECK(journal->stats().torn_bytes == 0);
}

TEST_CASE("a failed fsync kills the segment: what was durable stays, the rest is lost and said to be") {
  TemporaryDirectory directory;
  FakeClock clock;
  FaultyDisk disk;
  const auto journal = must_open(small_log(directory), clock, disk);
  must_append(*journal, "one");
  REQUIRE(journal->sync());
  must_append(*journal, "two");
  must_append(*journal, "three");
  disk.syncs_to_fail = 1;
  const auto synced = journal->sync();
  REQUIRE(!synced);
  CHECK(synced.error().message == "records 2 to 3 are lost: fdatasync: Input/output error");
  CHECK(journal->sync());  // told once
  CHECK(journal->sync(1));
  CHECK(journal->sync(2).error().message == "records 2 to 3 were lost by a failed fsync");
  CHECK(must_append(*journal, "four") == 4);
  REQUIRE(journal->sync(4));
  CHECK(journal->segments().size() == 2);
  CHECK(read_all(*journal) == std::map<std::uint64_t, std::string>{{1, "one"}, {4, "four"}});
  REQUIRE(journal->gaps().size() == 1);
  CHECK(journal->gaps()[0].first_index == 2);
  CHECK(journal->gaps()[0].last_index == 3);

  // A segment of which nothing was durable goes away, and a failure met by reading or sealing is told by the next sync.
  REQUIRE(journal->seal());
  must_append(*journal, "five");
  disk.syncs_to_fail = 1;
  CHECK(!journal->next(4));
  CHECK(!journal->sync());
  CHECK(journal->segments().size() == 2);
  CHECK(must_append(*journal, "six") == 6);
  disk.syncs_to_fail = 1;
  CHECK(!journal->seal());
  CHECK(!journal->sync(6));
}

TEST_CASE("what is read after a crash survives a power cut, even if the last fsync before the crash failed") {
  set_log_level(LogLevel::kOff);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    MemoryDisk disk;
    FakeClock clock;
    SeededRandom random(seed);
    const Options options{"/log", 4 * kKiB, kMiB, true};
    auto journal = Journal::open(options, clock, disk, random).value();
    must_append(*journal, "one");
    REQUIRE(journal->sync());
    must_append(*journal, "two");
    disk.syncs_to_fail = 1;
    disk.before_change = [&] {
      if (disk.syncs_to_fail == 0) disk.kill();  // before the segment is cut back
    };
    CHECK(!journal->sync());
    disk.before_change = [] {};
    journal.reset();
    journal = Journal::open(options, clock, disk, random).value();
    const auto seen = read_all(*journal);
    CHECK(seen.size() == 2);
    disk.cut_power(random);
    journal.reset();
    journal = Journal::open(options, clock, disk, random).value();
    CHECK(read_all(*journal) == seen);
  }
  set_log_level(LogLevel::kInfo);
}

TEST_CASE("threads that append and sync share syncs, and each finds its record") {
  TemporaryDirectory directory;
  SystemClock clock;
  FaultyDisk disk;
  constexpr int kThreads = 8;
  constexpr int kRecords = 50;
  const auto journal = must_open({directory.log(), 4 * kKiB, kMiB, true}, clock, disk);
  std::vector<std::vector<std::pair<std::uint64_t, std::string>>> written(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kRecords; ++i) {
          const std::string text = std::to_string(t) + "/" + std::to_string(i);
          const auto id = journal->append(as_bytes(text));
          if (id && journal->sync(id->index)) written[static_cast<std::size_t>(t)].emplace_back(id->index, text);
          if (i % 16 == 15) (void)journal->seal();
          (void)journal->next(0);
        }
      });
    }
  }
  const auto all = read_all(*journal);
  CHECK(all.size() == kThreads * kRecords);
  for (const auto& mine : written) {
    CHECK(mine.size() == kRecords);
    for (const auto& [index, text] : mine) CHECK(all.at(index) == text);
  }
}

TEST_CASE("a lost or damaged state is rebuilt from the segments") {
  for (const bool damaged : {false, true}) {
    CAPTURE(damaged);
    TemporaryDirectory directory;
    FakeClock clock;
    std::uint64_t log_id = 0;
    {
      const auto journal = must_open(small_log(directory), clock);
      log_id = journal->stats().log_id;
      for (int i = 0; i < 100; ++i) must_append(*journal, "0123456789");
      REQUIRE(journal->acknowledge(50));
    }
    if (damaged) {
      flip_bit(directory.log() / "state", 100);
    } else {
      fs::remove(directory.log() / "state");
    }
    const auto journal = must_open(small_log(directory), clock);
    CHECK(journal->stats().log_id == log_id);
    CHECK(journal->last_index() == 100);
    CHECK(read_all(*journal).begin()->first <= 51);
    CHECK(read_all(*journal).rbegin()->first == 100);
    CHECK(journal->gaps().empty());
  }
}

TEST_CASE("what a failed append left is no record, also when the empty segment behind it is gone") {
  TemporaryDirectory directory;
  FakeClock clock;
  std::uint64_t log_id = 0;
  {
    const auto journal = must_open(small_log(directory), clock);
    must_append(*journal, "one");
    log_id = journal->stats().log_id;
  }
  const fs::path file = segment_files(directory).at(0);
  const std::uint64_t segment = *parse_segment_file_name(file.filename().string());
  // The power was cut: the first byte of an append to a full disk is there, the cut after it is not, and the next segment has only begun.
  REQUIRE(write_file_atomic(file, *read_file(file, kMiB) + "x"));
  const Bytes header = encode_segment_header({log_id, segment + 1, 2});
  REQUIRE(write_file_atomic(directory.log() / segment_file_name(segment + 1), as_text(header)));
  for (int start = 0; start < 2; ++start) {
    const auto journal = must_open(small_log(directory), clock);
    CHECK(journal->stats().torn_bytes == 0);
    CHECK(journal->gaps().empty());
    CHECK(journal->last_index() == 1);
  }
}

TEST_CASE("a segment of a later version or of another log refuses to open") {
  TemporaryDirectory directory;
  FakeClock clock;
  {
    must_append(*must_open(small_log(directory), clock), "one");
  }
  const fs::path file = segment_files(directory).at(0);
  const std::string whole = *read_file(file, kMiB);
  Bytes other = encode_segment_header({1, *parse_segment_file_name(file.filename().string()), 1});
  REQUIRE(write_file_atomic(file, std::string(as_text(other)) + whole.substr(kSegmentHeaderBytes)));
  const auto journal = Journal::open(small_log(directory), clock);
  REQUIRE(!journal);
  CHECK(journal.error().message == file.string() + ": the segment belongs to another log");
}

// Random actions against a list of what must be there, on a disk that is killed, loses its power, is full, and fails its syncs.
TEST_CASE("random actions leave what a simple model says") {
  set_log_level(LogLevel::kOff);
  const auto seed = std::random_device{}();
  for (unsigned run = 0; run < 400; ++run) {
    CAPTURE(seed);
    CAPTURE(run);
    std::mt19937 random(seed + run);
    SeededRandom disk_random(seed + run);
    FakeClock clock;
    MemoryDisk disk;
    const Options options{"/log", 512 + random() % 2048, 4096 + random() % 16384, true};
    auto journal = Journal::open(options, clock, disk, disk_random).value();
    std::map<std::uint64_t, std::string> appended;
    std::set<std::uint64_t> durable;  // sync() said so, or somebody has read it
    std::set<std::uint64_t> acknowledged;
    std::set<std::uint64_t> acknowledged_now;                                            // since the log was opened: may not be seen again
    std::map<std::uint64_t, std::vector<std::pair<std::uint64_t, std::uint64_t>>> told;  // by the record that tells of them
    std::set<std::uint64_t> given_up;                                                    // of those, records that nobody has read
    std::uint64_t highest = 0;                                                           // of the durable ones
    const auto explained = [&](std::uint64_t index) {
      if (acknowledged.contains(index)) return true;
      const std::map<std::uint64_t, std::string> there = read_all(*journal);
      for (const auto& [teller, ranges] : told) {
        const bool read = acknowledged.contains(teller) && !given_up.contains(teller);
        if (!read && !there.contains(teller)) continue;  // lost: they must be told again
        for (const auto& [first, last] : ranges) {
          if (first <= index && index <= last) return true;
        }
      }
      return std::ranges::any_of(journal->gaps(), [&](const Gap& gap) { return gap.first_index <= index && index <= gap.last_index; });
    };
    const auto see = [&](std::uint64_t index) {
      durable.insert(index);
      highest = std::max(highest, index);
    };
    const auto acknowledge = [&](std::uint64_t index) {
      acknowledged.insert(index);
      acknowledged_now.insert(index);
    };
    for (int action = 0; action < 300; ++action) {
      clock.advance(std::chrono::seconds{random() % 20});
      switch (random() % 12) {
        case 0:
        case 1:
        case 2:
        case 3: {
          const std::string text(random() % 400, static_cast<char>('a' + random() % 26));
          if (random() % 20 == 0) disk.bytes_max = disk.used_bytes() + random() % 500;
          const auto id = journal->append(as_bytes(text));
          disk.bytes_max = UINT64_MAX;
          if (!id) break;
          CHECK(id->index > highest);
          appended[id->index] = text;
          break;
        }
        case 4:
        case 5:
          if (random() % 10 == 0) disk.syncs_to_fail = 1;
          if (journal->sync()) {
            for (const auto& [index, text] : appended) {
              if (journal->sync(index)) see(index);
            }
          }
          disk.syncs_to_fail = 0;
          std::erase_if(appended, [&](const auto& r) { return !durable.contains(r.first) && !journal->sync(r.first); });
          break;
        case 6:
          REQUIRE(journal->seal());
          break;
        case 7:
          if (!durable.empty()) {
            auto upto = durable.begin();
            std::advance(upto, random() % durable.size());
            if (random() % 3 == 0) {
              REQUIRE(journal->acknowledge(*upto));
              for (auto at = appended.begin(); at != appended.end() && at->first <= *upto; ++at) acknowledge(at->first);
              acknowledge(*upto);
            } else if (random() % 2 == 0 && !acknowledged.contains(*upto)) {
              REQUIRE(journal->give_up(*upto));
              given_up.insert(*upto);
              acknowledge(*upto);
            } else {
              REQUIRE(journal->acknowledge_one(*upto));
              acknowledge(*upto);
            }
          }
          break;
        case 8: {
          const std::uint64_t after = random() % 2 == 0 ? 0 : journal->last_index() / 2;
          for (const auto& [index, text] : read_all(*journal, after)) {
            CHECK(appended.at(index) == text);
            CHECK_FALSE(acknowledged_now.contains(index));
            see(index);
          }
          break;
        }
        case 9: {
          const auto pending = journal->gaps();
          if (pending.empty()) break;
          const std::size_t n = random() % pending.size() + 1;
          const auto teller = journal->append(as_bytes("gaps"));
          if (!teller || !journal->sync() || !journal->sync(teller->index)) break;
          appended[teller->index] = "gaps";
          see(teller->index);
          for (std::size_t i = 0; i < n; ++i) told[teller->index].emplace_back(pending[i].first_index, pending[i].last_index);
          REQUIRE(journal->gaps_told(n, teller->index));
          break;
        }
        case 10:  // an end in good order: all is synced, and the marks are kept
          journal.reset();
          for (const auto& [index, text] : appended) see(index);
          journal = Journal::open(options, clock, disk, disk_random).value();
          CHECK(journal->stats().torn_bytes == 0);
          break;
        case 11: {
          const bool power = random() % 2 == 0;
          power ? disk.cut_power(disk_random) : disk.kill();
          journal.reset();
          acknowledged_now.clear();
          journal = Journal::open(options, clock, disk, disk_random).value();
          const auto left = read_all(*journal);
          for (const auto& [index, text] : left) {
            see(index);
            if (given_up.erase(index) != 0) acknowledged.erase(index);  // it is there again
          }
          std::erase_if(appended, [&](const auto& r) { return !left.contains(r.first) && !durable.contains(r.first); });
          break;
        }
      }
      CHECK(journal->stats().bytes <= options.total_bytes_max);
      CHECK(journal->acknowledged_index() <= journal->last_index());
    }
    REQUIRE((journal->sync() || journal->sync()));
    std::erase_if(appended, [&](const auto& r) { return !durable.contains(r.first) && !journal->sync(r.first); });
    const auto all = read_all(*journal);
    CHECK(journal->stats().records == all.size());
    for (const auto& [index, text] : all) CHECK(appended.at(index) == text);
    for (const auto& [index, text] : appended) {
      CAPTURE(index);
      CHECK((all.contains(index) || explained(index)));
    }
  }
  set_log_level(LogLevel::kInfo);
}

TEST_CASE("the gaps of a record that is given up are told again, but not for ever") {
  set_log_level(LogLevel::kOff);
  FakeClock clock;
  MemoryDisk disk;
  SeededRandom random(1);
  const Options options{"/log", 512, 2 * kKiB, true};
  auto journal = Journal::open(options, clock, disk, random).value();
  while (journal->gaps().empty()) must_append(*journal, std::string(100, 'x'));
  const Gap gap = journal->gaps()[0];
  CHECK(gap.refusals == 0);
  for (std::uint32_t refusals = 1; refusals <= kGapRefusalsMax; ++refusals) {
    CAPTURE(refusals);
    const std::uint64_t teller = must_append(*journal, "gap");
    REQUIRE(journal->sync());
    REQUIRE(journal->gaps_told(1, teller));
    CHECK(journal->gaps().empty());
    REQUIRE(journal->give_up(teller));
    const auto again = journal->gaps();
    REQUIRE(again.size() == (refusals < kGapRefusalsMax ? 1 : 0));
    if (again.empty()) break;
    CHECK(again[0].first_index == gap.first_index);
    CHECK(again[0].last_index == gap.last_index);
    CHECK(again[0].refusals == refusals);
    CHECK_FALSE(read_all(*journal).contains(teller));
  }
  set_log_level(LogLevel::kInfo);
}

TEST_CASE("what is acknowledged out of order is not handed out again, is kept over a restart, and lets its segments go") {
  FakeClock clock;
  MemoryDisk disk;
  SeededRandom random(1);
  const Options options{"/log", 512, 64 * kKiB, true};
  auto journal = Journal::open(options, clock, disk, random).value();
  for (int i = 0; i < 40; ++i) must_append(*journal, std::string(100, 'x'));
  const std::size_t segments = journal->segments().size();
  for (std::uint64_t index = 11; index <= 30; ++index) REQUIRE(journal->acknowledge_one(index));
  CHECK(journal->acknowledged_index() == 0);
  CHECK(journal->segments().size() < segments);
  CHECK(journal->stats().records == 20);
  journal.reset();
  journal = Journal::open(options, clock, disk, random).value();
  const auto left = read_all(*journal);
  CHECK(left.size() == 20);
  CHECK_FALSE(left.contains(11));
  for (std::uint64_t index = 1; index <= 10; ++index) REQUIRE(journal->acknowledge_one(index));
  CHECK(journal->acknowledged_index() == 30);
  CHECK(journal->next(0).value()->id.index == 31);
}

}  // namespace
}  // namespace pga::journal
