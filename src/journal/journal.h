// A durable log of records in segment files: the collector's spool and the server's write-ahead log.
//
// docs/journal.md has the format. A record is acknowledged to a peer only after sync() returned. A segment is the unit of
// deletion, of replay and of the server's deduplication token: once sealed it never changes. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/result.h"

namespace pga::journal {

inline constexpr std::size_t kRecordBytesMax = 8 * kMiB;
inline constexpr std::uint32_t kGapRefusalsMax = 8;  // a gap that is always refused must not be told for ever

struct Options {
  std::filesystem::path directory;            // created if absent; locked while open
  std::size_t segment_bytes_max = 16 * kMiB;  // a segment is sealed before it would grow beyond; at most total_bytes_max / 4
  std::size_t total_bytes_max = 256 * kMiB;   // beyond, the oldest sealed segment goes and a Gap takes its place
  bool drop_oldest_when_full = true;          // false (server): append fails with kUnavailable instead
};

struct RecordId {
  std::uint64_t segment = 0;  // unique for ever within this log: starts at milliseconds since 1970 of the log's creation, then counts up
  std::uint64_t index = 0;    // 1, 2, 3, … over the whole log, never reused, survives deletion of segments
  auto operator<=>(const RecordId&) const = default;
};

struct Record {
  RecordId id;
  std::int64_t written_us = 0;  // wall clock at append, microseconds since 1970
  Bytes payload;
};

struct SegmentInfo {
  std::uint64_t id = 0;
  std::uint64_t first_index = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  bool sealed = false;
};

// Records that were dropped because the log was full, or lost by the disk (checksum failure, torn tail, failed fsync).
struct Gap {
  std::uint64_t first_index = 0;
  std::uint64_t last_index = 0;
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;
  std::uint64_t bytes = 0;
  bool corrupt = false;  // the disk's fault instead of a full log
  // Records that told of it and were given up; perhaps because of it, so the next one should tell of nothing else. Not kept over a restart.
  std::uint32_t refusals = 0;
};

struct Stats {
  std::uint64_t log_id = 0;    // random, chosen when the directory was first used
  std::uint64_t records = 0;   // not yet acknowledged
  std::uint64_t bytes = 0;     // on disk
  std::int64_t oldest_us = 0;  // written_us of the oldest unacknowledged record; 0 if none
  std::uint64_t dropped_records = 0;
  std::uint64_t corrupt_records = 0;
  std::uint64_t torn_bytes = 0;  // cut from the tail when opened
  std::uint64_t rebuilt = 0;     // the state and headers of segments that were damaged when opened; nothing is lost with them
};

class Disk;

class Journal {
 public:
  // Opens or creates. Cuts a torn tail (an unfinished last record) and says so in stats; a record in the middle that fails its
  // checksum is skipped alone. Fails with kUnavailable if the directory is locked by another process or cannot be used.
  static Result<std::unique_ptr<Journal>> open(Options options, Clock& clock);
  // For tests that own the disk (disk.h) and the random id of a new log.
  static Result<std::unique_ptr<Journal>> open(Options options, Clock& clock, Disk& disk);
  static Result<std::unique_ptr<Journal>> open(Options options, Clock& clock, Disk& disk, Random& random);
  virtual ~Journal() = default;

  // Written but not yet durable. Fails with kTooLarge, or kUnavailable (disk full, log full, failed segment).
  virtual Result<RecordId> append(ByteView payload) = 0;

  // Everything appended before the call is on stable storage when it returns ok. After a failed fsync the segment is dead: it
  // is sealed, what was not synced is reported lost by the error (and as a gap), and appends go on in a new segment.
  // Appends go on while it runs. Where several threads append, sync(index) is the exact question: it fails if that record was
  // lost; sync() reports a loss to whoever waits and to one later call.
  virtual Status sync() = 0;
  virtual Status sync(std::uint64_t index) = 0;  // everything up to and including `index`

  // Closes the active segment for ever and returns it; nothing if it has no records. Syncs it first.
  virtual Result<std::optional<SegmentInfo>> seal() = 0;

  // All records up to and including `index` are no longer needed; sealed segments without needed records are deleted. The mark
  // is kept across restarts (a lost mark only repeats records).
  virtual Status acknowledge(std::uint64_t index) = 0;
  // This record alone: what is newer may be needed no longer while what is older still is.
  virtual Status acknowledge_one(std::uint64_t index) = 0;
  // This record is no longer needed because its reader will never take it. The gaps that it told of have to be told again, up to
  // kGapRefusalsMax times: then they are forgotten.
  virtual Status give_up(std::uint64_t index) = 0;

  // Sealed and active segments, oldest first.
  virtual std::vector<SegmentInfo> segments() const = 0;

  // Calls `visit` for each valid record of the segment in order; stops when it returns false. Records that are not yet durable
  // are synced first, here and in next(). No lock is held meanwhile. kNotFound if there is no such segment.
  virtual Status read_segment(std::uint64_t segment, const std::function<bool(const Record&)>& visit) = 0;

  // The first unacknowledged record with an index greater than `after`, or nothing. Cheap when reading in order.
  virtual Result<std::optional<Record>> next(std::uint64_t after) = 0;

  // Deletes one sealed segment whatever the mark (the server, after its flush).
  virtual Status remove_segment(std::uint64_t segment) = 0;

  // Gaps that no record tells of yet, oldest first.
  virtual std::vector<Gap> gaps() = 0;
  // The durable record `index` tells of the first `count` of gaps(). Once it is acknowledged they are forgotten; if it is lost itself, they
  // have to be told again.
  virtual Status gaps_told(std::size_t count, std::uint64_t index) = 0;

  virtual std::uint64_t last_index() const = 0;          // of the last record appended; 0 if none ever
  virtual std::uint64_t acknowledged_index() const = 0;  // every record up to it is acknowledged or lost
  virtual Stats stats() const = 0;
};

}  // namespace pga::journal
