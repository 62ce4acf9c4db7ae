// Keeps the configuration in force that the server has for this collector: fetched when an answer of the server names another version,
// kept in <state_dir>/configuration.json. Whatever goes wrong here, collecting and sending go on as they were.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "net/loop.h"
#include "net/retry.h"
#include "uplink/transport.h"

namespace pga::uplink {

class ConfigurationPull {
 public:
  // Takes a text as a whole, or refuses it and changes nothing; the error goes to the server, for people to read.
  using Apply = std::function<Status(const std::string& yaml)>;

  // All outlive it.
  ConfigurationPull(std::filesystem::path state_dir, Transport& transport, net::Loop& loop, Random& random, Apply apply);

  void restore();                                                        // what was in force when the last run ended
  void announced(std::uint64_t version);                                 // an answer of the server named it
  net::Task<> run();                                                     // until the loop stops
  [[nodiscard]] std::uint64_t in_force() const { return in_force_; }     // 0: the server has said nothing
  [[nodiscard]] const std::string& refused() const { return refused_; }  // why the newest is not in force; empty: it is

 private:
  net::Task<Status> sync();  // tells what is known and takes what is new
  void take(std::uint64_t version, const std::string& yaml);

  const std::filesystem::path state_dir_;
  Transport& transport_;
  net::Loop& loop_;
  const Apply apply_;
  net::Backoff backoff_;
  net::Event changed_;
  std::uint64_t wanted_ = 0;  // what the server named last
  std::uint64_t seen_ = 0;    // the newest that was taken or refused
  std::uint64_t in_force_ = 0;
  bool told_ = true;  // the server knows of seen_ and refused_
  std::string refused_;
  std::string failure_;  // of the last attempt, so that it is logged once
};

}  // namespace pga::uplink
