// The parts of Asio that net uses, with the concrete executor everywhere: type-erased executors cost an allocation an operation.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <chrono>

namespace pga::net {

namespace asio = boost::asio;
using boost::system::error_code;

using Executor = asio::io_context::executor_type;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

// `auto [error] = co_await timer.async_wait(kAwait)`: errors are values, and deferred saves the frame of use_awaitable.
inline constexpr auto kAwait = asio::as_tuple(asio::deferred);

}  // namespace pga::net
