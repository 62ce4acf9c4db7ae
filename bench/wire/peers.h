// What others send of a whole reading, as formats that are encoded and decoded here: plain JSON, OpenTelemetry's metrics in protobuf,
// Prometheus' remote write 1 and 2, and rows of varints whose schema both ends know.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "recording.h"

namespace pga::bench {

struct Peer {
  std::string name;
  std::function<std::string(const Snapshot&)> encode;
  // Parses it and returns how many values it has.
  std::function<std::size_t(const std::string&)> decode;
};

std::vector<Peer> peers();

std::string gzip(const std::string& text, int level);
std::string gunzip(const std::string& packed, std::size_t bytes);
std::string zstd(const std::string& text, int level);
std::string unzstd(const std::string& packed, std::size_t bytes);

}  // namespace pga::bench
