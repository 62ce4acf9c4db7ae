#include "chdb_api.h"

#include <dlfcn.h>

namespace pga::engine {

Result<std::unique_ptr<Library>> Library::load(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return Error{ErrorCode::kNotFound, "library " + path.string() + " does not exist; ./run setup fetches it"};
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return unavailable("load library " + path.string() + ": " + dlerror());
  std::unique_ptr<Library> library(new Library);
  PGA_TRY_STATUS(library->bind(handle));
  library->set_signal_handlers_enabled_(0);  // signals are ours
  return library;
}

Status Library::bind(void* handle) {
  const auto bind_one = [&](auto& function, const char* symbol) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, symbol));
    return function != nullptr;
  };
  const char* missing = nullptr;
  const auto need = [&](auto& function, const char* symbol) {
    if (!bind_one(function, symbol) && missing == nullptr) missing = symbol;
  };
  need(set_signal_handlers_enabled_, "chdb_set_signal_handlers_enabled");
  need(version_, "chdb_version");
  need(connect_, "chdb_connect");
  need(close_, "chdb_close_conn");
  need(query_, "chdb_query_n");
  need(query_with_params_, "chdb_query_with_params_n");
  need(insert_, "chdb_stream_insert_n");
  need(insert_error_, "chdb_stream_insert_error");
  need(insert_append_, "chdb_stream_append");
  need(insert_done_, "chdb_stream_done");
  need(insert_destroy_, "chdb_destroy_insert_stream");
  need(result_error_, "chdb_result_error");
  need(result_buffer_, "chdb_result_buffer");
  need(result_length_, "chdb_result_length");
  need(result_destroy_, "chdb_destroy_query_result");
  if (missing != nullptr) return unavailable(std::string("library has no symbol ") + missing + ": it is not the pinned chDB");
  return {};
}

std::string Library::version() const {
  const char* version = version_();
  return version == nullptr ? "" : version;
}

Result<Connection> Connection::open(const Library& library, const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"clickhouse"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  Library::Handle** handle = library.connect_(static_cast<int>(argv.size()), argv.data());
  if (handle == nullptr || *handle == nullptr)
    return unavailable("chDB refused to open the directory: it is in use by another engine, or its own line above says why");
  return Connection(library, handle);
}

Connection::~Connection() {
  if (handle_ != nullptr) library_->close_(handle_);
}

Answer Connection::take(Library::Handle* result, std::size_t body_bytes_max) {
  Answer answer;
  if (result == nullptr) {
    answer.error = "Code: 1001. the engine answered nothing";
    return answer;
  }
  if (const char* error = library_->result_error_(result); error != nullptr && *error != '\0') {
    answer.error = error;
  } else if (const std::size_t bytes = library_->result_length_(result); bytes > body_bytes_max) {
    answer.error = "Code: 396. the answer of " + std::to_string(bytes) + " bytes exceeds the limit of " + std::to_string(body_bytes_max) +
                   "; ask for fewer rows";
  } else if (bytes > 0) {
    answer.body.assign(library_->result_buffer_(result), bytes);
  }
  library_->result_destroy_(result);
  return answer;
}

Answer Connection::query(std::string_view sql, std::string_view format, const Parameters& parameters, std::size_t body_bytes_max) {
  if (parameters.empty()) return take(library_->query_(*handle_, sql.data(), sql.size(), format.data(), format.size()), body_bytes_max);
  std::vector<const char*> names, values;
  std::vector<std::size_t> name_lengths, value_lengths;
  for (const auto& [name, value] : parameters) {
    names.push_back(name.data());
    name_lengths.push_back(name.size());
    values.push_back(value.data());
    value_lengths.push_back(value.size());
  }
  return take(library_->query_with_params_(*handle_, sql.data(), sql.size(), format.data(), format.size(), names.data(),
                                           name_lengths.data(), values.data(), value_lengths.data(), names.size()),
              body_bytes_max);
}

Answer Connection::insert(std::string_view sql, std::string_view format, std::string_view data) {
  Library::Handle* stream = library_->insert_(*handle_, sql.data(), sql.size(), format.data(), format.size());
  if (stream == nullptr) return {"Code: 1001. the engine opened no insert", {}};
  Answer answer;
  const auto failed = [&] {
    const char* error = library_->insert_error_(stream);
    if (error != nullptr && *error != '\0') answer.error = error;
    return !answer.error.empty();
  };
  if (!failed()) {
    if (!data.empty()) static_cast<void>(library_->insert_append_(stream, data.data(), data.size()));
    // Always finished: the result of done() carries the error of an append, and an unfinished stream keeps the connection busy.
    answer = take(library_->insert_done_(stream), 0);
  }
  library_->insert_destroy_(stream);
  return answer;
}

}  // namespace pga::engine
