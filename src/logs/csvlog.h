// log_destination = csvlog, of any version: 23 columns in 12, 24 in 13, 26 from 14 on; more are left aside.
#pragma once

#include "logs/event.h"

namespace pga::logs {

class CsvParser final : public Parser {
 public:
  explicit CsvParser(Sink sink) : sink_(std::move(sink)) {}
  void feed(std::string_view bytes) override;
  void finish() override;
  [[nodiscard]] std::uint64_t open_bytes() const override { return open_bytes_; }

 private:
  // kSearch: behind something broken; a line that begins with a time begins the next event.
  enum class State : std::uint8_t { kBegin, kCell, kQuoted, kQuoteInQuoted, kSearch };

  void add(std::string_view bytes);
  void next_cell();
  void end();     // of a record
  void broken();  // the record cannot be an event
  void restart(std::string_view kept);

  const Sink sink_;
  Event event_;
  State state_ = State::kBegin;
  std::size_t cell_ = 0;
  std::string line_;  // kSearch: the beginning of the line at hand
  bool line_decided_ = false;
  std::uint64_t open_bytes_ = 0;
};

}  // namespace pga::logs
