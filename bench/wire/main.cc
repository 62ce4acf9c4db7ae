// How many bytes does a push of PostgreSQL statistics take, and what do encoding and decoding cost: whole readings in the formats that
// others send, and our frames, from one recording, in one run?
//
// Ours goes the product's way: readings -> collect::Increments -> wire::Encoder -> wire::Decoder; every decoded cell is compared with the
// recording by code of its own. A sample is a cell of a whole reading that is neither null nor a key. Times are processor time of the
// thread, the median of the repetitions. The increments, which every format of ours needs first, are counted apart.
#include <sys/utsname.h>
#include <time.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <numeric>

#include "base/check.h"
#include "collect/increments.h"
#include "heap.h"
#include "peers.h"
#include "recording.h"
#include "reference.h"
#include "wire/codec.h"
#include "wire/json_twin.h"

namespace {

using namespace pga;
using namespace pga::bench;

constexpr int kRepetitions = 5;
constexpr std::size_t kPeerPushes = 7;  // evenly spaced: a whole reading has the same size wherever it is taken

double thread_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

struct Row {
  std::string name;
  double first = 0, mean = 0, median = 0;                  // bytes of a push
  double samples = 0;                                      // of a push, where it was measured
  double increments_ns = 0, encode_ns = 0, decode_ns = 0;  // a sample
  std::size_t heap_encode = 0, heap_decode = 0;
  bool has_decode = true;
};

Row measure(const Peer& peer, const Recording& recording) {
  Row row;
  row.name = peer.name;
  std::vector<const Snapshot*> pushes;
  const std::size_t count = std::min(kPeerPushes, recording.snapshots.size());
  for (std::size_t i = 0; i < count; ++i)
    pushes.push_back(&recording.snapshots[(recording.snapshots.size() - 1) * i / std::max<std::size_t>(count - 1, 1)]);
  std::vector<double> bytes, encode, decode;
  double samples = 0;
  for (const Snapshot* push : pushes) samples += static_cast<double>(push->samples);
  for (int repetition = 0; repetition <= kRepetitions; ++repetition) {  // the first one is for sizes, and not timed
    const bool timed = repetition > 0;
    double encode_ns = 0, decode_ns = 0;
    for (const Snapshot* push : pushes) {
      if (!timed) heap_mark();
      double start = thread_ns();
      const std::string body = peer.encode(*push);
      encode_ns += thread_ns() - start;
      if (!timed) {
        row.heap_encode = std::max(row.heap_encode, heap_peak());
        bytes.push_back(static_cast<double>(body.size()));
        heap_mark();
      }
      start = thread_ns();
      const std::size_t values = peer.decode(body);
      decode_ns += thread_ns() - start;
      if (!timed) row.heap_decode = std::max(row.heap_decode, heap_peak());
      PGA_CHECK(values >= push->samples);
    }
    if (!timed) continue;
    encode.push_back(encode_ns / samples);
    decode.push_back(decode_ns / samples);
  }
  row.first = bytes.front();
  row.mean = std::accumulate(bytes.begin(), bytes.end(), 0.0) / static_cast<double>(bytes.size());
  row.median = median(bytes);
  row.samples = samples / static_cast<double>(pushes.size());
  row.encode_ns = median(encode);
  row.decode_ns = median(decode);
  return row;
}

// The frames of one replay: what the collector's outbox would have made.
class Replay {
 public:
  explicit Replay(const Recording& recording) {
    for (const catalog::Source& source : recording.sources) increments_.emplace(source.name, source);
  }
  // `readings`: the snapshot's, which are used up.
  wire::Frame frame(const Snapshot& snapshot, std::vector<std::pair<const catalog::Source*, collect::Reading>>& readings) {
    wire::Frame frame;
    frame.epoch = 0x70676131;
    frame.sequence = ++sequence_;
    frame.sent_us = snapshot.at_us + 200'000;
    frame.targets = {{"postgres", "app", "7561234567890123456", "15.18"}};
    for (auto& [source, reading] : readings) {
      auto at = std::ranges::find_if(frame.schemas, [&](const wire::Schema& s) { return s.source == source->name; });
      if (at == frame.schemas.end()) at = frame.schemas.insert(at, source->schema());
      wire::Batch& batch = frame.batches.emplace_back(pool_.take());
      batch.schema = static_cast<std::uint32_t>(at - frame.schemas.begin());
      batch.started_us = reading.started_us;
      batch.duration_us = reading.duration_us;
      increments_.at(source->name).apply(reading, frame.strings, batch);
    }
    return frame;
  }
  void recycle(wire::Frame& frame) { pool_.give(std::move(frame.batches)); }

 private:
  std::map<std::string, collect::Increments> increments_;
  wire::BatchPool pool_;
  std::uint64_t sequence_ = 0;
};

struct Format {
  std::string name;
  // Returns the body, and decodes what it returned.
  std::function<std::string(const wire::Frame&)> encode;
  std::function<wire::Frame(const std::string&)> decode;
  std::function<void()> restart;
};

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "bench wire: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

std::vector<Format> ours() {
  std::vector<Format> formats;
  const auto binary = [&](const std::string& name, wire::EncodeOptions options, bool stream) {
    struct State {
      explicit State(wire::EncodeOptions o) : encoder(o) {}
      wire::Encoder encoder;
      wire::Decoder decoder;
      wire::SenderDictionary sender;
      wire::ReceiverDictionary receiver;
    };
    auto state = std::make_shared<State>(options);
    formats.push_back({name,
                       [=](const wire::Frame& f) {
                         const Bytes bytes = must(stream ? state->encoder.encode(f, state->sender) : state->encoder.encode(f));
                         return std::string(as_text(bytes));
                       },
                       [=](const std::string& body) {
                         return must(stream ? state->decoder.decode(as_bytes(body), state->receiver)
                                            : state->decoder.decode(as_bytes(body)));
                       },
                       [=] {
                         state->sender.reset();
                         state->receiver = wire::ReceiverDictionary();
                       }});
  };
  const auto twin = [&](const std::string& name, auto pack, auto unpack) {
    auto plain_bytes = std::make_shared<std::size_t>(0);
    formats.push_back({name,
                       [=](const wire::Frame& f) {
                         const std::string text = must(wire::to_json(f));
                         *plain_bytes = text.size();
                         return pack(text);
                       },
                       [=](const std::string& body) { return must(wire::from_json(unpack(body, *plain_bytes))); }, [] {}});
  };
  twin("ours, JSON twin", [](const std::string& t) { return t; }, [](const std::string& t, std::size_t) { return t; });
  twin(
      "ours, JSON twin+gzip-6", [](const std::string& t) { return gzip(t, 6); },
      [](const std::string& t, std::size_t n) { return gunzip(t, n); });
  twin(
      "ours, JSON twin+zstd-3", [](const std::string& t) { return zstd(t, 3); },
      [](const std::string& t, std::size_t n) { return unzstd(t, n); });
  binary("ours, standing alone, zstd-3", {wire::Codec::kZstd, 3}, false);
  binary("ours, no codec", {wire::Codec::kNone, 0}, true);
  binary("ours, zstd-1", {wire::Codec::kZstd, 1}, true);
  binary("ours, zstd-3", {wire::Codec::kZstd, 3}, true);
  return formats;
}

Row measure(const Format& format, const Recording& recording, std::size_t& mismatches, std::size_t& compared) {
  Row row;
  row.name = format.name;
  std::vector<double> bytes, encode, decode, increments;
  double samples = 0;  // of all pushes but the first, which starts the dictionary
  for (std::size_t i = 1; i < recording.snapshots.size(); ++i) samples += static_cast<double>(recording.snapshots[i].samples);
  for (int repetition = 0; repetition <= kRepetitions; ++repetition) {  // the first one is for sizes and cells, and not timed
    const bool timed = repetition > 0;
    format.restart();
    Replay replay(recording);
    Reference reference;
    double increments_ns = 0, encode_ns = 0, decode_ns = 0;
    for (std::size_t i = 0; i < recording.snapshots.size(); ++i) {
      const Snapshot& snapshot = recording.snapshots[i];
      auto readings = snapshot.readings;
      if (!timed) heap_mark();
      const double start = thread_ns();
      wire::Frame frame = replay.frame(snapshot, readings);
      const double read = thread_ns();
      const std::string body = format.encode(frame);
      const double encoded = thread_ns();
      replay.recycle(frame);
      if (!timed) {
        row.heap_encode = std::max(row.heap_encode, heap_peak());
        heap_mark();
      }
      const double decode_start = thread_ns();
      const wire::Frame decoded = format.decode(body);
      const double done = thread_ns();
      if (!timed) row.heap_decode = std::max(row.heap_decode, heap_peak());
      if (i > 0) {
        increments_ns += read - start;
        encode_ns += encoded - read;
        decode_ns += done - decode_start;
      }
      if (timed) continue;
      bytes.push_back(static_cast<double>(body.size()));
      mismatches += reference.mismatches(snapshot, decoded);
    }
    compared += reference.cells_compared();
    if (!timed) continue;
    increments.push_back(increments_ns / samples);
    encode.push_back(encode_ns / samples);
    decode.push_back(decode_ns / samples);
  }
  row.first = bytes.front();
  bytes.erase(bytes.begin());
  row.samples = samples / static_cast<double>(bytes.size());
  row.mean = std::accumulate(bytes.begin(), bytes.end(), 0.0) / static_cast<double>(bytes.size());
  row.median = median(bytes);
  row.increments_ns = median(increments);
  row.encode_ns = median(encode);
  row.decode_ns = median(decode);
  return row;
}

// The push after one in which nothing changed: the last snapshot once more.
std::size_t idle_bytes(const Recording& recording) {
  wire::Encoder encoder;
  wire::SenderDictionary dictionary;
  Replay replay(recording);
  Snapshot again = recording.snapshots.back();
  auto readings = again.readings;
  static_cast<void>(must(encoder.encode(replay.frame(again, readings), dictionary)));
  std::erase_if(again.readings, [](const auto& r) { return r.first->shape == catalog::Shape::kSamples; });
  again.at_us += 5'000'000;
  for (auto& [source, reading] : again.readings) {
    reading.started_us += 5'000'000;
    reading.duration_us += static_cast<std::uint64_t>(reading.started_us % 977);
  }
  for (std::int64_t second = 0; second < 5; ++second) {  // five samples without a session that does something
    const catalog::Source* activity = recording.snapshots.back().readings.back().first;
    collect::Reading none;
    none.started_us = again.at_us + second * 1'000'123;
    none.duration_us = static_cast<std::uint64_t>(600 + 37 * second);
    none.cells.columns.resize(activity->columns.size());
    again.readings.emplace_back(activity, std::move(none));
  }
  readings = again.readings;
  return must(encoder.encode(replay.frame(again, readings), dictionary)).size();
}

boost::json::object json_of(const Row& row) {
  return {{"name", row.name},
          {"bytes_per_push_first", row.first},
          {"bytes_per_push_mean", row.mean},
          {"bytes_per_push_median", row.median},
          {"bytes_per_sample", row.mean / row.samples},
          {"increments_ns_per_sample", row.increments_ns},
          {"encode_ns_per_sample", row.encode_ns},
          {"decode_ns_per_sample", row.decode_ns},
          {"heap_bytes_encode_peak", row.heap_encode},
          {"heap_bytes_decode_peak", row.heap_decode}};
}

void print(const Row& row) {
  std::printf("%-30s %11.0f %11.0f %11.0f %8.3f %9.1f %9.1f %9.1f %9.1f\n", row.name.c_str(), row.first, row.mean, row.median,
              row.mean / row.samples, row.encode_ns, row.decode_ns, static_cast<double>(row.heap_encode) / 1024,
              static_cast<double>(row.heap_decode) / 1024);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  std::string directory = PGA_SOURCE_DIR "/bench/testdata/pgstat-recording", json_file, only;
  double interval = 0;
  CLI::App app{"Replays a recording of PostgreSQL's statistics through every format and prints bytes and processor time of a push."};
  app.footer("examples:\n  ./run bench wire\n  ./run bench wire --interval 60 --json wire.json");
  app.add_option("--recording", directory, "directory of the recording: meta.csv.zst and one file for each view")->capture_default_str();
  app.add_option("--interval", interval, "seconds between pushes, a multiple of the recording's; default: the recording's");
  app.add_option("--only", only, "only this format, as it is called in the table");
  app.add_option("--json", json_file, "write the figures to this file");
  CLI11_PARSE(app, argc, argv);

  const double recorded = must(recording_interval(directory));
  const auto step = static_cast<std::size_t>(std::max(1.0, interval / recorded + 0.5));
  const Recording recording = must(read_recording(directory, PGA_SOURCE_DIR "/bench/wire/catalog", step));
  if (recording.snapshots.size() < 2) {
    std::fprintf(stderr, "bench wire: an interval of %.0f s leaves %zu pushes of the recording; at least 2 are needed\n", interval,
                 recording.snapshots.size());
    return 2;
  }
  utsname machine{};
  uname(&machine);
  std::printf("%s: %zu pushes, %.0f s apart. %s, %s, %s build. %d repetitions, medians.\n\n", directory.c_str(), recording.snapshots.size(),
              recorded * static_cast<double>(step), machine.machine, __VERSION__, PGA_BUILD_TYPE, kRepetitions);
  std::printf("%-30s %11s %11s %11s %8s %9s %9s %9s %9s\n", "", "first push", "mean", "median", "bytes a", "encode", "decode", "encode",
              "decode");
  std::printf("%-30s %11s %11s %11s %8s %9s %9s %9s %9s\n", "", "bytes", "bytes", "bytes", "sample", "ns/sample", "ns/sample", "heap KiB",
              "heap KiB");

  std::vector<Row> rows;
  for (const Peer& peer : peers()) {
    if (only.empty() || peer.name == only) print(rows.emplace_back(measure(peer, recording)));
  }
  std::size_t mismatches = means_that_do_not_follow(recording), compared = 0;
  for (const Format& format : ours()) {
    if (only.empty() || format.name == only) print(rows.emplace_back(measure(format, recording, mismatches, compared)));
  }
  if (!only.empty()) return rows.empty() || mismatches > 0 ? 1 : 0;

  const auto row_of = [&](const std::string& name) -> const Row& {
    return *std::ranges::find_if(rows, [&](const Row& r) { return r.name == name; });
  };
  const Row& best = row_of("ours, zstd-3");
  const std::size_t idle = idle_bytes(recording);
  std::printf("\n%.0f samples a push; making increments of them, before encoding, takes %.1f ns a sample\n", best.samples,
              best.increments_ns);
  for (const char* name : {"JSON+gzip-6", "OTLP+zstd-3", "remote write 1+snappy", "row varint+zstd-3"})
    std::printf("ours with zstd-3 is %.1f times smaller than %s\n", row_of(name).mean / best.mean, name);
  std::printf("a push in which nothing changed: %zu bytes\n", idle);
  std::printf("%zu decoded cells compared with the recording, %zu mismatches\n", compared, mismatches);

  if (!json_file.empty()) {
    boost::json::array formats;
    for (const Row& row : rows) formats.push_back(json_of(row));
    std::ofstream(json_file) << boost::json::object{{"recording", directory},
                                                    {"interval_s", recorded * static_cast<double>(step)},
                                                    {"pushes", recording.snapshots.size()},
                                                    {"samples_per_push", best.samples},
                                                    {"idle_bytes", idle},
                                                    {"cells_compared", compared},
                                                    {"mismatches", mismatches},
                                                    {"formats", formats}}
                             << "\n";
  }
  return mismatches == 0 ? 0 : 1;
}
