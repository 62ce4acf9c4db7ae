// The configuration file that chDB reads. A value in the file beats the same command line argument, so the file is the only place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pga::engine {

// Below this budget the engine does not start: about 40 MiB private memory and 165 MiB of library pages are used before the first row.
inline constexpr std::uint64_t kMemoryBytesMin = 512ULL << 20;

// What chDB may count as its own: resident memory exceeds that by 220 to 450 MiB (reference measurement), so the cap is 0.85 of the budget
// less 230 MiB.
std::uint64_t server_memory_bytes(std::uint64_t budget_bytes);

std::string config_xml(std::uint64_t budget_bytes, unsigned cores);
// What chdb_connect is given, the same for every connection.
std::vector<std::string> connect_arguments(const std::string& directory, const std::string& config_file);

}  // namespace pga::engine
