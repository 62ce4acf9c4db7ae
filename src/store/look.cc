// Whether what the engine says is stored is there.
#include <sys/stat.h>

#include "base/log.h"
#include "store/store_internal.h"
#include "store/whole_parts.h"

namespace pga::store {
namespace {

constexpr std::size_t kNamedMax = 3;  // in a message

struct Look {
  std::string path;
  std::uint64_t bytes = 0;
  std::optional<std::string> missing;
  std::uint64_t inode = 0;  // of its directory: the next merge of the same parts has the same path
  bool gone = false;        // merged into another one and deleted, or dropped, since it was listed
};

Status look_at(std::vector<Look>& parts) {
  for (Look& part : parts) {
    auto missing = missing_of_part(part.path, part.bytes);
    part.gone = !missing && missing.error().code == ErrorCode::kNotFound;
    if (part.gone) continue;
    PGA_TRY(part.missing, std::move(missing));
    struct stat directory{};
    if (part.missing && ::stat(part.path.c_str(), &directory) == 0) part.inode = directory.st_ino;
  }
  return {};
}

}  // namespace

net::Task<Status> Store::look() {
  Impl& impl = *impl_;
  if (impl.options.engine_directory.empty()) co_return Status{};
  const std::string run = impl.engine_run();
  if (run == impl.distrusted_run) co_return unavailable("the engine has parts that are not whole and is started again");
  Parameters parameters;
  parameters.set("database", impl.options.database);
  PGA_CO_TRY(const Rows rows,
             co_await impl.client.select("SELECT path, bytes_on_disk FROM system.parts WHERE active AND database = {database:String}",
                                         std::move(parameters), after(impl.options.query_timeout)));
  std::set<std::string> listed;
  std::vector<Look> parts;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& path = *listed.insert(rows.text(i, 0)).first;
    if (!impl.whole_parts.contains(path)) parts.push_back({.path = path, .bytes = rows.count(i, 1), .missing = {}});
  }
  PGA_CO_TRY_STATUS(co_await impl.loop.run_blocking([&parts] { return look_at(parts); }));

  std::erase_if(impl.whole_parts, [&](const std::string& path) { return !listed.contains(path); });
  std::size_t broken = 0;
  std::string named;
  for (Look& part : parts) {
    if (part.gone) continue;
    if (part.missing) {
      const auto known = impl.broken_parts.emplace(std::to_string(part.inode) + " " + part.path, run).first;
      if (known->second == run) {
        if (++broken <= kNamedMax) named += (named.empty() ? "" : "; ") + part.path + ": " + *part.missing;
        continue;
      }
      log_error("store", part.path + ": " + *part.missing + ", and the engine has read it all the same: it is left as it is");
    }
    impl.whole_parts.insert(std::move(part.path));
  }
  if (broken == 0) co_return Status{};
  impl.distrusted_run = run;
  if (impl.options.restart_engine) impl.options.restart_engine();
  const Error error = unavailable(std::to_string(broken) + " parts of the store are not whole (was the disk full?): " + named);
  log_warning("store", error.message);
  co_return error;
}

}  // namespace pga::store
