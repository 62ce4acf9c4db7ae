#include "directory/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <map>
#include <mutex>

#include "base/check.h"
#include "base/files.h"
#include "directory/migrations.h"

namespace pga::directory {
namespace {

constexpr int kBusyTimeoutMs = 5'000;
constexpr std::size_t kStatementsMax = 256;  // prepared and kept; the library has far fewer texts

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

sqlite3_stmt* raw(void* statement) { return static_cast<sqlite3_stmt*>(statement); }

}  // namespace

struct Database::Impl {
  std::string path;
  std::unique_ptr<sqlite3, CloseDatabase> db;
  std::recursive_mutex mutex;  // held for a whole transaction; guards everything below
  std::map<std::string, Statement, std::less<>> statements;
  int depth = 0;  // of transactions within transactions: the outermost decides

  [[nodiscard]] Error error(std::string_view what) const {
    const int code = sqlite3_errcode(db.get()) & 0xff;
    const bool wait = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_FULL || code == SQLITE_IOERR;
    const ErrorCode kind = wait ? ErrorCode::kUnavailable : code == SQLITE_CONSTRAINT ? ErrorCode::kInvalid : ErrorCode::kInternal;
    return {kind, path + ": " + std::string(what) + ": " + sqlite3_errmsg(db.get())};
  }

  Result<sqlite3_stmt*> prepare(std::string_view sql) {
    if (const auto found = statements.find(sql); found != statements.end()) return found->second.get();
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
        SQLITE_OK) {
      return error(sql);
    }
    PGA_CHECK(statements.size() < kStatementsMax);
    return statements.emplace(sql, Statement(statement)).first->second.get();
  }

  Status bind(sqlite3_stmt* statement, const std::vector<Value>& parameters) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const int at = sqlite3_bind_parameter_index(statement, ("$" + std::to_string(i + 1)).c_str());
      PGA_CHECK(at > 0);
      int code = SQLITE_OK;
      switch (const Value& value = parameters[i]; value.kind_) {
        case Value::Kind::kNull:
          code = sqlite3_bind_null(statement, at);
          break;
        case Value::Kind::kInteger:
          code = sqlite3_bind_int64(statement, at, value.number_);
          break;
        case Value::Kind::kText:
          code = sqlite3_bind_text64(statement, at, value.text_.data(), value.text_.size(), SQLITE_STATIC, SQLITE_UTF8);
          break;
      }
      if (code != SQLITE_OK) return error("bind");
    }
    return {};
  }
};

Value::Value(std::optional<std::int64_t> number) : kind_(number ? Kind::kInteger : Kind::kNull), number_(number.value_or(0)) {}

bool Row::is_null(int column) const { return sqlite3_column_type(raw(statement_), column) == SQLITE_NULL; }

std::int64_t Row::integer(int column) const { return sqlite3_column_int64(raw(statement_), column); }

std::string Row::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(raw(statement_), column));
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(raw(statement_), column)));
}

std::optional<std::int64_t> Row::maybe_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

std::optional<std::string> Row::maybe_text(int column) const {
  if (is_null(column)) return std::nullopt;
  return text(column);
}

Database::Database(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& path) {
  PGA_TRY_STATUS(make_directories(path.parent_path()));
  // SQLite gives its -wal and -shm files the mode of the database itself.
  FileDescriptor file(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));  // NOLINT(cppcoreguidelines-pro-type-vararg)
  if (!file) return errno_error(path.string());
  PGA_TRY_STATUS(file.close());

  auto impl = std::make_unique<Impl>();
  impl->path = path.string();
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  impl->db.reset(db);
  if (code != SQLITE_OK) return impl->error("open");
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);

  std::unique_ptr<Database> database(new Database(std::move(impl)));
  for (const char* pragma :
       {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF"}) {
    PGA_TRY_STATUS(database->run(pragma));
  }
  PGA_TRY_STATUS(database->migrate());
  return database;
}

Result<std::int64_t> Database::run(std::string_view sql, std::vector<Value> parameters, const std::function<void(const Row&)>& visit) {
  const std::lock_guard lock(impl_->mutex);
  PGA_TRY(sqlite3_stmt* const statement, impl_->prepare(sql));
  Status status = impl_->bind(statement, parameters);
  const int changes_before = sqlite3_total_changes(impl_->db.get());
  int code = SQLITE_DONE;
  while (status && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    if (visit) visit(Row(statement));
  }
  if (status && code != SQLITE_DONE) status = impl_->error(sql);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (!status) return std::move(status).error();
  return std::int64_t{sqlite3_total_changes(impl_->db.get())} - changes_before;
}

Status Database::begin() {
  impl_->mutex.lock();
  if (impl_->depth == 0) {
    if (auto begun = run("BEGIN IMMEDIATE"); !begun) {
      impl_->mutex.unlock();
      return std::move(begun).error();
    }
  }
  ++impl_->depth;
  return {};
}

Status Database::end(bool commit) {
  Status ended;
  if (--impl_->depth == 0) {
    if (auto done = run(commit ? "COMMIT" : "ROLLBACK"); !done && commit) {
      ended = std::move(done).error();
      static_cast<void>(run("ROLLBACK"));
    }
  }
  impl_->mutex.unlock();
  return ended;
}

Status Database::migrate() {
  return transaction([this]() -> Status {
    std::int64_t have = 0;
    PGA_TRY_STATUS(run("PRAGMA user_version", {}, [&](const Row& row) { have = row.integer(0); }));
    const auto steps = migrations();
    if (have > std::ssize(steps)) {
      return invalid(impl_->path + " has schema " + std::to_string(have) + ", this program knows " + std::to_string(steps.size()) +
                     "; a newer pganalytics-server wrote it");
    }
    for (std::size_t i = static_cast<std::size_t>(have); i < steps.size(); ++i) {
      const std::string sql = std::string(steps[i]) + "; PRAGMA user_version = " + std::to_string(i + 1);
      if (sqlite3_exec(impl_->db.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        return impl_->error("migration " + std::to_string(i + 1));
      }
    }
    return {};
  });
}

}  // namespace pga::directory
