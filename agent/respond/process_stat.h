#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/result.h"

namespace shrike::respond {

/// The part of /proc/PID/stat that tells one process from the next with its pid (proc(5)).
struct ProcessStat {
  uint32_t parent = 0;
  uint64_t start_ticks = 0;  ///< since boot, CLOCK_BOOTTIME, in clock ticks
};
/// Parses that file's text. Errors: it is cut or not of that form. The name in it may hold anything, also ") R 1".
Result<ProcessStat> parse_process_stat(std::string_view text);
/// Errors: no such process (ESRCH or ENOENT); as above.
Result<ProcessStat> process_stat(uint32_t pid);

/// Whether both name the same moment: the file has only ticks.
bool same_start(uint64_t start_ns, const ProcessStat& stat);

}  // namespace shrike::respond
