// The coroutine type of the project. Whoever waits includes this and nothing else of Asio.
//
// Three rules for code that g++ 12 compiles too:
// - No temporary of an aggregate in an expression with co_await (`co_await send({1, "x"})`): it is destroyed twice. Name it in a line
// before,
//   or give the type a constructor. std::string, vector, Result and whatever has a constructor are safe.
// - No initializer list there either ("array used as initializer").
// - A coroutine lambda must outlive its coroutine: give it to Loop::spawn itself, not the task that it returns.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

// g++ 12 takes the two halves of Asio's frame allocator for a mismatch when it inlines one and not the other.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace pga::net {

template <class T = void>
using Task = boost::asio::awaitable<T, boost::asio::io_context::executor_type>;

}  // namespace pga::net
