// Opens a log whose segment is the input (first byte 0), or a good log whose bytes the input changes: three bytes a change, offset
// and what is xored, or a cut. What is read then is what was written, and a change loses at most the record that it hits.
#include <map>

#include "base/check.h"
#include "base/log.h"
#include "journal/format_internal.h"
#include "journal/memory_disk.h"

namespace {

using namespace pga;
using namespace pga::journal;

std::map<std::uint64_t, Bytes> read_all(Journal& journal) {
  std::map<std::uint64_t, Bytes> out;
  for (auto record = journal.next(0); record && *record; record = journal.next(out.rbegin()->first)) {
    PGA_CHECK(out.emplace((*record)->id.index, (*record)->payload).second);
  }
  return out;
}

std::unique_ptr<Journal> open(MemoryDisk& disk) {
  static FakeClock clock;
  auto journal = Journal::open({"/log", 16 * kMiB, 64 * kMiB, true}, clock, disk);
  return journal ? std::move(*journal) : nullptr;
}

void open_twice(MemoryDisk& disk) {
  const auto first = open(disk);
  if (first == nullptr) return;
  const auto records = read_all(*first);
  const auto index = first->append(as_bytes("new"));
  PGA_CHECK(index.has_value() && (records.empty() || index->index > records.rbegin()->first));
  const auto second = open(disk);  // as after a crash
  PGA_CHECK(second != nullptr && read_all(*second).size() == records.size() + 1 && second->stats().torn_bytes == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  set_log_level(LogLevel::kError);
  if (size == 0) return 0;
  const ByteView input = std::as_bytes(std::span(data, size)).subspan(1);
  MemoryDisk disk;
  const std::string path = "/log/" + segment_file_name(1);
  disk.put(path, Bytes(input.begin(), input.end()));
  if (data[0] == 0) {
    open_twice(disk);
    return 0;
  }

  std::map<std::uint64_t, Bytes> written;
  Bytes& content = disk.bytes(path);
  content = encode_segment_header({7, 1, 1});
  for (std::uint64_t index = 1; index <= 12; ++index) {
    Bytes record;
    written[index] = Bytes(index * index % 50, static_cast<std::byte>(index));
    encode_record(record_crc_seed(7, 1), index, 1'000'000, written[index], record);
    content.insert(content.end(), record.begin(), record.end());
  }
  State state;
  state.log_id = 7;
  state.next_segment = 2;
  PGA_CHECK(disk.replace_small("/log/state", encode_state(state)).has_value());
  std::size_t changes = 0;
  for (std::size_t at = 0; at + 3 <= input.size() && changes < 4; at += 3, ++changes) {
    const std::size_t offset = static_cast<std::size_t>(input[at]) + 256 * static_cast<std::size_t>(input[at + 1]);
    if (offset < content.size()) content[offset] ^= input[at + 2];
  }
  const auto journal = open(disk);
  if (journal == nullptr) return 0;  // the header now names a later version
  std::size_t lost = written.size();
  for (const auto& [index, payload] : read_all(*journal)) {
    PGA_CHECK(written.at(index) == payload);
    --lost;
  }
  PGA_CHECK(lost <= changes);
  return 0;
}
