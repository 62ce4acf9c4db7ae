// Memory of the machine: how much, how it is paged, and to which processors it is near.
#include "base/files.h"
#include "collect/host_context.h"

namespace pga::collect {
namespace {

constexpr int kNodesMax = 256;

}  // namespace

Status read_memory(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string meminfo, read_file(host.proc / "meminfo", kProcFileBytesMax));
  static constexpr Field kFields[] = {
      {"MemTotal:", "total_bytes", 1024},
      {"MemFree:", "free_bytes", 1024},
      {"MemAvailable:", "available_bytes", 1024},
      {"Buffers:", "buffers_bytes", 1024},
      {"Cached:", "cached_bytes", 1024},
      {"Shmem:", "shared_bytes", 1024},
      {"AnonPages:", "anonymous_bytes", 1024},
      {"Active(file):", "active_file_bytes", 1024},
      {"Inactive(file):", "inactive_file_bytes", 1024},
      {"Dirty:", "dirty_bytes", 1024},
      {"Writeback:", "writeback_bytes", 1024},
      {"Slab:", "slab_bytes", 1024},
      {"SReclaimable:", "slab_reclaimable_bytes", 1024},
      {"PageTables:", "page_tables_bytes", 1024},
      {"CommitLimit:", "commit_limit_bytes", 1024},
      {"Committed_AS:", "committed_bytes", 1024},
      {"AnonHugePages:", "transparent_huge_bytes", 1024},
      {"SwapTotal:", "swap_total_bytes", 1024},
      {"SwapFree:", "swap_free_bytes", 1024},
      {"SwapCached:", "swap_cached_bytes", 1024},
      {"HugePages_Total:", "huge_pages_total", 1},
      {"HugePages_Free:", "huge_pages_free", 1},
      {"HugePages_Rsvd:", "huge_pages_reserved", 1},
      {"HugePages_Surp:", "huge_pages_surplus", 1},
      {"Hugepagesize:", "huge_page_bytes", 1024},
  };
  out.row();
  set_fields(meminfo, kFields, out);
  return {};
}

Status read_paging(HostContext& host, RowWriter& out) {
  PGA_TRY(const std::string vmstat, read_file(host.proc / "vmstat", kProcFileBytesMax));
  static constexpr Field kFields[] = {
      {"pgpgin", "paged_in_bytes", 1024},
      {"pgpgout", "paged_out_bytes", 1024},
      {"pswpin", "swapped_in_pages"},
      {"pswpout", "swapped_out_pages"},
      {"pgfault", "faults"},
      {"pgmajfault", "major_faults"},
      {"pgsteal_kswapd", "reclaimed_pages"},
      {"pgsteal_direct", "reclaimed_directly_pages"},
      {"pgscan_direct", "scanned_directly_pages"},
      {"workingset_refault_file", "refaulted_file_pages"},
      {"oom_kill", "oom_kills"},
      {"compact_stall", "compaction_stalls"},
      {"compact_fail", "compaction_failures"},
      {"thp_fault_alloc", "transparent_huge_allocated"},
      {"thp_split_page", "transparent_huge_split"},
      {"numa_pages_migrated", "numa_migrated_pages"},
  };
  out.row();
  set_fields(vmstat, kFields, out);
  // One line for each zone, in newer kernels; one for all in older ones.
  std::int64_t stalls = 0;
  each_line(vmstat, [&](std::string_view line) {
    if (line.starts_with("allocstall")) stalls += number(line.substr(std::min(line.find(' ') + 1, line.size())));
  });
  out.set("reclaim_stalls", stalls);
  return {};
}

Status read_numa(HostContext& host, RowWriter& out) {
  for (int node = 0; node < kNodesMax; ++node) {
    const auto folder = host.sys / "devices" / "system" / "node" / ("node" + std::to_string(node));
    const auto meminfo = read_file(folder / "meminfo", kProcFileBytesMax);
    if (!meminfo && node == 0) return not_here("this machine has no memory nodes: " + meminfo.error().message);
    if (!meminfo) continue;  // numbers may have holes
    out.row();
    out.set("node", node);
    each_line(*meminfo, [&](std::string_view line) {
      const auto w = words(line);  // Node 0 MemTotal: 123 kB
      if (w.size() < 4) return;
      if (w[2] == "MemTotal:") out.set("total_bytes", number(w[3]) * 1024);
      if (w[2] == "MemFree:") out.set("free_bytes", number(w[3]) * 1024);
      if (w[2] == "FilePages:") out.set("file_bytes", number(w[3]) * 1024);
      if (w[2] == "AnonPages:") out.set("anonymous_bytes", number(w[3]) * 1024);
      if (w[2] == "HugePages_Free:") out.set("huge_pages_free", number(w[3]));
    });
    static constexpr Field kFields[] = {
        {"numa_hit", "hits"}, {"numa_miss", "misses"}, {"numa_foreign", "foreign"}, {"local_node", "local"}, {"other_node", "remote"}};
    if (const auto numastat = read_file(folder / "numastat", kProcFileBytesMax)) set_fields(*numastat, kFields, out);
  }
  return {};
}

}  // namespace pga::collect
