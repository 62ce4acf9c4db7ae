#include "pg/connection.h"

#include <libpq-fe.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/limits.h"
#include "base/text.h"
#include "pg/local_server.h"

namespace pga::pg {
namespace {

using ResultPtr = std::unique_ptr<PGresult, decltype(&PQclear)>;

constexpr std::chrono::seconds kCancelGrace{2};
constexpr std::chrono::milliseconds kCloseGrace{200};
// An answer for which libpq takes more than this is taken row by row the next time, and so is the first answer to each statement.
constexpr std::size_t kBytesAtOnce = 5 * kMiB;
constexpr std::size_t kCellBytes = 24;              // what libpq takes for a cell beside its text
constexpr std::size_t kAnswerBytesMax = 64 * kMiB;  // taken row by row

// libpq's messages in one line, without the severity that stands in front of them. They repeat what they were given, which may be a URI
// with a password where only a name belongs.
std::string one_line(const char* text) {
  std::string line = text == nullptr ? "" : text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  while (!line.empty() && line.back() == ' ') line.pop_back();
  for (const std::string_view severity : {"ERROR:  ", "FATAL:  "}) {
    if (line.starts_with(severity)) line.erase(0, severity.size());
  }
  return without_passwords(line);
}

// As the server's array_recv reads it: big-endian, of one dimension.
std::string binary_array(const std::vector<std::int64_t>& numbers) {
  constexpr std::uint32_t kInt8 = 20, kDimensions = 1, kNulls = 0, kFirst = 1, kWidth = 8;
  std::string out;
  out.reserve(20 + numbers.size() * 12);
  const auto put = [&out](std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  };
  for (const std::uint64_t word :
       {std::uint64_t{kDimensions}, std::uint64_t{kNulls}, std::uint64_t{kInt8}, std::uint64_t{numbers.size()}, std::uint64_t{kFirst}})
    put(word, 4);
  for (const std::int64_t number : numbers) {
    put(kWidth, 4);
    put(static_cast<std::uint64_t>(number), 8);
  }
  return out;
}

Failure lost(std::string message) { return {"", std::move(message), true, false}; }

// Why a server refused a connection. libpq has no SQLSTATE for that, but writes it into a verbose message, in front of the server's text:
// "… failed: FATAL:  53300: sorry, too many clients already LOCATION:  InitProcess, proc.c:409". The words may be in any language.
Failure refused(std::string message) {
  Failure failure = lost(std::move(message));
  std::string& text = failure.message;
  const auto is_code = [&](std::size_t at) {
    const auto of_code = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
    return at + 7 <= text.size() && std::all_of(text.begin() + at, text.begin() + at + 5, of_code) && text.compare(at + 5, 2, ": ") == 0;
  };
  for (std::size_t at = 0; (at = text.find(":  ", at)) != std::string::npos; ++at) {
    if (!is_code(at + 3)) continue;
    failure.sqlstate = text.substr(at + 3, 5);
    text.erase(at + 3, 7);
    const std::size_t last = text.rfind(":  ");  // "LOCATION:  …"
    if (last > at && text.rfind(' ', last) > at) text.resize(text.rfind(' ', last));
  }
  return failure;
}

}  // namespace

// What libpq hands over at once takes it kCellBytes a cell. Taken row by row, a cell takes its text and four bytes, and more processor
// time.
struct Rows::Impl {
  ResultPtr result{nullptr, &PQclear};  // names the columns; has the cells unless they were taken row by row
  bool row_by_row = false;
  // One allocation a row, so that nothing large has to grow: where each cell ends in the text that follows, kNull added where it is one.
  std::vector<std::unique_ptr<char[]>> rows;
  std::size_t bytes = 0;

  static constexpr std::uint32_t kNull = 1U << 31;
  static_assert(kAnswerBytesMax < kNull);

  // False when that is too much.
  bool take(const PGresult* row) {
    const auto columns = static_cast<std::size_t>(PQnfields(row));
    std::size_t size = columns * sizeof(std::uint32_t);
    const auto length = [&](std::size_t c) { return static_cast<std::size_t>(PQgetlength(row, 0, static_cast<int>(c))); };
    for (std::size_t c = 0; c < columns; ++c) size += length(c);
    bytes += size;
    if (bytes > kAnswerBytesMax) return false;
    std::unique_ptr<char[]> copy(new char[size]);
    std::uint32_t end = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      std::copy_n(PQgetvalue(row, 0, static_cast<int>(c)), length(c), copy.get() + columns * sizeof end + end);
      end += static_cast<std::uint32_t>(length(c));
      const std::uint32_t mark = end | (PQgetisnull(row, 0, static_cast<int>(c)) != 0 ? kNull : 0);
      std::memcpy(copy.get() + c * sizeof mark, &mark, sizeof mark);
    }
    rows.push_back(std::move(copy));
    return true;
  }

  [[nodiscard]] std::optional<std::string_view> at(std::size_t row, std::size_t column) const {
    const char* data = rows[row].get();
    const auto mark = [&](std::size_t c) {
      std::uint32_t value = 0;
      std::memcpy(&value, data + c * sizeof value, sizeof value);
      return value;
    };
    const std::uint32_t end = mark(column);
    if ((end & kNull) != 0) return std::nullopt;
    const std::uint32_t begin = column == 0 ? 0 : mark(column - 1) & ~kNull;
    const auto columns = static_cast<std::size_t>(PQnfields(result.get()));
    return std::string_view(data + columns * sizeof end + begin, end - begin);
  }
};

Rows::Rows(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Rows::Rows(Rows&&) noexcept = default;
Rows& Rows::operator=(Rows&&) noexcept = default;
Rows::~Rows() = default;
std::size_t Rows::size() const { return impl_->row_by_row ? impl_->rows.size() : static_cast<std::size_t>(PQntuples(impl_->result.get())); }
std::size_t Rows::columns() const { return static_cast<std::size_t>(PQnfields(impl_->result.get())); }
std::string_view Rows::name(std::size_t column) const { return PQfname(impl_->result.get(), static_cast<int>(column)); }

std::optional<std::string_view> Rows::at(std::size_t row, std::size_t column) const {
  if (impl_->row_by_row) return impl_->at(row, column);
  const PGresult* result = impl_->result.get();
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  if (PQgetisnull(result, r, c) != 0) return std::nullopt;
  return std::string_view(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c)));
}

struct Connection::Impl {
  net::Loop& loop;
  PGconn* conn = nullptr;
  struct Prepared {
    std::string name;
    bool row_by_row = true;
  };
  std::map<std::string, Prepared> prepared;  // by statement
  std::size_t names = 0;

  explicit Impl(net::Loop& l) : loop(l) {}
  ~Impl() {
    if (conn != nullptr) PQfinish(conn);
  }

  net::Task<Answer<void>> establish(Deadline deadline);
  // Rows that come one by one go to `rows`, if there is one.
  net::Task<Answer<ResultPtr>> result(Deadline deadline, Rows::Impl* rows = nullptr);
  net::Task<Answer<ResultPtr>> run(bool sent, Deadline deadline, Rows::Impl* rows = nullptr);
  net::Task<> cancel_and_drain();
  [[nodiscard]] Failure failure_of(const PGresult* result) const;
};

// A wait of ours is over before 100 ms have passed, also where the server wakes up late from its timer: hence 80.
std::vector<Protection> protections() {
  return {{"search_path", "pg_catalog,pg_temp"},          {"default_transaction_read_only", "on"},  {"lock_timeout", "80ms"},
          {"idle_in_transaction_session_timeout", "10s"}, {"max_parallel_workers_per_gather", "0"}, {"jit", "off"}};
}

Failure Connection::Impl::failure_of(const PGresult* result) const {
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  Failure failure{sqlstate == nullptr ? "" : sqlstate, one_line(message == nullptr ? PQerrorMessage(conn) : message),
                  PQstatus(conn) != CONNECTION_OK, false};
  return failure;
}

net::Task<Answer<void>> Connection::Impl::establish(Deadline deadline) {
  if (conn == nullptr) co_return tl::unexpected(lost("out of memory"));
  if (PQstatus(conn) == CONNECTION_BAD) co_return tl::unexpected(lost(one_line(PQerrorMessage(conn))));
  PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
  auto step = PGRES_POLLING_WRITING;
  while (step != PGRES_POLLING_OK) {
    const auto readiness = step == PGRES_POLLING_READING ? net::Readiness::kRead : net::Readiness::kWrite;
    // libpq may use another socket for the next address, so the descriptor is asked for each time.
    const auto ready = co_await loop.wait(PQsocket(conn), readiness, deadline);
    if (!ready) co_return tl::unexpected(Failure{"", "no connection: " + ready.error().message, true, true});
    step = PQconnectPoll(conn);
    if (step == PGRES_POLLING_FAILED) co_return tl::unexpected(refused(one_line(PQerrorMessage(conn))));
  }
  PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
  PQsetnonblocking(conn, 1);
  co_return Answer<void>{};
}

// The last result of the statement under way; an earlier error wins.
net::Task<Answer<ResultPtr>> Connection::Impl::result(Deadline deadline, Rows::Impl* rows) {
  ResultPtr last(nullptr, &PQclear);
  while (true) {
    const int flushed = PQflush(conn);
    if (flushed < 0) co_return tl::unexpected(lost(one_line(PQerrorMessage(conn))));
    while (flushed == 0 && PQisBusy(conn) == 0) {
      ResultPtr next(PQgetResult(conn), &PQclear);
      if (!next) {
        if (!last) co_return tl::unexpected(lost("the server answered nothing"));
        const auto status = PQresultStatus(last.get());
        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) co_return std::move(last);
        co_return tl::unexpected(failure_of(last.get()));
      }
      if (PQresultStatus(next.get()) == PGRES_SINGLE_TUPLE) {
        if (rows != nullptr && !rows->take(next.get()))
          co_return tl::unexpected(
              Failure{"", "the answer exceeds the limit of " + std::to_string(kAnswerBytesMax) + " bytes", false, true});
        continue;
      }
      const bool failed = last && PQresultStatus(last.get()) == PGRES_FATAL_ERROR;
      if (!failed) last = std::move(next);
    }
    const auto ready = co_await loop.wait(PQsocket(conn), flushed == 0 ? net::Readiness::kRead : net::Readiness::kWrite, deadline);
    if (!ready) co_return tl::unexpected(Failure{"", ready.error().message, false, true});
    if (flushed == 0 && PQconsumeInput(conn) == 0) co_return tl::unexpected(lost(one_line(PQerrorMessage(conn))));
  }
}

net::Task<> Connection::Impl::cancel_and_drain() {
  const std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> cancel(PQgetCancel(conn), &PQfreeCancel);
  if (cancel) {
    co_await loop.run_blocking([&] {
      char error[256];
      PQcancel(cancel.get(), error, sizeof error);  // a failure shows below: the session does not become idle
    });
  }
  const auto drained = co_await result(std::chrono::steady_clock::now() + kCancelGrace);
  if (!drained && drained.error().deadline) {
    PQfinish(conn);
    conn = nullptr;
  }
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

net::Task<> Connection::close(std::unique_ptr<Connection> connection) {
  Impl& impl = *connection->impl_;
  const int socket = connection->alive() ? PQsocket(impl.conn) : -1;
  if (socket >= 0 &&
      ::shutdown(socket, SHUT_WR) == 0) {  // the server ends a session whose client is gone, as it does with one that says so
    static_cast<void>(co_await impl.loop.wait(socket, net::Readiness::kRead, std::chrono::steady_clock::now() + kCloseGrace));
  }
}

int Connection::server_version() const { return alive() ? PQserverVersion(impl_->conn) : 0; }
bool Connection::alive() const { return impl_->conn != nullptr && PQstatus(impl_->conn) == CONNECTION_OK; }
int Connection::local_postmaster() const { return alive() ? pg::local_postmaster(PQsocket(impl_->conn), PQbackendPID(impl_->conn)) : 0; }

// What was sent, to its end, or cancelled at the deadline.
net::Task<Answer<ResultPtr>> Connection::Impl::run(bool sent, Deadline deadline, Rows::Impl* rows) {
  if (!sent) co_return tl::unexpected(lost(one_line(PQerrorMessage(conn))));
  auto answer = co_await result(deadline, rows);
  if (answer) co_return std::move(answer);
  Failure failure = std::move(answer).error();
  if (failure.deadline) {
    co_await cancel_and_drain();
    failure.connection_lost = conn == nullptr || PQstatus(conn) != CONNECTION_OK;
  }
  co_return tl::unexpected(std::move(failure));
}

net::Task<Answer<Rows>> Connection::query(std::string sql, Deadline deadline) {
  if (!alive()) co_return tl::unexpected(lost("the connection is closed"));
  auto result = co_await impl_->run(PQsendQuery(impl_->conn, sql.c_str()) == 1, deadline);
  if (!result) co_return tl::unexpected(std::move(result).error());
  auto rows = std::make_unique<Rows::Impl>();
  rows->result = std::move(*result);
  co_return Rows(std::move(rows));
}

net::Task<Answer<Rows>> Connection::query_prepared(std::string sql, Deadline deadline) {
  return run_prepared(std::move(sql), "", deadline);
}

net::Task<Answer<Rows>> Connection::query_prepared(std::string sql, std::vector<std::int64_t> numbers, Deadline deadline) {
  return run_prepared(std::move(sql), binary_array(numbers), deadline);
}

// `parameter`: in binary form; empty: the statement has none.
net::Task<Answer<Rows>> Connection::run_prepared(std::string sql, std::string parameter, Deadline deadline) {
  if (!alive()) co_return tl::unexpected(lost("the connection is closed"));
  Impl& impl = *impl_;
  auto known = impl.prepared.find(sql);
  if (known == impl.prepared.end()) {
    const std::string name = "pganalytics_" + std::to_string(++impl.names);
    auto made = co_await impl.run(PQsendPrepare(impl.conn, name.c_str(), sql.c_str(), 0, nullptr) == 1, deadline);
    if (!made) co_return tl::unexpected(std::move(made).error());
    known = impl.prepared.emplace(std::move(sql), Impl::Prepared{name}).first;
  }
  const char* const values[] = {parameter.data()};
  const int lengths[] = {static_cast<int>(parameter.size())};
  const int binary[] = {1};
  const int count = parameter.empty() ? 0 : 1;
  Impl::Prepared& statement = known->second;
  auto rows = std::make_unique<Rows::Impl>();
  const bool sent = PQsendQueryPrepared(impl.conn, statement.name.c_str(), count, values, lengths, binary, 0) == 1;
  if (sent && statement.row_by_row) rows->row_by_row = PQsetSingleRowMode(impl.conn) == 1;
  auto result = co_await impl.run(sent, deadline, rows.get());
  if (!result) {
    impl.prepared.erase(known);  // what it means may have changed; the next run prepares it anew under another name
    co_return tl::unexpected(std::move(result).error());
  }
  rows->result = std::move(*result);
  const std::size_t cells = rows->rows.size() * static_cast<std::size_t>(PQnfields(rows->result.get()));
  const std::size_t at_once = rows->row_by_row ? rows->bytes + kCellBytes * cells : PQresultMemorySize(rows->result.get());
  statement.row_by_row = at_once > kBytesAtOnce;
  co_return Rows(std::move(rows));
}

net::Task<Answer<std::unique_ptr<Connection>>> Connection::open(net::Loop& loop, ConnectOptions options, Deadline deadline) {
  options.parameters["application_name"] = "pganalytics";
  options.parameters["client_encoding"] = "UTF8";
  // A vanished server must not hold a blocking call of libpq (a cancel request) for minutes.
  if (!options.parameters.contains("tcp_user_timeout")) options.parameters["tcp_user_timeout"] = "5000";
  if (!options.parameters.contains("connect_timeout")) options.parameters["connect_timeout"] = "10";

  std::unique_ptr<Connection> connection(new Connection(std::make_unique<Impl>(loop)));
  // Name resolution and reading .pgpass may block.
  co_await loop.run_blocking([&] {
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (const auto& [name, value] : options.parameters) {
      names.push_back(name.c_str());
      values.push_back(value.c_str());
    }
    if (!options.password.empty()) {
      names.push_back("password");
      values.push_back(options.password.read().c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    connection->impl_->conn = PQconnectStartParams(names.data(), values.data(), 0);
  });
  auto up = co_await connection->impl_->establish(deadline);
  if (!up) co_return tl::unexpected(std::move(up).error());
  co_return std::move(connection);
}

net::Task<Answer<std::unique_ptr<Connection>>> Connection::connect_console(net::Loop& loop, ConnectOptions options, Deadline deadline) {
  // Also against PGOPTIONS in our environment: a console refuses what it does not know.
  options.parameters["options"] = "";
  return open(loop, std::move(options), deadline);
}

net::Task<Answer<std::unique_ptr<Connection>>> Connection::connect(net::Loop& loop, ConnectOptions options,
                                                                   std::chrono::milliseconds statement_timeout, Deadline deadline) {
  auto settings = protections();
  const std::string timeout = std::to_string(statement_timeout.count()) + "ms";
  std::string start_up = "-c statement_timeout=" + timeout;
  for (const Protection& p : settings) start_up += " -c " + std::string(p.name) + "=" + std::string(p.value);
  options.parameters["options"] = start_up;
  auto opened = co_await open(loop, std::move(options), deadline);
  if (!opened) co_return tl::unexpected(std::move(opened).error());
  std::unique_ptr<Connection> connection = std::move(*opened);

  // Neither ALTER ROLE nor ALTER DATABASE overrides these options; what differs was stripped by a pooler. Setting it here instead
  // would leave it behind in a backend that the pooler gives to an application next.
  std::string show;
  for (const Protection& p : settings)
    show += (show.empty() ? "SELECT " : ", ") + ("replace(current_setting('" + std::string(p.name) + "'), ' ', '')");
  auto rows = co_await connection->query(show, deadline);
  if (!rows) co_return tl::unexpected(std::move(rows).error());
  for (std::size_t i = 0; i < settings.size(); ++i) {
    const std::string seen(rows->at(0, i).value_or(""));
    if (seen == settings[i].value) continue;
    co_return tl::unexpected(Failure{"",
                                     "the session is not protected: " + std::string(settings[i].name) + " is \"" + seen +
                                         "\" instead of \"" + std::string(settings[i].value) +
                                         "\"; connect to the server itself, not through a pooler",
                                     true, false});
  }
  if (connection->server_version() >= 150000) {
    // Every reading sees fresh numbers and the server keeps no snapshot of all statistics for us.
    auto done = co_await connection->query("SET stats_fetch_consistency = none", deadline);
    if (!done) co_return tl::unexpected(std::move(done).error());
  }
  // Such a database keeps whatever bytes it was given. Asked for UTF-8 it refuses each answer with a name that is none.
  const char* encoding = PQparameterStatus(connection->impl_->conn, "server_encoding");
  if (encoding != nullptr && std::string_view(encoding) == "SQL_ASCII") {
    auto done = co_await connection->query("SET client_encoding = 'SQL_ASCII'", deadline);
    if (!done) co_return tl::unexpected(std::move(done).error());
  }
  co_return std::move(connection);
}

}  // namespace pga::pg
