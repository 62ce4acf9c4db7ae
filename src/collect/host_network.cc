// Network interfaces, and TCP as a whole.
#include "base/files.h"
#include "base/text.h"
#include "collect/host_context.h"

namespace pga::collect {
namespace {

// /proc/net/snmp and netstat: a line of names, then a line of their numbers, both beginning with the protocol.
void set_protocol(std::string_view text, std::string_view protocol, std::span<const Field> fields, RowWriter& out) {
  std::vector<std::string_view> names;
  each_line(text, [&](std::string_view line) {
    if (!line.starts_with(protocol) || line.substr(protocol.size(), 1) != ":") return;
    auto w = words(line);
    if (names.empty()) {
      names = std::move(w);
      return;
    }
    for (std::size_t i = 1; i < names.size() && i < w.size(); ++i) {
      const auto field = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == names[i]; });
      if (field != fields.end()) out.set(field->column, number(w[i]) * field->factor);
    }
    names.clear();
  });
}

}  // namespace

Status read_network(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string dev, read_file(host.proc / "net" / "dev", kProcFileBytesMax));
  each_line(dev, [&](std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;  // the two lines of headings
    const auto name = words(line.substr(0, colon));
    const auto w = words(line.substr(colon + 1));
    // A veth is one container's end of a pair whose traffic an interface of the machine has as well; there are hundreds, with names for
    // once.
    if (name.size() != 1 || w.size() < 16 || name[0].starts_with("veth")) return;
    out.row();
    out.set_text("interface", to_valid_utf8(name[0]));
    out.set("received_bytes", number(w[0]));
    out.set("received_packets", number(w[1]));
    out.set("receive_errors", number(w[2]));
    out.set("receive_drops", number(w[3]) + number(w[4]));
    out.set("sent_bytes", number(w[8]));
    out.set("sent_packets", number(w[9]));
    out.set("send_errors", number(w[10]));
    out.set("send_drops", number(w[11]) + number(w[12]));
    const auto speed = read_file(host.sys / "class" / "net" / std::string(name[0]) / "speed", kProcFileBytesMax);
    if (const std::int64_t megabits = speed ? number(*speed) : 0; megabits > 0) out.set("speed_bytes", megabits * 125'000);
  });
  return {};
}

Status read_tcp(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string snmp, read_file(host.proc / "net" / "snmp", kProcFileBytesMax));
  out.row();
  static constexpr Field kTcp[] = {
      {"ActiveOpens", "opened"},    {"PassiveOpens", "accepted"},    {"AttemptFails", "failed_attempts"}, {"EstabResets", "resets"},
      {"CurrEstab", "established"}, {"InSegs", "received_segments"}, {"OutSegs", "sent_segments"},        {"RetransSegs", "retransmitted"},
      {"InErrs", "receive_errors"}, {"OutRsts", "resets_sent"},
  };
  static constexpr Field kUdp[] = {{"RcvbufErrors", "udp_receive_buffer_errors"}};
  static constexpr Field kTcpExt[] = {
      {"ListenOverflows", "listen_overflows"},
      {"ListenDrops", "listen_drops"},
      {"TCPTimeouts", "timeouts"},
      {"TCPLostRetransmit", "lost_retransmits"},
      {"TCPAbortOnTimeout", "aborts_on_timeout"},
      {"TCPAbortOnMemory", "aborts_on_memory"},
      {"TCPMemoryPressures", "memory_pressures"},
      {"TCPReqQFullDrop", "syn_queue_drops"},
      {"TCPBacklogDrop", "backlog_drops"},
  };
  set_protocol(snmp, "Tcp", kTcp, out);
  set_protocol(snmp, "Udp", kUdp, out);
  if (const auto netstat = read_file(host.proc / "net" / "netstat", kProcFileBytesMax)) set_protocol(*netstat, "TcpExt", kTcpExt, out);
  if (const auto sockstat = read_file(host.proc / "net" / "sockstat", kProcFileBytesMax)) {
    each_line(*sockstat, [&](std::string_view line) {
      const auto w = words(line);
      if (w.empty() || w[0] != "TCP:") return;
      for (std::size_t i = 1; i + 1 < w.size(); i += 2) {
        if (w[i] == "orphan") out.set("orphans", number(w[i + 1]));
        if (w[i] == "tw") out.set("time_wait", number(w[i + 1]));
      }
    });
  }
  return {};
}

}  // namespace pga::collect
