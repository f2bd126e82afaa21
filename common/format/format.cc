#include "common/format/format.h"

#include <algorithm>
#include <array>
#include <utility>

namespace shrike {
namespace {

constexpr std::array formats = std::to_array<std::pair<Format, std::string_view>>({
    {Format::text, "text"},
    {Format::json, "json"},
    {Format::falco, "falco"},
    {Format::ocsf, "ocsf"},
    {Format::ecs, "ecs"},
    {Format::cef, "cef"},
});

}  // namespace

std::string_view format_name(Format format) {
  const auto* at = std::find_if(formats.begin(), formats.end(), [&](const auto& one) { return one.first == format; });
  return at == formats.end() ? "unknown" : at->second;
}

std::optional<Format> format_named(std::string_view name) {
  const auto* at = std::find_if(formats.begin(), formats.end(), [&](const auto& one) { return one.second == name; });
  if (at == formats.end()) return std::nullopt;
  return at->first;
}

std::string_view format_names() { return "text, json, falco, ocsf, ecs or cef"; }

std::string_view format_media_type(Format format) {
  return format == Format::text || format == Format::cef ? "text/plain" : "application/json";
}

std::string format_alert(const Alert& alert, Format format) {
  switch (format) {
    case Format::text:
      return alert_to_text(alert, false);
    case Format::json:
      return alert_to_json(alert);
    case Format::falco:
      return alert_to_falco(alert);
    case Format::ocsf:
      return alert_to_ocsf(alert);
    case Format::ecs:
      return alert_to_ecs(alert);
    case Format::cef:
      return alert_to_cef(alert);
  }
  return {};
}

}  // namespace shrike
