#pragma once
// Text that came from processes, made fit for people and for JSON.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shrike {

/// `bytes` with everything a terminal could obey spelt out: control characters (C0, DEL, C1), characters that turn the
/// direction of writing (UAX #9: embeddings, overrides, isolates) and bytes that are not UTF-8 become "\xNN". A program
/// can choose its own name; it must not choose what an operator sees.
std::string printable(std::string_view bytes);

/// Nanoseconds since 1970 of an RFC 3339 time in UTC ("2026-11-20T08:39:00.123456789Z"; fraction of 0 to 9 digits).
/// Nothing when it is spelt in any other way or lies outside 1970..2554.
std::optional<uint64_t> rfc3339_ns(std::string_view text);

}  // namespace shrike
