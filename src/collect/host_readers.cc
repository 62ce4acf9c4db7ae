#include "collect/host_readers.h"

#include "collect/host_context.h"

namespace pga::collect {
namespace {

Reading failed(const Error& error) {
  const bool absent = error.code == ErrorCode::kNotFound;
  return Reading::failed(absent ? wire::Outcome::kAbsent : wire::Outcome::kError, error.message);
}

Reading no_reader(const catalog::Source& source) {
  return Reading::failed(wire::Outcome::kAbsent, "this collector has no reader \"" + source.reader + "\"");
}

// A reader may have noticed the limit too late: what is beyond it goes.
void cut(const catalog::Source& source, Reading& reading) {
  if (reading.cells.rows <= source.rows_max) return;
  reading.outcome = wire::Outcome::kLimit;
  reading.detail =
      std::to_string(reading.cells.rows) + " rows exceed the limit of " + std::to_string(source.rows_max) + "; the rest was left out";
  reading.cells.rows = source.rows_max;
  for (CellColumn& column : reading.cells.columns) {
    column.values.resize(source.rows_max);
    column.present.resize(source.rows_max);
    if (!column.texts.empty()) column.texts.resize(source.rows_max);
  }
}

}  // namespace

HostReaders::HostReaders(std::filesystem::path proc, std::filesystem::path sys, const LocalServers& servers)
    : context_(new HostContext{std::move(proc), std::move(sys), servers, {}, {}, {}}) {}

HostReaders::~HostReaders() = default;

Reading HostReaders::read(const catalog::Source& source) {
  using Read = Status (*)(HostContext&, RowWriter&);
  static const std::map<std::string_view, Read> kReaders = {
      {"host.cpu", read_cpu},         {"host.cores", read_cores}, {"host.pressure", read_pressure}, {"host.memory", read_memory},
      {"host.paging", read_paging},   {"host.numa", read_numa},   {"host.disks", read_disks},       {"host.filesystems", read_filesystems},
      {"host.network", read_network}, {"host.tcp", read_tcp},     {"host.system", read_system},     {"host.settings", read_settings},
      {"host.cgroups", read_cgroups},
  };
  const auto reader = kReaders.find(source.reader);
  if (reader == kReaders.end()) return no_reader(source);
  Reading reading;
  context_->note.clear();
  RowWriter out(source, reading.cells);
  if (auto read = reader->second(*context_, out); !read) return failed(read.error());
  reading.detail = context_->note;
  cut(source, reading);
  return reading;
}

Reading HostReaders::read(const catalog::Source& source, const LocalServer& server) {
  if (source.reader != "host.backends") return no_reader(source);
  Reading reading;
  RowWriter out(source, reading.cells);
  BackendProcesses& processes = context_->backends.try_emplace(server.target.name).first->second;
  auto note = processes.read(context_->proc, server.postmaster, source.rows_max, out);
  if (!note) return failed(note.error());
  reading.detail = std::move(*note);
  cut(source, reading);
  return reading;
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    out.push_back(line.substr(at, end - at));
    at = end;
  }
  return out;
}

void set_fields(std::string_view text, std::span<const Field> fields, RowWriter& out) {
  each_line(text, [&](std::string_view line) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    const std::string_view name = line.substr(0, end);
    for (const Field& field : fields) {
      if (field.name != name) continue;
      const std::size_t value = line.find_first_not_of(" \t", end);
      if (value != std::string_view::npos) out.set(field.column, number(line.substr(value)) * field.factor);
      return;
    }
  });
}

std::string unescape_mount(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3') {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace pga::collect
