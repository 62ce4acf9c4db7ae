// The dictionary of a stream: strings, numbers, targets, schemas and keys of rows that frames of one (collector, epoch) need not
// repeat. docs/wire.md, section "Dictionary". It holds names, never values: a receiver may drop it at any time, and answers
// "dictionary wanted" to a frame that builds on what it does not have.
#pragma once

#include <cstdint>
#include <memory>

namespace pga::wire {

// What the sender believes the receiver to have. A frame that is encoded with it adds to it at once: when the frame was not
// acknowledged, reset() and encode it again.
class SenderDictionary {
 public:
  SenderDictionary();
  ~SenderDictionary();
  SenderDictionary(SenderDictionary&&) noexcept;
  SenderDictionary& operator=(SenderDictionary&&) noexcept;

  void reset();                               // the next frame starts anew and carries what it needs
  [[nodiscard]] std::uint64_t state() const;  // names the content; 0: nothing
  [[nodiscard]] std::size_t entries() const;
  [[nodiscard]] std::size_t bytes() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// What the receiver has of one stream. A frame that fails to decode changes nothing.
class ReceiverDictionary {
 public:
  ReceiverDictionary();
  ~ReceiverDictionary();
  ReceiverDictionary(ReceiverDictionary&&) noexcept;
  ReceiverDictionary& operator=(ReceiverDictionary&&) noexcept;

  [[nodiscard]] std::uint64_t state() const;  // 0: nothing
  [[nodiscard]] std::size_t entries() const;
  [[nodiscard]] std::size_t bytes() const;  // of memory, roughly

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace pga::wire
