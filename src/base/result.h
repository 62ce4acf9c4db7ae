// Errors as values. The world misbehaving is a Result; our own mistakes stop the process (check.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace pga {

// Persisted nowhere; the order is free to change.
enum class ErrorCode : std::uint8_t {
  kCorrupt,
  kTooLarge,
  kTimeout,
  kUnauthorized,
  kForbidden,
  kNotFound,
  kUnavailable,
  kInvalid,
  kCancelled,
  kInternal
};

std::string_view to_string(ErrorCode code);

// code: for programs; message: for the person on call, lower case, with numbers and the thing, no full stop.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  // The same error with `context` and ": " in front, for the way up.
  [[nodiscard]] Error with_context(std::string_view context) const;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}    // NOLINT: implicit on purpose
  Result(tl::unexpected<Error> error) : tl::expected<T, Error>(std::move(error)) {}  // NOLINT
};

template <>
class [[nodiscard]] Result<void> : public tl::expected<void, Error> {
 public:
  using tl::expected<void, Error>::expected;
  Result(Error error) : tl::expected<void, Error>(tl::unexpect, std::move(error)) {}    // NOLINT
  Result(tl::unexpected<Error> error) : tl::expected<void, Error>(std::move(error)) {}  // NOLINT
};

using Status = Result<void>;

inline Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }
inline Error corrupt(std::string message) { return {ErrorCode::kCorrupt, std::move(message)}; }
inline Error too_large(std::string message) { return {ErrorCode::kTooLarge, std::move(message)}; }
inline Error unavailable(std::string message) { return {ErrorCode::kUnavailable, std::move(message)}; }

// "<what>: <text of errno>", code kUnavailable; reads errno.
Error errno_error(std::string_view what);

}  // namespace pga

#define PGA_CONCAT_INNER(a, b) a##b
#define PGA_CONCAT(a, b) PGA_CONCAT_INNER(a, b)

// PGA_TRY(const Frame frame, decode(bytes)); binds the value or returns the error. PGA_TRY_STATUS for Status.
#define PGA_TRY_IMPL(result, lhs, expr, ret)  \
  auto result = (expr);                       \
  if (!result) ret std::move(result).error(); \
  lhs = std::move(*result)
#define PGA_TRY(lhs, expr) PGA_TRY_IMPL(PGA_CONCAT(pga_result_, __COUNTER__), lhs, expr, return)
#define PGA_CO_TRY(lhs, expr) PGA_TRY_IMPL(PGA_CONCAT(pga_result_, __COUNTER__), lhs, expr, co_return)
#define PGA_TRY_STATUS(expr)                                                         \
  do {                                                                               \
    if (auto pga_status = (expr); !pga_status) return std::move(pga_status).error(); \
  } while (false)
#define PGA_CO_TRY_STATUS(expr)                                                         \
  do {                                                                                  \
    if (auto pga_status = (expr); !pga_status) co_return std::move(pga_status).error(); \
  } while (false)
