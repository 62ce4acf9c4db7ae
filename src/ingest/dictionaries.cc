#include "ingest/dictionaries.h"

namespace pga::ingest {

wire::ReceiverDictionary& Dictionaries::of(StreamKey stream) {
  const auto [at, is_new] = entries_.try_emplace(stream);
  if (is_new) {
    at->second.place = by_use_.insert(by_use_.begin(), stream);
  } else {
    by_use_.splice(by_use_.begin(), by_use_, at->second.place);
  }
  return at->second.dictionary;
}

void Dictionaries::settle(StreamKey stream) {
  const auto at = entries_.find(stream);
  if (at == entries_.end()) return;
  if (at->second.dictionary.state() == 0) {  // nothing was ever decoded
    drop(at);
    return;
  }
  bytes_ -= at->second.bytes;
  at->second.bytes = kEntryBytes + at->second.dictionary.bytes();
  bytes_ += at->second.bytes;
  while (bytes_ > bytes_max_ && entries_.size() > 1) drop(entries_.find(by_use_.back()));
}

void Dictionaries::drop(std::map<StreamKey, Entry>::iterator at) {
  bytes_ -= at->second.bytes;
  by_use_.erase(at->second.place);
  entries_.erase(at);
}

}  // namespace pga::ingest
