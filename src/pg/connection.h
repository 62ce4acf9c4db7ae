// One session with a PostgreSQL server. Statements run one at a time; nothing blocks the loop.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "net/loop.h"

namespace pga::pg {

// Why something did not work. `sqlstate` is empty when the server said nothing (no connection, a deadline of ours).
struct Failure {
  std::string sqlstate;
  std::string message;           // one line, without the password
  bool connection_lost = false;  // the session is gone; connect again
  bool deadline = false;         // we gave up and cancelled
};
template <class T>
using Answer = tl::expected<T, Failure>;

// The rows of one statement, in text form. Cells point into it.
class Rows {
 public:
  struct Impl;
  explicit Rows(std::unique_ptr<Impl> impl);
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) noexcept;
  ~Rows();
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::size_t columns() const;
  [[nodiscard]] std::string_view name(std::size_t column) const;
  [[nodiscard]] std::optional<std::string_view> at(std::size_t row, std::size_t column) const;  // nullopt: NULL

 private:
  std::unique_ptr<Impl> impl_;
};

struct ConnectOptions {
  // libpq's keywords (host, port, user, dbname, sslmode, …). What is absent comes from PG* variables, .pgpass and service files.
  std::map<std::string, std::string> parameters;
  Secret<std::string> password;  // empty: libpq looks for it itself
};

class Connection {
 public:
  // Connects and sets the session up so that it cannot hurt the server: search_path pinned, read-only, lock_timeout,
  // statement_timeout, idle_in_transaction_session_timeout, jit off. All of it is read back; a session that is not protected,
  // because a pooler stripped the start-up packet, is refused.
  static net::Task<Answer<std::unique_ptr<Connection>>> connect(net::Loop& loop, ConnectOptions options,
                                                                std::chrono::milliseconds statement_timeout, Deadline deadline);
  // Connects to the console of a pooler, which knows commands, no settings and no SQL: nothing is set up and nothing read back.
  static net::Task<Answer<std::unique_ptr<Connection>>> connect_console(net::Loop& loop, ConnectOptions options, Deadline deadline);
  ~Connection();
  Connection(const Connection&) = delete;

  // Ends the session and waits until the server has let go of it, so that whoever connects next does not make one more; not for long.
  static net::Task<> close(std::unique_ptr<Connection> connection);

  // One statement. At the deadline it is cancelled on the server.
  net::Task<Answer<Rows>> query(std::string sql, Deadline deadline);
  // One that is run again and again: prepared at its first run on this connection, so that the server parses and plans it once.
  net::Task<Answer<Rows>> query_prepared(std::string sql, Deadline deadline);
  // The same with one parameter, a bigint[], which is not empty.
  net::Task<Answer<Rows>> query_prepared(std::string sql, std::vector<std::int64_t> numbers, Deadline deadline);

  [[nodiscard]] int server_version() const;  // 180004
  [[nodiscard]] bool alive() const;
  [[nodiscard]] int local_postmaster() const;  // local_server.h; 0: it is not on this machine

  struct Impl;

 private:
  net::Task<Answer<Rows>> run_prepared(std::string sql, std::string parameter, Deadline deadline);
  explicit Connection(std::unique_ptr<Impl> impl);
  static net::Task<Answer<std::unique_ptr<Connection>>> open(net::Loop& loop, ConnectOptions options, Deadline deadline);
  std::unique_ptr<Impl> impl_;
};

// The settings of the start-up packet with their values as SHOW prints them, without spaces.
struct Protection {
  std::string_view name;
  std::string_view value;
};
std::vector<Protection> protections();

}  // namespace pga::pg
