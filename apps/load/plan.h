// What the command line asks for.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace pga::load {

// W0: the load of the published figures. W1: a recording of PostgreSQL.
enum class Load : std::uint8_t { kW0, kW1 };
// When collectors push first: all at once, each at a moment of its own in the first interval, or one after the other.
enum class Start : std::uint8_t { kHerd, kJitter, kRamp };

struct Plan {
  std::string url;                    // https://…: with identity and token; http://…: a null server
  std::filesystem::path token_file;   // enrolment token that is good for all of them
  std::filesystem::path directory;    // of the collectors' spools and identities
  std::filesystem::path sources_dir;  // declarations that are not built in
  std::size_t collectors = 10;
  std::size_t first = 1;  // number of the first one, so that several processes make different ones
  std::uint64_t pushes = 15;
  std::chrono::microseconds interval{60'000'000};  // between two pushes of a collector
  // Above 0, a closed loop: the next push is made when fewer than that many of its collector are on their way, whatever the interval.
  std::size_t window = 0;
  std::chrono::seconds flat_out{60};  // a closed loop ends after that, or after `pushes`
  Load load = Load::kW0;
  std::filesystem::path recording, declarations;  // of W1
  Start start = Start::kJitter;
  std::filesystem::path result_file;  // empty: the result goes to standard output
  bool json = false;
  bool own_addresses = false;  // each collector connects from an address of its own in 127.0.0.0/8
  std::size_t loops = 2;
  std::chrono::seconds enrol_max{300};
  std::chrono::seconds wait_max{60};  // after the last push was due
};

}  // namespace pga::load
