// The names of the wire's small enumerations, as they stand in subjects, JSON and databases.

#include <algorithm>
#include <array>
#include <utility>

#include "common/wire/alert.h"
#include "common/wire/batch.h"

namespace shrike {
namespace {
template <class T>
using Names = std::pair<T, std::string_view>;

constexpr std::array lanes = std::to_array<Names<Lane>>({{Lane::alerts, "alerts"}, {Lane::telemetry, "telemetry"}});
constexpr std::array verdicts = std::to_array<Names<Verdict>>({
    {Verdict::accepted, "accepted"},
    {Verdict::duplicate, "duplicate"},
    {Verdict::gap, "gap"},
    {Verdict::forged, "forged"},
    {Verdict::forked, "forked"},
    {Verdict::rolled_back, "rolled_back"},
    {Verdict::malformed, "malformed"},
});
constexpr std::array severities = std::to_array<Names<Severity>>({
    {Severity::info, "info"},
    {Severity::low, "low"},
    {Severity::medium, "medium"},
    {Severity::high, "high"},
    {Severity::critical, "critical"},
});
constexpr std::array sources = std::to_array<Names<AlertSource>>({
    {AlertSource::falco, "falco"},
    {AlertSource::sigma, "sigma"},
    {AlertSource::sequence, "sequence"},
    {AlertSource::sandbox, "sandbox"},
    {AlertSource::integrity, "integrity"},
    {AlertSource::response, "response"},
});
constexpr std::array activities = std::to_array<Names<Activity>>({
    {Activity::create, "create"},
    {Activity::update, "update"},
    {Activity::close, "close"},
});

template <class List, class T>
std::string_view name_in(const List& list, T value) {
  const auto* at = std::find_if(list.begin(), list.end(), [&](const auto& entry) { return entry.first == value; });
  return at == list.end() ? "unknown" : at->second;
}

template <class List>
auto value_in(const List& list, std::string_view name) -> std::optional<decltype(list.begin()->first)> {
  const auto* at = std::find_if(list.begin(), list.end(), [&](const auto& entry) { return entry.second == name; });
  if (at == list.end()) return std::nullopt;
  return at->first;
}
}  // namespace

std::string_view lane_name(Lane lane) { return name_in(lanes, lane); }
std::optional<Lane> lane_named(std::string_view name) { return value_in(lanes, name); }
std::string_view verdict_name(Verdict verdict) { return name_in(verdicts, verdict); }
std::string_view severity_name(Severity severity) { return name_in(severities, severity); }
std::optional<Severity> severity_named(std::string_view name) { return value_in(severities, name); }
std::string_view source_name(AlertSource source) { return name_in(sources, source); }
std::optional<AlertSource> source_named(std::string_view name) { return value_in(sources, name); }
std::string_view activity_name(Activity activity) { return name_in(activities, activity); }
std::optional<Activity> activity_named(std::string_view name) { return value_in(activities, name); }

}  // namespace shrike
