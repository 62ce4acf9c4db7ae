// One SQLite database: statements with $1, $2, … (which PostgreSQL understands too), transactions, numbered migrations.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pga::directory {

// A parameter. Times are microseconds since 1970, digests hexadecimal text, 64-bit unsigned values 16 hexadecimal digits.
class Value {
 public:
  template <std::integral T>
  Value(T number) : kind_(Kind::kInteger), number_(static_cast<std::int64_t>(number)) {}  // NOLINT: implicit on purpose, as all here
  Value(std::string text) : kind_(Kind::kText), text_(std::move(text)) {}                 // NOLINT
  Value(std::optional<std::int64_t> number);                                              // NOLINT

 private:
  friend class Database;
  enum class Kind : std::uint8_t { kNull, kInteger, kText };
  Kind kind_ = Kind::kNull;
  std::int64_t number_ = 0;
  std::string text_;
};

// What a query answers, one row at a time; valid only during the visit. Columns count from 0.
class Row {
 public:
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::optional<std::int64_t> maybe_integer(int column) const;
  [[nodiscard]] std::optional<std::string> maybe_text(int column) const;

 private:
  friend class Database;
  explicit Row(void* statement) : statement_(statement) {}
  [[nodiscard]] bool is_null(int column) const;
  void* statement_;
};

// Thread-safe: one statement or transaction at a time. Another process (`token create`) may use the same file: writers wait up
// to five seconds for each other, then fail with kUnavailable.
class Database {
 public:
  // Opens or creates with mode 0600 and brings the schema up to date. Fails with kInvalid if a newer program wrote the file.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& path);
  ~Database();
  Database(const Database&) = delete;

  // Runs one statement and calls `visit` for each row; the result is the number of rows that it changed.
  Result<std::int64_t> run(std::string_view sql, std::vector<Value> parameters = {}, const std::function<void(const Row&)>& visit = {});

  // All or nothing: `work` returns a Status or Result; an error of it, or of the commit, rolls back. Durable when it returns ok.
  // A transaction within a transaction is a part of it: its error must be handed on.
  template <std::invocable F>
  std::invoke_result_t<F> transaction(F work);

 private:
  struct Impl;
  explicit Database(std::unique_ptr<Impl> impl);
  Status migrate();
  Status begin();  // locks; end() unlocks
  Status end(bool commit);

  std::unique_ptr<Impl> impl_;
};

template <std::invocable F>
std::invoke_result_t<F> Database::transaction(F work) {
  PGA_TRY_STATUS(begin());
  auto result = work();
  PGA_TRY_STATUS(end(result.has_value()));
  return result;
}

}  // namespace pga::directory
