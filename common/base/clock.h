#pragma once

#include <cstdint>
#include <string>

namespace shrike {

/// CLOCK_BOOTTIME in nanoseconds: what kernel records carry.
uint64_t boot_now_ns();
/// CLOCK_REALTIME in nanoseconds since 1970.
uint64_t wall_now_ns();
/// What to add to a boot time to get wall time, measured now (three readings, the tightest wins).
int64_t wall_offset_ns();
/// `ns` since 1970 as RFC 3339 in UTC with nanoseconds: 2026-11-20T08:39:00.123456789Z.
std::string rfc3339(uint64_t ns);

}  // namespace shrike
