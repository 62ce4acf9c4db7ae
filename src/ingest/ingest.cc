#include "ingest/ingest.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "directory/stream_ledger.h"
#include "ingest/record.h"
#include "wire/json_twin.h"

namespace pga::ingest {
namespace {

constexpr std::chrono::milliseconds kReplayPoll{100};
constexpr std::size_t kServerIdsKept = 100'000;
constexpr std::size_t kTargetTextBytesMax = 256;  // name, kind, identifier and version each

Status check(const wire::Frame& frame) {
  if (frame.sequence == 0 || frame.sequence > kSequenceMax)
    return invalid("sequence " + std::to_string(frame.sequence) + " is not in 1.." + std::to_string(kSequenceMax));
  for (const wire::Gap& gap : frame.gaps) {
    if (gap.first_sequence == 0 || gap.first_sequence > gap.last_sequence || gap.last_sequence > kSequenceMax) {
      return invalid("a gap from sequence " + std::to_string(gap.first_sequence) + " to " + std::to_string(gap.last_sequence) + " is none");
    }
  }
  for (const wire::Target& t : frame.targets) {
    if (t.kind.empty() || t.name.empty()) return invalid("a target without kind or name");
    const std::size_t longest = std::max({t.kind.size(), t.name.size(), t.system_identifier.size(), t.version.size()});
    if (longest > kTargetTextBytesMax)
      return invalid("a target's text of " + std::to_string(longest) + " bytes exceeds the limit of " +
                     std::to_string(kTargetTextBytesMax));
  }
  return {};
}

std::string identity_of(const directory::Collector& collector, const wire::Target& t) {
  std::string key = std::to_string(collector.id.value);
  for (const std::string* part : {&t.kind, &t.system_identifier, &t.name, &t.version}) (key += '\0') += *part;
  return key;
}

// Of a frame among the rows of a segment.
std::uint64_t weight(const wire::Frame& frame) {
  std::uint64_t rows = 0;
  for (const wire::Batch& batch : frame.batches)
    rows += std::max<std::uint64_t>(batch.rows, batch.rows * batch.columns.size() / kCellsPerRow);
  return rows;
}

// The collector reports itself as a target, whose version is its own.
std::string collector_version(const wire::Frame& frame) {
  const auto self = std::find_if(frame.targets.begin(), frame.targets.end(), [](const auto& t) { return t.kind == "collector"; });
  return self == frame.targets.end() ? "" : self->version;
}

}  // namespace

Ingest::Ingest(const Parts& parts)
    : parts_(parts),
      clock_guard_(parts.clock),
      accepted_(kRangesPerStreamMax, kStreamsPerCollectorMax),
      flusher_({parts.loop, parts.clock, parts.journal, parts.database, parts.insert, parts.sync, parts.store_run, parts.random}) {}

net::Task<Status> Ingest::start() {
  PGA_CO_TRY_STATUS(co_await parts_.registry.reload());
  PGA_CO_TRY_STATUS(co_await parts_.loop.run_blocking([this] { return replay(); }));
  for (const auto& segment : parts_.journal.segments()) {
    if (!segment.sealed) continue;
    flusher_.add(segment.id, store::Store::Earlier::kPerhaps);
    replay_through_ = segment.id;
  }
  committer_ =
      std::make_unique<Committer>(parts_.journal, parts_.clock, parts_.loop, [this](std::uint64_t segment) { flusher_.add(segment); });
  parts_.loop.spawn(committer_->run());
  started_ = true;
  co_return Status();
}

Status Ingest::replay() {
  PGA_TRY_STATUS(flusher_.load());
  PGA_TRY(const auto streams, directory::StreamLedger(parts_.database).load());
  for (const auto& stream : streams) {
    for (const auto& [first, last] : stream.ranges) accepted_.add({stream.collector.value, stream.epoch}, first, last);
  }
  // Nothing is appended to what was there before: a segment that was inserted once must never grow.
  PGA_TRY_STATUS(parts_.journal.seal());
  wire::Decoder decoder;
  std::uint64_t frames = 0;
  for (const auto& segment : parts_.journal.segments()) {
    Status broken;
    PGA_TRY_STATUS(parts_.journal.read_segment(segment.id, [&](const journal::Record& entry) {
      const auto record = decode_record(entry.payload);
      const auto frame = record ? decoder.decode(record->frame) : Result<wire::Frame>(record.error());
      if (!frame) {
        broken = frame.error().with_context("journal record " + std::to_string(entry.id.index));
        return false;
      }
      const StreamKey stream{record->collector, frame->epoch};
      accepted_.add(stream, frame->sequence, frame->sequence);
      for (const wire::Gap& gap : frame->gaps) accepted_.add(stream, gap.first_sequence, gap.last_sequence);
      ++frames;
      return true;
    }));
    PGA_TRY_STATUS(broken);
  }
  if (frames > 0)
    log_info("ingest", std::to_string(frames) + " frames of " + std::to_string(parts_.journal.segments().size()) +
                           " journal segments go to the store again");
  return {};
}

Result<wire::Frame> Ingest::decode(const directory::Collector& collector, std::string_view media_type, const std::string& body,
                                   Bytes& encoded, PushAnswer& answer) {
  if (body.size() > wire::kFrameBytesMax) {
    return too_large("frame of " + std::to_string(body.size()) + " bytes exceeds the limit of " + std::to_string(wire::kFrameBytesMax));
  }
  const ByteView bytes = as_bytes(body);
  if (media_type == kJsonType) {
    PGA_TRY(wire::Frame frame, wire::from_json(body));
    PGA_TRY(encoded, encoder_.encode(frame));  // the journal holds one spelling only
    return frame;
  }
  PGA_TRY(const wire::FrameHeader header, wire::peek_header(bytes));
  const StreamKey stream{collector.id.value, header.epoch};
  wire::ReceiverDictionary& dictionary = dictionaries_.of(stream);
  auto frame = decoder_.decode(bytes, dictionary);
  answer.dictionary = dictionary.state();
  dictionaries_.settle(stream);
  if (!frame) return frame;
  if (header.builds_on == 0) {
    encoded.assign(bytes.begin(), bytes.end());
  } else {
    auto alone = encoder_.encode(*frame);  // a segment of the journal must be readable when the dictionaries are gone
    if (!alone) return Error{ErrorCode::kNotFound, "dictionary wanted: the frame cannot be kept without one: " + alone.error().message};
    encoded = std::move(*alone);
  }
  return frame;
}

std::uint64_t Ingest::rows_to_store(wire::Frame& frame, std::int64_t received_us) const {
  refuse_far_batches(frame, received_us);
  std::uint64_t rows = 0;
  for (const wire::Batch& batch : frame.batches) {
    if (parts_.catalog.find(frame.schemas[batch.schema].source) != nullptr) rows += batch.rows;
  }
  return rows;
}

net::Task<Result<std::vector<std::uint32_t>>> Ingest::server_ids(const directory::Collector& collector, const wire::Frame& frame) {
  std::vector<std::uint32_t> ids;
  for (const wire::Target& target : frame.targets) {
    const auto known = server_ids_.find(identity_of(collector, target));
    if (known == server_ids_.end()) break;
    ids.push_back(known->second);
  }
  if (ids.size() == frame.targets.size()) co_return ids;

  std::vector<directory::TargetIdentity> identities;
  for (const wire::Target& t : frame.targets) identities.push_back({t.kind, t.system_identifier, t.name, t.version});
  PGA_CO_TRY(const auto found,
             co_await parts_.loop.run_blocking([&] { return parts_.fleet.identify(collector.tenant, collector.id, identities); }));
  if (server_ids_.size() + found.size() > kServerIdsKept) server_ids_.clear();
  ids.clear();
  for (std::size_t i = 0; i < found.size(); ++i) {
    server_ids_[identity_of(collector, frame.targets[i])] = found[i].value;
    ids.push_back(found[i].value);
  }
  co_return ids;
}

net::Task<Status> Ingest::commit(const directory::Collector& collector, const wire::Frame& frame, const Bytes& encoded,
                                 std::int64_t received_us) {
  Record record;
  PGA_CO_TRY(record.servers, co_await server_ids(collector, frame));
  record.tenant = collector.tenant.value;
  record.collector = collector.id.value;
  record.collector_uuid = collector.uuid;
  record.received_us = received_us;
  record.frame = encoded;
  co_return co_await committer_->commit(encode_record(record), weight(frame));
}

net::Task<Result<PushAnswer>> Ingest::push(directory::Collector collector, std::string_view media_type, const std::string& body) {
  if (!started_) co_return unavailable("this server is reading its journal");
  PGA_CO_TRY(const WallTime received, clock_guard_.now());
  Bytes encoded;
  PushAnswer answer;
  auto frame = decode(collector, media_type, body, encoded, answer);
  if (!frame && frame.error().code == ErrorCode::kNotFound) co_return std::move(frame).error();  // an everyday answer, no refusal
  if (Status sound = frame ? check(*frame) : Status(frame.error()); !sound) {
    parts_.registry.note_refused(collector);
    log_warning("ingest", "frame of collector " + in_quotes(collector.name) + " refused: " + sound.error().message);
    co_return std::move(sound).error();
  }
  const StreamKey stream{collector.id.value, frame->epoch};
  const std::int64_t received_us = to_micros(received);
  answer.sequence = frame->sequence;
  answer.rows = rows_to_store(*frame, received_us);

  switch (accepted_.begin(stream, frame->sequence)) {
    case Verdict::kNew:
      break;
    case Verdict::kUnderWay:
      co_return unavailable("frame " + std::to_string(frame->sequence) + " is being written; try again");
    case Verdict::kTooMany:
      co_return unavailable("the stream has too many holes, or the collector too many streams");
    case Verdict::kDuplicate:
      parts_.registry.note_duplicate(collector);
      answer.duplicate = true;
      answer.acknowledged = accepted_.contiguous(stream);
      co_return answer;
  }
  if (const Status committed = co_await commit(collector, *frame, encoded, received_us); !committed) {
    accepted_.abort(stream, frame->sequence);
    co_return committed.error();
  }
  accepted_.commit(stream, frame->sequence);
  for (const wire::Gap& gap : frame->gaps) accepted_.add(stream, gap.first_sequence, gap.last_sequence);
  answer.acknowledged = accepted_.contiguous(stream);
  parts_.registry.note_accepted(collector, answer.rows, frame->sent_us, collector_version(*frame));
  co_return answer;
}

net::Task<> Ingest::drain(Deadline deadline) {
  if (!started_.exchange(false)) co_return;
  co_await committer_->close();
  if (const Status drained = co_await flusher_.drained(deadline); !drained) {
    log_warning("ingest", std::to_string(flusher_.stats().waiting) + " journal segments are left for the next start: " +
                              (flusher_.stats().last_error.empty() ? drained.error().message : flusher_.stats().last_error));
  }
}

bool Ingest::replaying() const {
  const std::uint64_t oldest = flusher_.oldest_waiting();
  return oldest != 0 && oldest <= replay_through_;
}

net::Task<Status> Ingest::replayed() {
  while (!started_ || replaying()) PGA_CO_TRY_STATUS(co_await parts_.loop.sleep(kReplayPoll));
  co_return Status();
}

Status Ingest::ready() const {
  if (!started_) return unavailable("this server is reading its journal");
  if (replaying()) return unavailable("journal segments of the last run are being stored again");
  const auto now = clock_guard_.now();
  return now ? Status() : Status(now.error());
}

std::string Ingest::notice() const {
  const std::uint64_t refused = flusher_.set_aside();
  return refused == 0 ? "" : std::to_string(refused) + " journal segments were refused by the store; see the log";
}

}  // namespace pga::ingest
