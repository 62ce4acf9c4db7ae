// Processors, and the pressure on them, on memory and on disks.
#include <unistd.h>

#include "base/files.h"
#include "collect/host_context.h"

namespace pga::collect {
namespace {

std::int64_t tick_ns() {
  static const std::int64_t ns = 1'000'000'000 / ::sysconf(_SC_CLK_TCK);
  return ns;
}

}  // namespace

Status read_cpu(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string stat, read_file(host.proc / "stat", kProcFileBytesMax));
  PGA_TRY(const std::string loadavg, read_file(host.proc / "loadavg", kProcFileBytesMax));
  out.row();
  std::int64_t cores = 0;
  each_line(stat, [&](std::string_view line) {
    // The longest line, of interrupts, has a number for each of thousands: it is not worth taking apart.
    if (line.starts_with("cpu ")) {
      const auto w = words(line);
      const auto ticks = [&](std::size_t i) { return i < w.size() ? number(w[i]) * tick_ns() : 0; };
      out.set("user_ns", ticks(1));
      out.set("nice_ns", ticks(2));
      out.set("system_ns", ticks(3));
      out.set("idle_ns", ticks(4));
      out.set("iowait_ns", ticks(5));
      out.set("irq_ns", ticks(6) + ticks(7));
      out.set("steal_ns", ticks(8));
      out.set("guest_ns", ticks(9) + ticks(10));
    } else if (line.starts_with("cpu")) {
      ++cores;
    }
  });
  static constexpr Field kFields[] = {{"ctxt", "context_switches"},
                                      {"processes", "processes_created"},
                                      {"procs_running", "processes_running"},
                                      {"procs_blocked", "processes_blocked"}};
  set_fields(stat, kFields, out);
  out.set("cores", cores);
  const auto load = words(loadavg);
  const char* names[] = {"load1", "load5", "load15"};
  for (std::size_t i = 0; i < 3 && i < load.size(); ++i) {
    double value = 0;
    std::from_chars(load[i].data(), load[i].data() + load[i].size(), value);
    out.set_double(names[i], value);
  }
  return {};
}

Status read_cores(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string stat, read_file(host.proc / "stat", kProcFileBytesMax));
  each_line(stat, [&](std::string_view line) {
    if (!line.starts_with("cpu") || line.starts_with("cpu ")) return;
    const auto w = words(line);
    const auto ticks = [&](std::size_t i) { return i < w.size() ? number(w[i]) * tick_ns() : 0; };
    out.row();
    out.set("core", number(w[0].substr(3)));
    out.set("busy_ns", ticks(1) + ticks(2) + ticks(3) + ticks(6) + ticks(7));
    out.set("irq_ns", ticks(6) + ticks(7));
    out.set("iowait_ns", ticks(5));
    out.set("idle_ns", ticks(4));
    out.set("steal_ns", ticks(8));
  });
  return {};
}

Status read_pressure(HostContext& host, RowWriter& out) {
  for (const char* resource : {"cpu", "memory", "io"}) {
    // Without the file, or with one that answers "not supported", it was not built for it or not told to at boot.
    const auto text = read_file(host.proc / "pressure" / resource, kProcFileBytesMax);
    if (!text) return not_here("this kernel does not measure pressure (" + text.error().message + "): boot it with psi=1");
    out.row();
    out.set_text("resource", resource);
    each_line(*text, [&](std::string_view line) {
      const bool some = line.starts_with("some ");
      const std::size_t total = line.find("total=");
      if ((!some && !line.starts_with("full ")) || total == std::string_view::npos) return;
      out.set(some ? "some_us" : "full_us", number(line.substr(total + 6)));
    });
  }
  return {};
}

}  // namespace pga::collect
