#pragma once
// What every format needs of texts that programs chose.

#include <string>
#include <string_view>

namespace shrike::format {

/// No text in a line is longer; what is cut ends in an ellipsis.
inline constexpr size_t text_max_bytes = 64u << 10;

/// Valid UTF-8 of at most text_max_bytes: bytes that are none, DEL and C1 controls become U+FFFD (C0 stays: each format
/// has its own way with it), a character is never cut in two.
std::string clean(std::string_view bytes);

}  // namespace shrike::format
