// The dictionaries of the streams that push to this server: a cache of names, which may be dropped at any time.
#pragma once

#include <cstddef>
#include <list>
#include <map>

#include "ingest/streams.h"
#include "wire/dictionary.h"

namespace pga::ingest {

// Not thread-safe: one loop owns it.
class Dictionaries {
 public:
  explicit Dictionaries(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // The stream's dictionary, empty if it is not held; it becomes the one that was used last. Valid until the next call.
  wire::ReceiverDictionary& of(StreamKey stream);
  // After `of` and decoding: counts what the stream's has become, and drops those that were not used for longest.
  void settle(StreamKey stream);
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  static constexpr std::size_t kEntryBytes = 1'024;  // of an empty one, roughly
  struct Entry {
    wire::ReceiverDictionary dictionary;
    std::size_t bytes = 0;
    std::list<StreamKey>::iterator place;
  };
  void drop(std::map<StreamKey, Entry>::iterator at);

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::map<StreamKey, Entry> entries_;
  std::list<StreamKey> by_use_;  // the last one used is first
};

}  // namespace pga::ingest
