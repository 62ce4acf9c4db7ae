// log_destination = jsonlog (PostgreSQL 15 and later): one flat object a line.
#pragma once

#include "logs/event.h"

namespace pga::logs {

class JsonParser final : public Parser {
 public:
  explicit JsonParser(Sink sink) : sink_(std::move(sink)) {}
  void feed(std::string_view bytes) override;
  void finish() override;
  [[nodiscard]] std::uint64_t open_bytes() const override { return open_bytes_; }

 private:
  enum class State : std::uint8_t { kObject, kKey, kKeyString, kColon, kValue, kString, kBare, kAfterValue, kDone, kBroken };

  void take(char c);
  void escape(char c);  // what stands behind a backslash
  void put(std::string_view bytes);
  void put_code_point();
  void key_ended();
  void line_ended();

  const Sink sink_;
  Event event_;
  State state_ = State::kObject;
  std::string key_;
  Field field_ = Field::kCount;  // kCount: a key that is left aside
  int escape_ = 0;               // 0: none, 1: behind a backslash, 2 to 5: digits of \u
  unsigned unit_ = 0;            // of UTF-16
  unsigned high_ = 0;            // the first of two
  std::uint64_t open_bytes_ = 0;
};

}  // namespace pga::logs
