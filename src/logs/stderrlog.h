// log_destination = stderr with any log_line_prefix. Lines that begin with a tab continue the one before; DETAIL, HINT, QUERY, CONTEXT,
// STATEMENT and LOCATION lines belong to the event before them when the prefix names the same process or none.
#pragma once

#include <vector>

#include "logs/event.h"
#include "logs/prefix.h"

namespace pga::logs {

class StderrParser final : public Parser {
 public:
  // `prefix`: log_line_prefix. PostgreSQL's default is tried too: it is in force until the configuration has been read.
  StderrParser(std::string_view prefix, Sink sink);
  void feed(std::string_view bytes) override;
  void settle() override;
  void finish() override;
  [[nodiscard]] std::uint64_t open_bytes() const override { return open_bytes_; }

 private:
  void begin_line();  // what line_ has is enough to know what the line is
  void line_ended();
  void emit();
  void take_state();
  void take_position();

  const std::vector<Prefix> prefixes_;
  const Sink sink_;
  Event event_;
  bool open_ = false;     // event_ has something
  bool decided_ = false;  // the line at hand goes to field_
  Field field_ = Field::kMessage;
  std::string line_;
  std::uint64_t line_bytes_ = 0;
  std::uint64_t open_bytes_ = 0;
};

}  // namespace pga::logs
