#include <boost/json.hpp>
#include <cstdio>

#include "collect/doctor.h"
#include "runtime.h"

namespace pga::collector {
namespace {

using collect::Finding;
using collect::Level;

const char* mark(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok     ";
    case Level::kAdvice:
      return "advice ";
    case Level::kMissing:
      return "MISSING";
  }
  return "?";
}

const char* name(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kAdvice:
      return "advice";
    case Level::kMissing:
      return "missing";
  }
  return "?";
}

void print(const std::string& target, const std::vector<Finding>& findings) {
  std::printf("target %s\n", target.c_str());
  for (const Finding& f : findings) {
    std::printf("  %s  %-28s %s\n", mark(f.level), f.what.c_str(), f.detail.c_str());
    if (!f.mend.empty()) std::printf("           %-28s -> %s\n", "", f.mend.c_str());
  }
}

boost::json::object to_json(const std::string& target, const std::vector<Finding>& findings) {
  boost::json::array list;
  for (const Finding& f : findings) list.push_back({{"level", name(f.level)}, {"what", f.what}, {"detail", f.detail}, {"mend", f.mend}});
  return {{"target", target}, {"findings", std::move(list)}};
}

struct Examined {
  std::string target;
  std::vector<Finding> findings;
};

net::Task<> examine_all(net::Loop& loop, const Config& config, const catalog::Catalog& catalog, Clock& clock, std::vector<Examined>& out) {
  for (const auto& target : config.targets) {
    out.push_back({target.name, {}});
    out.back().findings = co_await collect::examine(loop, target, catalog, clock);
  }
  for (const auto& target : config.poolers) {
    out.push_back({target.name, {}});
    out.back().findings = co_await collect::examine(loop, target, catalog, clock);
  }
  if (config.host) out.push_back({"this machine", collect::examine_host(catalog)});
  loop.stop();
}

}  // namespace

int check(const Config& config, const catalog::Catalog& catalog, bool json) {
  SystemClock clock;
  net::Loop loop;
  std::vector<Examined> all;
  loop.spawn(examine_all(loop, config, catalog, clock, all));
  loop.run();
  bool missing = false;
  boost::json::array targets;
  for (const auto& [target, findings] : all) {
    for (const Finding& f : findings) missing |= f.level == Level::kMissing;
    if (json)
      targets.push_back(to_json(target, findings));
    else
      print(target, findings);
  }
  if (json)
    std::printf("%s\n", boost::json::serialize(boost::json::object{{"ok", !missing}, {"targets", std::move(targets)}}).c_str());
  else
    std::printf(missing ? "something is missing; the lines with -> say what to run\n" : "everything that is needed is there\n");
  return missing ? 1 : 0;
}

}  // namespace pga::collector
