#include "common/format/text.h"

#include <algorithm>
#include <cstdint>

namespace shrike::format {
namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";
constexpr std::string_view ellipsis = "\xe2\x80\xa6";

/// Length of the UTF-8 character at `at`; 0: none begins there. RFC 3629: no surrogates, nothing overlong.
size_t character(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : uint8_t{0}; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const uint8_t second = byte(1);
    if (!tail(1) || !tail(2) || (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const uint8_t second = byte(1);
    if (!tail(1) || !tail(2) || !tail(3) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
      return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string clean(std::string_view bytes) {
  std::string out;
  out.reserve(std::min(bytes.size(), text_max_bytes));
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = character(bytes, at);
    std::string_view next = length == 0 ? replacement : bytes.substr(at, length);
    // JSON escapes what is below 0x20 itself; DEL and C1, which a terminal obeys as well, it would leave as they are.
    if (next == "\x7f" || (length == 2 && next[0] == '\xc2' && static_cast<uint8_t>(next[1]) < 0xa0))
      next = replacement;
    if (out.size() + next.size() + ellipsis.size() > text_max_bytes) return out.append(ellipsis);
    out.append(next);
    at += length == 0 ? 1 : length;
  }
  return out;
}

}  // namespace shrike::format
