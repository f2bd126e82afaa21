// Elastic Common Schema: its fields as nested objects, its dates as RFC 3339.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "common/format/format.h"
#include "common/format/text.h"

#ifndef SHRIKE_VERSION
#define SHRIKE_VERSION "0.0.0"
#endif

namespace shrike {
namespace {

using Json = nlohmann::ordered_json;
using format::clean;

/// event.severity has no scale in ECS: the numbers are syslog's turned round, as Elastic's own rules use them.
int severity_of(Severity severity) {
  constexpr int scale[] = {10, 21, 47, 73, 99};
  return scale[std::min<size_t>(static_cast<size_t>(severity), std::size(scale) - 1)];
}

std::string_view action_of(Activity activity) {
  switch (activity) {
    case Activity::create:
      return "finding-created";
    case Activity::update:
      return "finding-updated";
    case Activity::close:
      return "finding-closed";
  }
  return "";
}

Json event_of(const Alert& alert) {
  const uint64_t first_ns = alert.first_time_ns != 0 ? alert.first_time_ns : alert.time_ns;
  const uint64_t last_ns = alert.last_time_ns != 0 ? alert.last_time_ns : alert.time_ns;
  const bool own = alert.source == AlertSource::integrity || alert.source == AlertSource::response;
  Json event = {
      {"kind", "alert"},
      {"category", own ? Json::array({"intrusion_detection"}) : Json::array({"intrusion_detection", "process"})},
      {"type", Json::array({"info"})},
      {"action", action_of(alert.activity)},
      {"id", clean(alert.uid)},
      {"module", "shrike"},
      {"dataset", "shrike.alerts"},
      {"provider", source_name(alert.source)},
      {"severity", severity_of(alert.severity)},
      {"risk_score", std::max(alert.risk, alert.tree_risk)},
      {"risk_score_norm", std::max(alert.risk, alert.tree_risk) * 100},
      {"start", rfc3339(first_ns)},
      {"end", rfc3339(last_ns)},
      {"duration", last_ns >= first_ns ? last_ns - first_ns : 0},
  };
  if (alert.evidence.seq != 0) event["sequence"] = alert.evidence.seq;
  return event;
}

Json process_of(const Alert& alert) {
  const AlertProcess& from = alert.process;
  Json user = {{"id", std::to_string(from.uid)}};
  if (!from.user.empty()) user["name"] = clean(from.user);
  Json process = {{"pid", from.pid}, {"name", clean(from.name)}, {"command_line", clean(from.cmdline)}};
  if (!from.exe.empty()) process["executable"] = clean(from.exe);
  if (!from.cwd.empty()) process["working_directory"] = clean(from.cwd);
  if (from.start_ns != 0) process["start"] = rfc3339(from.start_ns);
  process["user"] = std::move(user);
  if (!alert.ancestors.empty()) process["parent"] = {{"name", clean(alert.ancestors.front())}};
  return process;
}

Json threat_of(const Alert& alert) {
  Json techniques = Json::array(), below = Json::array();
  for (const std::string& id : alert.attack) {
    const std::string text = clean(id);
    const size_t dot = text.find('.');
    techniques.push_back(text.substr(0, dot));
    if (dot != std::string::npos) below.push_back(text);
  }
  Json technique = {{"id", std::move(techniques)}};
  if (!below.empty()) technique["subtechnique"] = {{"id", std::move(below)}};
  return {{"framework", "MITRE ATT&CK"}, {"technique", std::move(technique)}};
}

/// Custom fields are ours alone, under the product's name, so that they cannot meet one of the schema's.
Json own_of(const Alert& alert) {
  Json fields = Json::object(), scores = Json::object();
  for (const auto& [name, value] : alert.fields) fields[clean(name)] = clean(value);
  for (const auto& [detector, score] : alert.scores) scores[clean(detector)] = score;
  return {{"confidence", alert.confidence},
          {"risk", alert.risk},
          {"tree_risk", alert.tree_risk},
          {"scores", std::move(scores)},
          {"count", alert.count},
          {"fields", std::move(fields)},
          {"ancestors",
           [&] {
             Json names = Json::array();
             for (const std::string& name : alert.ancestors) names.push_back(clean(name));
             return names;
           }()},
          {"evidence",
           {{"lane", clean(alert.evidence.lane)},
            {"seq", alert.evidence.seq},
            {"index", alert.evidence.index},
            {"verdict", clean(alert.evidence.verdict)}}}};
}

}  // namespace

std::string alert_to_ecs(const Alert& alert) {
  Json user = {{"id", std::to_string(alert.process.uid)}};
  if (!alert.process.user.empty()) user["name"] = clean(alert.process.user);
  Json line = {
      {"@timestamp", rfc3339(alert.time_ns)},
      {"ecs", {{"version", "8.17.0"}}},
      {"message", clean(alert.message)},
      {"event", event_of(alert)},
      {"rule", {{"name", clean(alert.rule)}, {"ruleset", source_name(alert.source)}, {"category", "shrike"}}},
      {"host", {{"name", clean(alert.node)}, {"hostname", clean(alert.node)}, {"os", {{"type", "linux"}}}}},
      {"observer", {{"vendor", "Shrike"}, {"product", "Shrike"}, {"type", "ids"}, {"version", SHRIKE_VERSION}}},
      {"process", process_of(alert)},
      {"user", user},
      {"related", {{"hosts", Json::array({clean(alert.node)})}}},
  };
  if (!alert.process.user.empty()) line["related"]["user"] = Json::array({clean(alert.process.user)});
  const std::string& container = alert.process.container_id;
  if (!container.empty() && container != "host") line["container"] = {{"id", clean(container)}};
  if (!alert.attack.empty()) line["threat"] = threat_of(alert);
  for (const std::string& tag : alert.tags) line["tags"].push_back(clean(tag));
  line["shrike"] = own_of(alert);
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace shrike
