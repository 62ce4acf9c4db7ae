// The part of chDB's C interface that the engine uses, reached through dlopen: no header of chDB is needed to build, and the program starts
// without the library to say clearly that it is missing.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pga::engine {

using Parameters = std::vector<std::pair<std::string, std::string>>;  // values escaped as TSV

// What a statement answered: `error` is empty if it ran, else chDB's own words ("Code: 60. DB::Exception: …").
struct Answer {
  std::string error;
  std::string body;
};

// The loaded library. Never unloaded: its threads live as long as the process.
class Library {
 public:
  static Result<std::unique_ptr<Library>> load(const std::filesystem::path& path);
  [[nodiscard]] std::string version() const;

 private:
  friend class Connection;
  Library() = default;
  Status bind(void* handle);

  struct Handle {
    void* implementation;
  };  // chDB's connections, results and insert streams are structs of one pointer
  void (*set_signal_handlers_enabled_)(int) = nullptr;
  const char* (*version_)() = nullptr;
  Handle** (*connect_)(int, char**) = nullptr;
  void (*close_)(Handle**) = nullptr;
  Handle* (*query_)(Handle*, const char*, std::size_t, const char*, std::size_t) = nullptr;
  Handle* (*query_with_params_)(Handle*, const char*, std::size_t, const char*, std::size_t, const char* const*, const std::size_t*,
                                const char* const*, const std::size_t*, std::size_t) = nullptr;
  Handle* (*insert_)(Handle*, const char*, std::size_t, const char*, std::size_t) = nullptr;
  const char* (*insert_error_)(Handle*) = nullptr;
  int (*insert_append_)(Handle*, const char*, std::size_t) = nullptr;
  Handle* (*insert_done_)(Handle*) = nullptr;
  void (*insert_destroy_)(Handle*) = nullptr;
  const char* (*result_error_)(Handle*) = nullptr;
  const char* (*result_buffer_)(Handle*) = nullptr;
  std::size_t (*result_length_)(Handle*) = nullptr;
  void (*result_destroy_)(Handle*) = nullptr;
};

// One connection: one statement at a time, from one thread at a time. All calls block.
class Connection {
 public:
  // `arguments` as of a command line: --path=… must be absolute and the same for all connections of the process. Fails with kUnavailable
  // when the directory is in use or broken; chDB says why on standard error only.
  static Result<Connection> open(const Library& library, const std::vector<std::string>& arguments);
  Connection(Connection&& other) noexcept : library_(other.library_), handle_(std::exchange(other.handle_, nullptr)) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  Answer query(std::string_view sql, std::string_view format, const Parameters& parameters, std::size_t body_bytes_max);
  // `sql` is the INSERT without its FORMAT clause.
  Answer insert(std::string_view sql, std::string_view format, std::string_view data);

 private:
  Connection(const Library& library, Library::Handle** handle) : library_(&library), handle_(handle) {}
  Answer take(Library::Handle* result, std::size_t body_bytes_max);

  const Library* library_;
  Library::Handle** handle_;
};

}  // namespace pga::engine
