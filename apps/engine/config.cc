#include "config.h"

#include <algorithm>
#include <utility>

namespace pga::engine {

std::uint64_t server_memory_bytes(std::uint64_t budget_bytes) {
  constexpr std::uint64_t kOutsideTheAccount = 230ULL << 20;
  return (std::max(budget_bytes, kMemoryBytesMin) - kOutsideTheAccount) / 100 * 85;
}

std::string config_xml(std::uint64_t budget_bytes, unsigned cores) {
  const auto pool = std::to_string(std::clamp(cores / 2, 1U, 8U));
  const auto mark_cache = std::to_string(std::clamp<std::uint64_t>(budget_bytes / 32, 16ULL << 20, 256ULL << 20));
  const std::pair<const char*, std::string> settings[] = {
      {"max_server_memory_usage", std::to_string(server_memory_bytes(budget_bytes))},
      {"mark_cache_size", mark_cache},
      {"index_mark_cache_size", "4194304"},
      {"uncompressed_cache_size", "0"},
      {"index_uncompressed_cache_size", "0"},
      {"compiled_expression_cache_size", "0"},
      {"mmap_cache_size", "100"},
      {"background_pool_size", pool},
      {"background_merges_mutations_concurrency_ratio", "1"},
      {"background_move_pool_size", "1"},
      {"background_fetches_pool_size", "1"},
      {"background_common_pool_size", "1"},
      {"background_schedule_pool_size", "2"},
      {"max_thread_pool_size", "200"},
      {"max_thread_pool_free_size", "4"},
      {"max_io_thread_pool_size", "2"},
      {"max_io_thread_pool_free_size", "0"},
      {"max_active_parts_loading_thread_pool_size", "1"},
      {"max_outdated_parts_loading_thread_pool_size", "1"},
      {"max_parts_cleaning_thread_pool_size", "1"},
      {"tables_loader_foreground_pool_size", "1"},
      {"tables_loader_background_pool_size", "1"},
  };
  std::string xml = "<clickhouse>\n";
  for (const auto& [name, value] : settings) xml += "  <" + std::string(name) + ">" + value + "</" + name + ">\n";
  // The bounds of a merge; free entries of the pool are 0 because a pool of 1 never has more.
  xml +=
      "  <query_cache><max_size_in_bytes>0</max_size_in_bytes></query_cache>\n"
      "  <merge_tree>\n"
      // What was merged into another part stays for safety: that one was looked at and is on stable storage within ten seconds
      // (store::Store::look, sync), and a hundred tables with a part every two seconds have no inodes to spare.
      "    <old_parts_lifetime>60</old_parts_lifetime>\n"
      // A part that is not whole is set apart at the start, and its rows come back from the journal; never a reason not to start.
      "    <max_suspicious_broken_parts>100000</max_suspicious_broken_parts>\n"
      "    <max_suspicious_broken_parts_bytes>1099511627776</max_suspicious_broken_parts_bytes>\n"
      "    <merge_max_block_size>2048</merge_max_block_size>\n"
      // For the planner of joins, which no query of ours needs: 15 % of the work of an insert.
      "    <auto_statistics_types></auto_statistics_types>\n"
      "    <max_bytes_to_merge_at_max_space_in_pool>2147483648</max_bytes_to_merge_at_max_space_in_pool>\n"
      "    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>0</number_of_free_entries_in_pool_to_lower_max_size_of_merge>\n"
      "    <number_of_free_entries_in_pool_to_execute_mutation>0</number_of_free_entries_in_pool_to_execute_mutation>\n"
      "    "
      "<number_of_free_entries_in_pool_to_execute_optimize_entire_partition>0</"
      "number_of_free_entries_in_pool_to_execute_optimize_entire_partition>\n"
      "  </merge_tree>\n"
      "</clickhouse>\n";
  return xml;
}

std::vector<std::string> connect_arguments(const std::string& directory, const std::string& config_file) {
  // Without its cache, compiled code would be made again for every statement from the third of its kind on: 50 to 150 ms of CPU each.
  return {"--path=" + directory, "--config-file=" + config_file, "--compile_expressions=0", "--compile_aggregate_expressions=0",
          "--compile_sort_description=0"};
}

}  // namespace pga::engine
