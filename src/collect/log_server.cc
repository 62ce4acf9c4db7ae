#include "collect/log_server.h"

#include <charconv>
#include <cstring>

#include "base/files.h"
#include "base/limits.h"

namespace pga::collect {
namespace {

constexpr std::size_t kCurrentLogfilesBytesMax = 16 * kKiB;

std::string literal(std::string_view text) {
  std::string out = text.find('\\') == std::string_view::npos ? "'" : "E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "\x68690a" of a bytea
std::string from_hex(std::string_view hex) {
  std::string out;
  if (!hex.starts_with("\\x")) return out;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
  out.reserve(hex.size() / 2);
  for (std::size_t i = 2; i + 1 < hex.size(); i += 2) out += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  return out;
}

constexpr const char* kLearn = R"(SELECT
  current_setting('logging_collector'), current_setting('log_destination'), current_setting('log_line_prefix'),
  (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'),
  (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'log_directory'),
  extract(epoch FROM (now() AT TIME ZONE current_setting('log_timezone')) - (now() AT TIME ZONE 'UTC'))::bigint,
  has_function_privilege('pg_catalog.pg_read_binary_file(text,bigint,bigint,boolean)', 'EXECUTE')
    AND has_function_privilege('pg_catalog.pg_ls_logdir()', 'EXECUTE'),
  EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
           WHERE n.nspname = 'pganalytics' AND p.proname = 'read_log' AND p.pronargs = 3 AND has_schema_privilege(n.oid, 'USAGE')
             AND has_function_privilege(p.oid, 'EXECUTE')),
  coalesce(host(inet_server_addr()) IN ('127.0.0.1', '::1'), true))";

}  // namespace

LogFormat ServerLog::format() const {
  if (destination.find("csvlog") != std::string::npos) return LogFormat::kCsv;
  if (destination.find("jsonlog") != std::string::npos) return LogFormat::kJson;
  return destination.find("stderr") != std::string::npos ? LogFormat::kStderr : LogFormat::kUnknown;
}

std::filesystem::path ServerLog::directory() const {
  if (log_directory.is_absolute()) return log_directory;
  return data_directory.empty() || log_directory.empty() ? std::filesystem::path() : data_directory / log_directory;
}

net::Task<pg::Answer<void>> learn(pg::Connection& connection, Deadline deadline, ServerLog& out) {
  auto rows = co_await connection.query(kLearn, deadline);
  if (!rows) co_return tl::unexpected(std::move(rows).error());
  const auto cell = [&](std::size_t i) { return std::string(rows->at(0, i).value_or("")); };
  const std::string zone = cell(5);
  std::int64_t seconds = 0;
  std::from_chars(zone.data(), zone.data() + zone.size(), seconds);
  out.known = true;
  out.collector = cell(0) == "on";
  out.destination = cell(1);
  out.prefix = cell(2);
  out.data_directory = cell(3);
  out.log_directory = cell(4);
  out.zone_offset_us = seconds * 1'000'000;
  out.may_read = cell(6) == "t";
  out.has_helper = cell(7) == "t";
  out.loopback = cell(8) == "t";
  co_return pg::Answer<void>{};
}

std::string_view extension_of(LogFormat format) {
  switch (format) {
    case LogFormat::kCsv:
      return ".csv";
    case LogFormat::kJson:
      return ".json";
    case LogFormat::kStderr:
    case LogFormat::kUnknown:
      return ".log";
  }
  return ".log";
}

LogFormat format_of(const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  return extension == ".csv" ? LogFormat::kCsv : extension == ".json" ? LogFormat::kJson : LogFormat::kStderr;
}

Result<std::filesystem::path> current_local_file(const ServerLog& server, LogFormat format) {
  if (server.data_directory.empty()) return invalid("the role may not see data_directory: GRANT pg_monitor TO it");
  auto control = read_file(server.data_directory / "global" / "pg_control", 64 * kKiB);
  if (control && control->size() >= sizeof(std::uint64_t) && server.system_identifier != 0) {
    std::uint64_t identifier = 0;
    std::memcpy(&identifier, control->data(), sizeof identifier);
    if (identifier != server.system_identifier)
      return Error{ErrorCode::kNotFound, server.data_directory.string() + " on this machine belongs to another server"};
  } else if (!server.loopback) {
    return Error{ErrorCode::kNotFound, server.data_directory.string() + " is on another machine, or cannot be read"};
  }
  PGA_TRY(const std::string lines, read_file(server.data_directory / "current_logfiles", kCurrentLogfilesBytesMax));
  const std::string_view word = format == LogFormat::kCsv ? "csvlog " : format == LogFormat::kJson ? "jsonlog " : "stderr ";
  std::size_t at = lines.starts_with(word) ? 0 : lines.find("\n" + std::string(word));
  if (at == std::string::npos) return Error{ErrorCode::kNotFound, "the server has no current log file of this format"};
  if (lines[at] == '\n') ++at;
  at += word.size();
  const std::filesystem::path name = lines.substr(at, lines.find('\n', at) - at);
  return name.is_absolute() ? name : server.data_directory / name;
}

logs::Position ServerTail::position(std::uint64_t open_bytes) const {
  logs::Position out = at_;
  out.offset -= std::min(open_bytes, out.offset);
  return out;
}

net::Task<pg::Answer<void>> ServerTail::next(pg::Connection& connection, const ServerLog& server, Deadline deadline, std::string& bytes,
                                             bool& other_file) {
  bytes.clear();
  other_file = false;
  if (at_.file.empty() || at_.offset >= size_) {
    const std::string extension(extension_of(server.format()));
    std::string list = "SELECT name, size FROM pg_catalog.pg_ls_logdir() WHERE name LIKE " + literal("%" + extension) +
                       " ORDER BY modification DESC, name DESC LIMIT 50";
    auto rows = co_await connection.query(std::move(list), deadline);
    if (!rows) co_return tl::unexpected(std::move(rows).error());
    if (rows->size() == 0) co_return pg::Answer<void>{};
    std::size_t mine = rows->size();
    for (std::size_t i = 0; i < rows->size(); ++i) {
      if (rows->at(i, 0).value_or("") == at_.file) mine = i;
    }
    const bool first = at_.file.empty();
    // The file at hand; when it has nothing more, the one that was written to next; when it is gone, the newest.
    const bool finished = mine < rows->size() && number(rows->at(mine, 1).value_or("0")) <= at_.offset;
    std::size_t chosen = mine < rows->size() ? mine : 0;
    if (finished && mine > 0) chosen = mine - 1;
    size_ = number(rows->at(chosen, 1).value_or("0"));
    if (chosen != mine) {
      at_ = {};
      at_.file = std::string(rows->at(chosen, 0).value_or(""));
      if (first) at_.offset = size_;  // a log that was never seen is read from its end on
      other_file = !first;
    } else if (size_ < at_.offset) {
      at_.offset = 0;  // truncated
      other_file = true;
    }
    if (size_ <= at_.offset) co_return pg::Answer<void>{};
  }
  const std::string range = ", " + std::to_string(at_.offset) + ", " + std::to_string(kPieceBytesMax);
  const std::string path = (server.log_directory / at_.file).string();
  std::string read = server.has_helper && !server.may_read ? "SELECT pganalytics.read_log(" + literal(at_.file) + range + ")"
                                                           : "SELECT pg_catalog.pg_read_binary_file(" + literal(path) + range + ", true)";
  auto rows = co_await connection.query(std::move(read), deadline);
  if (!rows) co_return tl::unexpected(std::move(rows).error());
  if (rows->size() == 1) bytes = from_hex(rows->at(0, 0).value_or(""));
  at_.offset += bytes.size();
  if (bytes.empty()) size_ = at_.offset;
  co_return pg::Answer<void>{};
}

}  // namespace pga::collect
