#include "agent/enrich/bounded_json.h"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace shrike::enrich {
namespace {

constexpr int depth_max = 12;
constexpr size_t values_max = 20'000;

using Event = json::parse_event_t;

bool is_start(Event event) { return event == Event::object_start || event == Event::array_start; }

/// A number of exactly `digits` digits at the front of `text`, which is taken off it; -1: there is none.
int number(std::string_view& text, size_t digits) {
  int value = -1;
  if (text.size() < digits) return -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || value < 0) return -1;
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

json parse_members(std::string_view text, std::initializer_list<std::string_view> wanted) {
  size_t values = 0;
  const auto keep = [&](int depth, Event event, json& parsed) {
    if (is_start(event) && depth > depth_max) return false;
    if (event == Event::key && depth == 1)
      return std::find(wanted.begin(), wanted.end(), parsed.get_ref<const std::string&>()) != wanted.end();
    return event == Event::object_end || event == Event::array_end || ++values <= values_max;
  };
  json out = json::parse(text.begin(), text.end(), keep, false);
  return out.is_object() ? out : json(json::value_t::discarded);
}

json parse_records(std::string_view text, std::string_view id) {
  size_t values = 0;
  const auto keep = [&](int depth, Event event, json& parsed) {
    if (event == Event::object_start && depth == 1) values = 0;
    if (event == Event::object_end && depth == 1) return parsed.is_object() && at(parsed, "id") == json(id);
    if (is_start(event) && depth > depth_max) return false;
    return event == Event::object_end || event == Event::array_end || ++values <= values_max;
  };
  json out = json::parse(text.begin(), text.end(), keep, false);
  return out.is_array() ? out : json(json::value_t::discarded);
}

const json& at(const json& from, std::string_view key) {
  static const json none;
  if (!from.is_object()) return none;
  const auto found = from.find(key);
  return found == from.end() ? none : *found;
}

std::string TextBudget::text(const json& value, size_t most) {
  return value.is_string() ? text(std::string_view(value.get_ref<const std::string&>()), most) : std::string{};
}

std::string TextBudget::text(std::string_view value, size_t most) {
  size_t size = std::min({value.size(), left_, most});
  const auto continues = [&](size_t place) { return (static_cast<unsigned char>(value[place]) & 0xC0) == 0x80; };
  if (size < value.size())
    while (size > 0 && continues(size)) --size;
  left_ -= size;
  return std::string(value.substr(0, size));
}

uint64_t time_of(std::string_view text) {
  constexpr uint64_t second_ns = 1'000'000'000;
  std::tm when{};
  const int year = number(text, 4);
  if (year < 1970 || year > 2200 || !take(text, '-')) return 0;
  when.tm_year = year - 1900;
  if ((when.tm_mon = number(text, 2) - 1) < 0 || !take(text, '-')) return 0;
  if ((when.tm_mday = number(text, 2)) < 1 || !take(text, 'T')) return 0;
  if ((when.tm_hour = number(text, 2)) < 0 || !take(text, ':')) return 0;
  if ((when.tm_min = number(text, 2)) < 0 || !take(text, ':')) return 0;
  if ((when.tm_sec = number(text, 2)) < 0) return 0;
  uint64_t part_ns = 0;
  if (take(text, '.'))
    for (uint64_t unit = second_ns / 10; !text.empty() && text[0] >= '0' && text[0] <= '9'; unit /= 10) {
      part_ns += static_cast<uint64_t>(text[0] - '0') * unit;
      text.remove_prefix(1);
    }
  int64_t offset_s = 0;
  if (!take(text, 'Z')) {
    const bool west = text.starts_with('-');
    if (!take(text, '-') && !take(text, '+')) return 0;
    const int hours = number(text, 2);
    if (hours < 0 || !take(text, ':')) return 0;
    const int minutes = number(text, 2);
    if (minutes < 0) return 0;
    offset_s = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
  }
  const int64_t seconds = ::timegm(&when) - offset_s;
  return seconds <= 0 ? 0 : static_cast<uint64_t>(seconds) * second_ns + part_ns;
}

}  // namespace shrike::enrich
