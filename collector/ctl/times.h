#pragma once
// Times and sizes as operators write and read them.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace shrike::ctl {

/// A positive duration: numbers with a unit each, largest first ("90s", "1h30m", "250ms", "2d"). Units: ms, s, m, h, d,
/// w. Errors: empty; a number without a unit; an unknown unit; more than 100 years.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// A moment as nanoseconds since 1970: RFC 3339 ("2026-11-20T08:39:00Z", "...+01:00", a fraction, a day alone meaning
/// its first moment in UTC) or a duration back from `now_ns`. Errors: neither of the two; a date that does not exist.
Result<uint64_t> parse_moment(std::string_view text, uint64_t now_ns);

/// 1234567 -> "1,234,567".
std::string with_commas(uint64_t number);
/// 0.042 s -> "42 ms", 75 s -> "1m15s", 3 days -> "3d0h": two units at most.
std::string short_duration(std::chrono::nanoseconds duration);
/// 1536 -> "1.5 KiB".
std::string short_bytes(uint64_t bytes);

}  // namespace shrike::ctl
