#include "common/wire/text.h"

#include <array>
#include <ctime>

namespace shrike {
namespace {
/// Length of the well-formed UTF-8 sequence at the head of `bytes` (Unicode 15, table 3-7), 0 when there is none.
size_t utf8_length(std::string_view bytes) {
  const auto at = [&](size_t i) { return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0u; };
  const auto more = [&](size_t i) { return (at(i) & 0xc0) == 0x80; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return more(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && at(1) < 0xa0) return 0;
    if (first == 0xed && at(1) > 0x9f) return 0;
    return more(1) && more(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && at(1) < 0x90) return 0;
    if (first == 0xf4 && at(1) > 0x8f) return 0;
    return more(1) && more(2) && more(3) ? 4 : 0;
  }
  return 0;
}

/// Characters that turn the direction of what follows: U+202A to U+202E, U+2066 to U+2069. "gpj.exe" would read
/// "exe.jpg".
bool turns_text(std::string_view three) {
  if (three[0] != '\xe2') return false;
  const auto second = static_cast<unsigned char>(three[1]);
  const auto third = static_cast<unsigned char>(three[2]);
  return (second == 0x80 && third >= 0xaa && third <= 0xae) || (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

void spell(unsigned char byte, std::string& out) {
  static constexpr char digits[] = "0123456789abcdef";
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 15];
}

/// The decimal number of `count` digits at `at`, or nothing.
std::optional<int> number(std::string_view text, size_t at, size_t count) {
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}
}  // namespace

std::string printable(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t n = utf8_length(bytes);
    const auto first = static_cast<unsigned char>(bytes[0]);
    const bool control =
        n == 1 ? first < 0x20 || first == 0x7f : n == 2 && first == 0xc2 && static_cast<unsigned char>(bytes[1]) < 0xa0;
    if (n == 0 || control || (n == 3 && turns_text(bytes))) {
      for (size_t i = 0; i < std::max<size_t>(n, 1); ++i) spell(static_cast<unsigned char>(bytes[i]), out);
    } else {
      out.append(bytes.substr(0, n));
    }
    bytes.remove_prefix(std::max<size_t>(n, 1));
  }
  return out;
}

std::optional<uint64_t> rfc3339_ns(std::string_view text) {
  static constexpr std::string_view shape = "0000-00-00T00:00:00";
  static constexpr std::array lowest{1970, 1, 1, 0, 0, 0};
  static constexpr std::array highest{2553, 12, 31, 23, 59, 60};
  static constexpr std::array<size_t, 6> starts{0, 5, 8, 11, 14, 17};
  std::array<int, 6> parts{};
  if (text.size() < shape.size() + 1 || text.back() != 'Z') return std::nullopt;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != '0' && text[i] != shape[i]) return std::nullopt;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto part = number(text, starts[i], i == 0 ? 4 : 2);
    if (!part || *part < lowest[i] || *part > highest[i]) return std::nullopt;
    parts[i] = *part;
  }
  uint64_t fraction = 0;
  std::string_view rest = text.substr(shape.size(), text.size() - shape.size() - 1);
  if (!rest.empty()) {
    if (rest[0] != '.' || rest.size() < 2 || rest.size() > 10) return std::nullopt;
    const auto digits = number(rest, 1, rest.size() - 1);
    if (!digits) return std::nullopt;
    fraction = static_cast<uint64_t>(*digits);
    for (size_t i = rest.size() - 1; i < 9; ++i) fraction *= 10;
  }
  tm calendar{};
  calendar.tm_year = parts[0] - 1900;
  calendar.tm_mon = parts[1] - 1;
  calendar.tm_mday = parts[2];
  calendar.tm_hour = parts[3];
  calendar.tm_min = parts[4];
  calendar.tm_sec = parts[5];
  const time_t seconds = timegm(&calendar);
  // timegm normalises 31 February silently; such a day is no day.
  if (calendar.tm_mday != parts[2] && parts[5] != 60) return std::nullopt;
  return static_cast<uint64_t>(seconds) * 1'000'000'000u + fraction;
}

}  // namespace shrike
