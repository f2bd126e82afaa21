#include "collector/ctl/times.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

namespace shrike::ctl {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;
constexpr uint64_t longest_ns = 100ull * 365 * 86400 * second_ns;

struct Unit {
  std::string_view name;
  uint64_t ns;
};
// "ms" stands before "m": the first that fits the text wins.
constexpr std::array<Unit, 6> units{{{"ms", 1'000'000},
                                     {"s", second_ns},
                                     {"m", 60 * second_ns},
                                     {"h", 3600 * second_ns},
                                     {"d", 86400 * second_ns},
                                     {"w", 7 * 86400 * second_ns}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes exactly `width` digits from the front of `text`.
std::optional<unsigned> take_digits(std::string_view& text, size_t width) {
  if (text.size() < width) return std::nullopt;
  unsigned value = 0;
  for (size_t i = 0; i < width; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(text[i] - '0');
  }
  text.remove_prefix(width);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// Nanoseconds of ".123", at most nine digits count; nothing when a digit is missing.
std::optional<uint64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  uint64_t value = 0, scale = second_ns;
  bool any = false;
  while (!text.empty() && is_digit(text.front())) {
    if (scale > 1) value += static_cast<uint64_t>(text.front() - '0') * (scale /= 10);
    text.remove_prefix(1);
    any = true;
  }
  if (!any) return std::nullopt;
  return value;
}

/// Seconds east of UTC of "Z" or "+01:00", which must end the text.
std::optional<int64_t> take_zone(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59 || !text.empty()) return std::nullopt;
  const int64_t seconds = static_cast<int64_t>(*hours) * 3600 + static_cast<int64_t>(*minutes) * 60;
  return east ? seconds : -seconds;
}

std::optional<uint64_t> parse_rfc3339(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || *year < 1970 || *year > 2500 || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                            std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  int64_t seconds = duration_cast<std::chrono::seconds>(sys_days(date).time_since_epoch()).count();
  if (text.empty()) return static_cast<uint64_t>(seconds) * second_ns;
  if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone) return std::nullopt;
  seconds += static_cast<int64_t>(*hour) * 3600 + static_cast<int64_t>(*minute) * 60 + *second - *zone;
  if (seconds < 0) return std::nullopt;
  return static_cast<uint64_t>(seconds) * second_ns + *fraction;
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const Error wrong{"'" + std::string(text) + "' is no duration: write for example 250ms, 30s, 10m, 1h30m or 2d"};
  uint64_t total = 0;
  uint64_t last = UINT64_MAX;
  std::string_view rest = text;
  do {
    uint64_t number = 0;
    const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (failed != std::errc() || number > longest_ns) return wrong;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    const Unit* unit = nullptr;
    for (const Unit& one : units) {
      if (rest.starts_with(one.name)) {
        unit = &one;
        break;
      }
    }
    if (unit == nullptr || unit->ns >= last) return wrong;
    last = unit->ns;
    rest.remove_prefix(unit->name.size());
    if (number > (longest_ns - total) / unit->ns) return wrong;
    total += number * unit->ns;
  } while (!rest.empty());
  return std::chrono::nanoseconds(static_cast<int64_t>(total));
}

Result<uint64_t> parse_moment(std::string_view text, uint64_t now_ns) {
  if (const auto back = parse_duration(text); back.ok()) {
    const auto ns = static_cast<uint64_t>(back->count());
    return ns > now_ns ? 0 : now_ns - ns;
  }
  if (const auto moment = parse_rfc3339(text)) return *moment;
  return Error{"'" + std::string(text) +
               "' is no time: write for example 2026-11-20T08:39:00Z, or 10m for ten minutes ago"};
}

std::string with_commas(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string short_duration(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<uint64_t>(duration.count() < 0 ? 0 : duration.count());
  char text[48];
  const uint64_t s = ns / second_ns;
  if (ns < 1'000'000) {
    std::snprintf(text, sizeof text, "%.1f us", static_cast<double>(ns) / 1e3);
  } else if (ns < second_ns) {
    std::snprintf(text, sizeof text, "%.0f ms", static_cast<double>(ns) / 1e6);
  } else if (s < 60) {
    std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(ns) / 1e9);
  } else if (s < 3600) {
    std::snprintf(text, sizeof text, "%um%us", static_cast<unsigned>(s / 60), static_cast<unsigned>(s % 60));
  } else if (s < 86400) {
    std::snprintf(text, sizeof text, "%uh%um", static_cast<unsigned>(s / 3600), static_cast<unsigned>(s / 60 % 60));
  } else {
    std::snprintf(text, sizeof text, "%ud%uh", static_cast<unsigned>(s / 86400), static_cast<unsigned>(s / 3600 % 24));
  }
  return text;
}

std::string short_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> names{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t i = 0;
  while (value >= 1024 && i + 1 < names.size()) {
    value /= 1024;
    ++i;
  }
  char text[32];
  std::snprintf(text, sizeof text, i == 0 ? "%.0f %s" : "%.1f %s", value, names[i]);
  return text;
}

}  // namespace shrike::ctl
